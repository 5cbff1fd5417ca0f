"""Softmax and losses of a block's logits, against the same in float64."""

import pytest
import torch

from pipeline.numerics.objective import softmax


@pytest.mark.parametrize("classes", [3, 40])
@pytest.mark.parametrize("middle", [-1e4, -200.0, -59.0, 0.0, 59.0, 85.0, 1e4])
def test_softmax_is_right_wherever_logits_lie(middle: float, classes: int) -> None:
    """Also where exp of the logits themselves, and sums of them, would leave float32: at both of its ends."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(classes, 200, generator=generator) + middle * torch.rand(200, generator=generator)
    labels = torch.randint(0, classes, (1, 200), generator=generator)
    expected = torch.log_softmax(scores.to(torch.float64), 0)
    losses, probabilities = softmax.losses_and_probabilities(scores.clone(), labels, 0)
    torch.testing.assert_close(probabilities.to(torch.float64), expected.exp(), rtol=1e-5, atol=0)
    torch.testing.assert_close(losses.to(torch.float64), -expected.gather(0, labels), rtol=1e-5, atol=1e-6)

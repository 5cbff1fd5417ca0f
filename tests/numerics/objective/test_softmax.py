"""Softmax and losses of a block's logits, against the same in float64."""

import pytest
import torch

from pipeline.numerics.exact import portable


@pytest.mark.parametrize("classes", [3, 40])
@pytest.mark.parametrize("middle", [-1e4, -200.0, -59.0, 0.0, 59.0, 85.0, 1e4])
def test_softmax_is_right_wherever_logits_lie(middle: float, classes: int) -> None:
    """Also where exp of the logits themselves, and sums of them, would leave float32: at both of its ends."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(classes, 200, generator=generator) + middle * torch.rand(200, generator=generator)
    labels = torch.randint(0, classes, (1, 200), generator=generator)
    expected = torch.log_softmax(scores.to(torch.float64), 0)
    probabilities, residuals = portable.softmax_(scores.clone(), 0), scores.clone()
    losses = portable.losses_and_residuals_(residuals, labels[0], 0)
    torch.testing.assert_close(probabilities.to(torch.float64), expected.exp(), rtol=1e-5, atol=0)
    torch.testing.assert_close(losses.to(torch.float64), -expected.gather(0, labels)[0], rtol=1e-5, atol=1e-6)
    one_hot = torch.nn.functional.one_hot(labels[0], classes).T
    torch.testing.assert_close(residuals.to(torch.float64), expected.exp() - one_hot, rtol=1e-5, atol=1e-6)

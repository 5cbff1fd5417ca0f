"""What one thread does with a block, against the same in float64."""

import numpy as np
import pytest
import torch

from pipeline.numerics.data.layout import Rows
from pipeline.numerics.objective import kernels
from tests.problems import numbers_only


@pytest.mark.parametrize("classes", [3, 40])
@pytest.mark.parametrize("middle", [-1e4, -200.0, -59.0, 0.0, 59.0, 85.0, 1e4])
def test_softmax_is_right_wherever_logits_lie(middle: float, classes: int) -> None:
    """Also where exp of the logits themselves, and sums of them, would leave float32: at both of its ends."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(classes, 200, generator=generator) + middle * torch.rand(200, generator=generator)
    labels = torch.randint(0, classes, (1, 200), generator=generator)
    expected = torch.log_softmax(scores.to(torch.float64), 0)
    losses, probabilities = kernels.losses_and_probabilities(scores.clone(), labels, 0)
    torch.testing.assert_close(probabilities.to(torch.float64), expected.exp(), rtol=1e-5, atol=0)
    torch.testing.assert_close(losses.to(torch.float64), -expected.gather(0, labels), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("columns", [1, 16, 17])
@pytest.mark.parametrize("classes", [31, 32])
@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
@torch.inference_mode()  # as passes run: a thread's buffers are of it
def test_a_transposed_product_is_that_of_its_factors(columns: int, classes: int, precision: torch.dtype) -> None:
    """Whichever of the two is the left factor, which goes by the sizes."""
    random = np.random.default_rng(0)
    problem = numbers_only(random.standard_normal((300, columns), dtype=np.float32), np.arange(300) % classes)
    rows = Rows(problem.blocks(300), (), classes, threads=1)
    residuals = torch.from_numpy(random.standard_normal((classes, 300))).to(precision)
    product = kernels.transposed_product(rows, rows.packed[0], residuals.clone())
    expected = problem.numbers.T.astype(np.float64) @ residuals.T.to(torch.float64).numpy()
    np.testing.assert_allclose(product[:-1], expected, rtol=0, atol=1e-4 if precision == torch.float32 else 1e-12)
    np.testing.assert_allclose(
        product[-1], residuals.sum(1), rtol=0, atol=1e-4 if precision == torch.float32 else 1e-12
    )

"""Products of one packed block, against the same in float64."""

import numpy as np
import pytest
import torch

from pipeline.numerics.data.layout import Rows
from pipeline.numerics.objective import products
from tests.problems import numbers_only


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
    product = products.transposed_product(rows, rows.packed[0], residuals.clone())
    expected = problem.numbers.T.astype(np.float64) @ residuals.T.to(torch.float64).numpy()
    np.testing.assert_allclose(product[:-1], expected, rtol=0, atol=1e-4 if precision == torch.float32 else 1e-12)
    np.testing.assert_allclose(
        product[-1], residuals.sum(1), rtol=0, atol=1e-4 if precision == torch.float32 else 1e-12
    )

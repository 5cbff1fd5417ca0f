"""The Hessian of few rows by products, columns and blocks: against the matrix added up over pairs of classes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.numerics.curvature import dense
from pipeline.numerics.curvature.row_space import RowCurvature
from pipeline.numerics.data.layout import Rows
from pipeline.numerics.objective.packed import PackedObjective
from tests.problems import synthetic


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("levels", "classes"), [((), 2), ((3, 5), 4)])
def test_product_column_and_block_are_the_matrixs(levels: tuple[int, ...], classes: int, intercept: bool) -> None:
    """Of weighted rows in three blocks; dense.py takes probabilities of float32, good to 1e-6."""
    problem = synthetic(60, 6, levels, classes)
    problem = replace(problem, weights=np.random.default_rng(0).random(60))
    objective = PackedObjective(Rows(problem.blocks(25), levels, classes, 1, intercept), 1e-2)
    generator = torch.Generator().manual_seed(0)
    theta = torch.randn(problem.columns + 1, classes, generator=generator, dtype=torch.float64)
    theta[-1] *= intercept
    columns = torch.tensor([0, 2, 3, problem.columns - 1])
    curvature = RowCurvature(objective, theta, columns, 0.25)
    size = len(curvature.roots)
    matrix = dense.over(objective, theta, columns, objective.rows.centre)
    if intercept:
        matrix[-classes:, -classes:] += 1 / classes**2
    else:
        matrix.diagonal()[-classes:] = 1.0
    matrix = matrix / curvature.roots / curvature.roots[:, None] + 0.25 * torch.eye(size, dtype=torch.float64)
    products = torch.stack([curvature.product(row) for row in torch.eye(size, dtype=torch.float64)])
    torch.testing.assert_close(products, matrix, rtol=0, atol=1e-5)
    exactly = {"rtol": 0, "atol": 1e-13}
    torch.testing.assert_close(torch.stack([curvature.column(place) for place in range(size)]), products, **exactly)
    torch.testing.assert_close(curvature.block(torch.arange(size).flip(0)), products.flip(0, 1), **exactly)
    torch.testing.assert_close(products.diagonal(), torch.full((size,), 1.25, dtype=torch.float64), **exactly)

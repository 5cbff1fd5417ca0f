"""Stand-ins for the Hessian: against dense matrices, and columns that have no curvature."""

import numpy as np
import pytest
import torch

from pipeline.numerics.curvature import preconditioners
from pipeline.numerics.curvature.preconditioners import ByClass, Kronecker
from pipeline.numerics.data.layout import Rows
from pipeline.numerics.objective.packed import PackedObjective
from tests.problems import Problem, numbers_only, synthetic


def _objective(problem: Problem, size: int = 64) -> PackedObjective:
    return PackedObjective(Rows(problem.blocks(size), problem.levels, problem.classes, 1), 1e-2)


@pytest.mark.parametrize("pairs", [0, 256])
def test_factors_of_classes_are_inverse_blocks_of_the_hessian(monkeypatch: pytest.MonkeyPatch, pairs: int) -> None:
    """Class by class, and all classes in one product: both are the dense inverse, but for light rows."""
    monkeypatch.setattr(preconditioners, "_FEW_PAIRS", pairs)
    problem = synthetic(200, 3, (), 6)
    objective = _objective(problem)
    theta = 0.1 * torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    gradient = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    solution = ByClass(objective).factor(theta).solve(gradient)
    x = torch.tensor(np.hstack([problem.dense, np.ones((200, 1))]))
    p = torch.softmax(x @ theta, 1)
    for k in range(6):
        block = (x.T * (p[:, k] * (1 - p[:, k]))) @ x / 200 + torch.diag(torch.tensor([1e-2, 1e-2, 1e-2, 0.0]))
        torch.testing.assert_close(solution[:, k], torch.linalg.solve(block, gradient[:, k]), rtol=1e-3, atol=1e-3)


def test_a_column_of_zeros_leaves_the_gram_matrix_finite() -> None:
    """A constant column is 0 after standardising; it has no noise and no curvature but l2."""
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 5))
    x[:, 2] = 0.0
    objective = _objective(numbers_only(x, random.integers(0, 3, 200)))
    theta = objective.rows.zero()
    solution = Kronecker(objective).factor(theta).solve(torch.ones_like(theta))
    assert bool(torch.isfinite(solution).all())

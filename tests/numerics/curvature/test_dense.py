"""The dense Hessian over some columns against Hessian-vector products, which are tested against autograd."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.numerics.curvature import dense
from pipeline.numerics.data.layout import Rows
from pipeline.numerics.objective.packed import PackedObjective
from tests.problems import Problem, synthetic


def _objective(problem: Problem, threads: int = 1, intercept: bool = True) -> PackedObjective:
    return PackedObjective(Rows(problem.blocks(100), problem.levels, problem.classes, threads, intercept), 0.05)


def _theta(problem: Problem) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(problem.columns + 1, problem.classes, generator=generator, dtype=torch.float64) * 0.5


@pytest.mark.parametrize("classes", [1, 2, 5])
@pytest.mark.parametrize(("levels", "columns"), [((), [0, 2]), ((3, 9), [1, 4, 7, 14]), ((3, 9), [])])
@pytest.mark.parametrize("weighted", [False, True])
def test_it_times_a_direction_is_the_hessian_vector_product(
    classes: int, levels: tuple[int, ...], columns: list[int], weighted: bool
) -> None:
    """Its probabilities are float32: 1e-6."""
    problem = synthetic(300, 3, levels, classes)
    if weighted:
        problem = replace(problem, weights=np.random.default_rng(2).random(300) + 0.5)
    objective, theta = _objective(problem), _theta(problem)
    matrix = dense.over(objective, theta, torch.tensor(columns, dtype=torch.int64), objective.rows.centre)
    places = torch.tensor([*columns, problem.columns])
    direction = torch.zeros_like(theta)
    direction[places] = _theta(problem)[places]
    expected = objective.hessian_product(theta, torch.float64)(direction)[places]
    torch.testing.assert_close(matrix @ direction[places].flatten(), expected.flatten(), rtol=0, atol=1e-6)


def test_without_an_intercept_b_has_no_curvature() -> None:
    """Its rows and columns are 0."""
    problem = synthetic(300, 3, ())
    objective = _objective(problem, intercept=False)
    matrix = dense.over(objective, _theta(problem), torch.arange(3), objective.rows.centre)
    assert not matrix[-problem.classes :].any()
    assert not matrix[:, -problem.classes :].any()


def test_threads_do_not_change_a_bit() -> None:
    """One, two, three and eight threads."""
    problem = synthetic(5000, 3, (3, 9))
    columns, centre = torch.arange(problem.columns), _objective(problem).rows.centre
    matrices = {
        dense.over(_objective(problem, threads), _theta(problem), columns, centre).numpy().tobytes()
        for threads in (1, 2, 3, 8)
    }
    assert len(matrices) == 1

"""Factors of each class with levels eliminated, against the dense blocks of the Hessian."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.numerics.curvature.class_blocks import ClassBlocks, dense_categories, needed_bytes
from pipeline.numerics.data.layout import Rows
from pipeline.numerics.objective.packed import PackedObjective
from pipeline.numerics.solvers.status import Status
from pipeline.train import solvers
from pipeline.train.params import TrainParams
from tests.problems import Problem, solve, synthetic

L2 = 0.01


def _objective(problem: Problem, threads: int = 2, intercept: bool = True) -> PackedObjective:
    return PackedObjective(Rows(problem.blocks(200), problem.levels, problem.classes, threads, intercept), L2)


def _theta(problem: Problem) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(problem.columns + 1, problem.classes, generator=generator, dtype=torch.float64) * 0.3


def _blocks(problem: Problem, theta: torch.Tensor, intercept: bool = True) -> list[np.ndarray]:
    """The diagonal block (d + 1, d + 1) of every class, in float64; l2 holds b + W m, too, m where the rows lie."""
    x = np.hstack([problem.dense, np.full((len(problem.labels), 1), float(intercept))])
    p = torch.softmax(torch.tensor(x) @ theta, 1).numpy()
    v = np.ones(len(x)) if problem.weights is None else problem.weights
    spread = (p * (1 - p)) * (v / v.sum())[:, None]
    around = np.append(np.zeros(problem.columns), 1.0)
    if intercept:
        around[: problem.numbers.shape[1]] = _objective(problem).rows.centre.means[:, 0].numpy()
    penalty = L2 * (np.diag(np.append(np.ones(problem.columns), 0.0)) + np.outer(around, around))
    return [(x * of_class[:, None]).T @ x + penalty for of_class in spread.T]


@pytest.mark.slow
@pytest.mark.parametrize("levels", [(12,), (3, 12), (12, 5, 3), (5, 60)])
@pytest.mark.parametrize("classes", [2, 3, 9])
@pytest.mark.parametrize(("weighted", "intercept"), [(False, True), (True, True), (False, False)])
def test_with_one_category_eliminated_each_class_has_its_block(
    levels: tuple[int, ...], classes: int, weighted: bool, intercept: bool
) -> None:
    """H_jj H0^-1 g = g; float32 products leave 1e-5."""
    problem = synthetic(900, 3, levels, classes)
    if weighted:
        problem = replace(problem, weights=np.random.default_rng(1).random(900) + 0.5)
    theta, gradient = _theta(problem), _theta(problem) ** 2
    if not intercept:
        theta[-1], gradient[-1] = 0.0, 0.0
    solution = ClassBlocks(_objective(problem, intercept=intercept)).factor(theta).solve(gradient).numpy()
    for j, block in enumerate(_blocks(problem, theta, intercept)):
        np.testing.assert_allclose(block @ solution[:, j], gradient[:, j].numpy(), rtol=0, atol=1e-5)


@pytest.mark.slow
def test_with_two_categories_eliminated_it_is_at_least_the_block() -> None:
    """The eigenvalues of H0^-1 H_jj lie in (0, 1], and 1e-4 more for float32."""
    problem = synthetic(3000, 2, (260, 270), 3)
    assert dense_categories(problem.levels, 2) == []
    theta = _theta(problem)
    factor = ClassBlocks(_objective(problem)).factor(theta)
    for j, block in enumerate(_blocks(problem, theta)):
        solved = []
        for column in torch.tensor(block):
            gradient = torch.zeros_like(theta)
            gradient[:, j] = column
            solved.append(factor.solve(gradient)[:, j].numpy())
        eigenvalues = np.linalg.eigvals(np.stack(solved, 1)).real
        assert eigenvalues.min() > 0
        assert eigenvalues.max() < 1 + 1e-4


def test_threads_do_not_change_a_bit() -> None:
    """One, two, three and eight threads."""
    problem = synthetic(3000, 3, (30, 7, 4), 5)

    def bits(threads: int) -> bytes:
        factor = ClassBlocks(_objective(problem, threads)).factor(_theta(problem))
        return factor.solve(_theta(problem)).numpy().tobytes()

    assert {bits(threads) for threads in (2, 3, 8)} == {bits(1)}


@pytest.mark.parametrize(
    ("levels", "dense"), [((), []), ((9000,), []), ((4000, 100, 20), [1, 2]), ((200, 100, 150), [1]), ((5, 5), [0])]
)
def test_small_categories_are_kept(levels: tuple[int, ...], dense: list[int]) -> None:
    """The smallest first, as long as the kept block stays small; never the largest."""
    assert dense_categories(levels, 8) == dense
    assert needed_bytes(levels, 8, 4) >= 4 * 9 * max(1, sum(levels) - sum(levels[c] for c in dense)) * 24


@pytest.mark.slow
def test_thousands_of_levels_take_few_passes() -> None:
    """To 1e-8 with l2 = 1 / n, where L-BFGS with a diagonal alone takes hundreds of steps."""
    problem = synthetic(20_000, 8, (2000, 100, 20), 12)
    solved = solve(problem, solver="auto", l2=1 / 20_000, tolerance=1e-8)
    assert solved.result.status is Status.CONVERGED
    assert solved.outcome.method == "newton"
    assert solved.outcome.passes <= 60


def test_conjugate_gradients_go_on_from_their_state() -> None:
    """Four steps in one go, or with a new method after the second and its state: the same bytes."""
    problem = synthetic(3000, 3, (300, 250), 6)
    params = TrainParams(solver="auto", seed=0, epochs=9, snapshot_every=1, l2=1e-3, tolerance=1e-8)
    uninterrupted, first, second = (solvers.CertifiedSolver(params, problem.data()) for _ in range(3))
    for _ in range(4):
        uninterrupted.run_epoch()
    for _ in range(2):
        first.run_epoch()
    second.state = first.state
    for _ in range(2):
        second.run_epoch()
    assert torch.equal(uninterrupted.parameters.weights, second.parameters.weights)
    assert uninterrupted.state.keys() == second.state.keys()
    assert all(torch.equal(tensor, second.state[name]) for name, tensor in uninterrupted.state.items())

"""Columns about their means: what a stand-in for the Hessian gives does not depend on where the columns lie."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.numerics.curvature.arrowhead import ArrowheadHessian
from pipeline.numerics.curvature.class_blocks import ClassBlocks
from pipeline.numerics.curvature.preconditioners import ByClass, Diagonal, Kronecker, PreconditionerBuilder
from pipeline.numerics.data.centring import Preconditioner
from pipeline.numerics.data.layout import Rows
from pipeline.numerics.objective.packed import PackedObjective
from tests.problems import Problem, synthetic

L2 = 1e-2
SHIFTS = np.array([2048.0, -1024.0, 0.0])


def _rows(problem: Problem, intercept: bool = True, threads: int = 2) -> Rows:
    return Rows(problem.blocks(100), problem.levels, problem.classes, threads, intercept)


def _near(levels: tuple[int, ...] = ()) -> Problem:
    """Numbers of deviation 1 in steps of 2^-12, so that float32 holds their sum with a shift exactly."""
    problem = synthetic(700, 3, levels, 4)
    return replace(problem, numbers=np.rint(problem.numbers * 4096).astype(np.float32) / 4096)


def _far(problem: Problem) -> Problem:
    return replace(problem, numbers=(problem.numbers + SHIFTS).astype(np.float32))


def _theta(problem: Problem) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    theta = torch.randn(problem.columns + 1, problem.classes, generator=generator, dtype=torch.float64) * 0.3
    return theta - theta.mean(1, keepdim=True)


def _solved(
    make: Callable[[PackedObjective], PreconditionerBuilder], problem: Problem, shift: np.ndarray
) -> torch.Tensor:
    """H0^-1 g in the unknowns of columns without ``shift``, at the same place and for the same gradient there."""
    moved = torch.tensor(shift)[:, None]
    theta, gradient = _theta(problem), _theta(problem) ** 3
    numbers = len(shift)
    theta[-1] -= (moved * theta[:numbers]).sum(0)
    gradient[:numbers] += moved * gradient[-1]
    solution = make(PackedObjective(_rows(problem), L2)).factor(theta).solve(gradient)
    solution[-1] += (moved * solution[:numbers]).sum(0)
    return solution


@pytest.mark.parametrize(
    ("make", "levels"),
    [
        *((make, ()) for make in (ArrowheadHessian, ByClass, Kronecker, Diagonal)),
        *((make, (3, 9)) for make in (ArrowheadHessian, ClassBlocks, Diagonal)),
    ],
)
def test_a_shift_of_the_columns_changes_no_step(
    make: Callable[[PackedObjective], PreconditionerBuilder], levels: tuple[int, ...]
) -> None:
    """Means 2,048 deviations away; float32's logits there are off by 1e-4, which the curvature's share is, too."""
    problem = _near(levels)
    expected = _solved(make, problem, np.zeros(3))
    torch.testing.assert_close(_solved(make, _far(problem), SHIFTS), expected, rtol=2e-3, atol=2e-3)


def test_means_are_the_weighted_ones() -> None:
    """Near enough; 0 for columns within a deviation of 0, and for all without an intercept."""
    problem = replace(_far(_near()), weights=np.random.default_rng(0).random(700))
    numbers = problem.numbers.astype(np.float64)
    expected = np.average(numbers, axis=0, weights=problem.weights)
    expected[np.abs(expected) < numbers.std(0)] = 0.0
    assert expected.any()
    np.testing.assert_allclose(_rows(problem).centre.means[:, 0].numpy(), expected, rtol=1e-5, atol=0)
    assert not _rows(_near()).centre.means.any()
    assert not _rows(problem, intercept=False).centre.means.any()


def test_the_largest_bounds_the_centred_numbers() -> None:
    """As the fixed-point grids of sums need it."""
    problem, far = _near(), _far(_near())
    centre = _rows(far).centre
    assert (centre.centred(torch.tensor(far.numbers)).abs().amax(0) <= centre.largest[:3, 0]).all()
    np.testing.assert_allclose(centre.centred(torch.tensor(far.numbers)), problem.numbers, rtol=0, atol=0.1)


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_looking_for_means_leaves_the_rows_as_they_are(precision: torch.dtype) -> None:
    """float64 numbers, which are those of a rotated problem, are not copied on the way."""
    blocks = [replace(block, numbers=block.numbers.to(precision)) for block in _far(_near()).blocks(100)]
    before = [block.numbers.clone() for block in blocks]
    assert Rows(blocks, (), 4, threads=2).centre.far
    assert all(torch.equal(block.numbers, numbers) for block, numbers in zip(blocks, before, strict=True))


def test_threads_do_not_change_a_bit_of_the_means() -> None:
    """One, two, three and eight threads."""
    problem = synthetic(70_000, 3, (), 3)
    assert len({_rows(problem, threads=threads).centre.means.numpy().tobytes() for threads in (1, 2, 3, 8)}) == 1


@pytest.mark.parametrize(
    ("column", "far"), [("standardised", False), ("years", True), ("constant", True), ("0", False)]
)
def test_columns_far_from_0_are_told(column: str, far: bool) -> None:
    """Steps begin in float64 there; a column that is 0 everywhere does no harm."""
    problem = _near()
    x = {
        "standardised": problem.numbers[:, 0],
        "years": np.rint(problem.numbers[:, 0]) + 2013,
        "constant": 2013,
        "0": 0,
    }
    numbers = problem.numbers.copy()
    numbers[:, 1] = x[column]
    rows = _rows(replace(problem, numbers=numbers))
    assert rows.centre.far is far
    assert rows.first_precision is (torch.float64 if far else torch.float32)


class _Dense:
    """A matrix over (W, b) of one class."""

    def __init__(self, matrix: np.ndarray) -> None:
        self._inverse = torch.tensor(np.linalg.inv(matrix))

    def solve(self, gradient: torch.Tensor) -> torch.Tensor:
        return self._inverse @ gradient


def test_a_factor_of_centred_columns_solves_with_the_matrix_of_the_columns_as_they_are() -> None:
    """(X'X + l2) s = g of one class, b without l2."""
    problem = replace(_near(), numbers=_near().numbers + np.float32([3, -2, 0]))
    centre = _rows(problem).centre
    penalty = np.diag([L2] * 3 + [0.0])

    def matrix(numbers: np.ndarray) -> np.ndarray:
        x = np.hstack([numbers, np.ones((700, 1))])
        return x.T @ x / 700 + penalty

    factor: Preconditioner = centre.uncentred(
        _Dense(matrix(problem.numbers.astype(np.float64) - centre.means[:, 0].numpy()))
    )
    gradient = _theta(problem)
    expected = np.linalg.solve(matrix(problem.numbers.astype(np.float64)), gradient.numpy())
    np.testing.assert_allclose(factor.solve(gradient).numpy(), expected, rtol=1e-9, atol=1e-12)

"""Hessians and their stand-ins against autograd's Hessian."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from pipeline.numerics.curvature.arrowhead import ArrowheadHessian, cholesky
from pipeline.numerics.curvature.preconditioners import ByClass, Diagonal, Kronecker
from pipeline.numerics.data.layout import Rows
from pipeline.numerics.objective.packed import PackedObjective
from tests.problems import Problem, synthetic

L2 = 0.05


def _objective(problem: Problem, threads: int = 1) -> PackedObjective:
    return PackedObjective(Rows(problem.blocks(100), problem.levels, problem.classes, threads), L2)


def _theta(problem: Problem) -> torch.Tensor:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(problem.columns + 1, problem.classes, generator=generator, dtype=torch.float64) * 0.5


def _hessian(problem: Problem, theta: torch.Tensor) -> torch.Tensor:
    """(d + 1, k, d + 1, k) by autograd."""
    x, labels = torch.tensor(problem.dense), torch.tensor(problem.labels)
    weights = torch.ones(len(x)) if problem.weights is None else torch.tensor(problem.weights)

    def value(t: torch.Tensor) -> torch.Tensor:
        losses = functional.cross_entropy(x @ t[:-1] + t[-1], labels, reduction="none")
        return (losses * weights).sum() / weights.sum() + L2 / 2 * t[:-1].square().sum()

    return torch.autograd.functional.hessian(value, theta)


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("levels", [(), (6,), (3, 9), (5, 60)])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_arrow_solves_with_the_whole_hessian(classes: int, levels: tuple[int, ...], weighted: bool) -> None:
    """H H^-1 g = g for a gradient, whose bias row sums to 0 as the gauge asks; float32 products leave 1e-4."""
    problem = synthetic(700, 3, levels, classes)
    if weighted:
        problem = replace(problem, weights=np.random.default_rng(2).random(700) + 0.5)
    theta = _theta(problem)
    gradient = _theta(problem) ** 3
    gradient[-1] -= gradient[-1].mean()
    solution = ArrowheadHessian(_objective(problem)).factor(theta).solve(gradient)
    back = torch.einsum("aibj,bj->ai", _hessian(problem, theta), solution)
    torch.testing.assert_close(back, gradient, rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("levels", [(), (3, 9), (5, 60)])
def test_threads_do_not_change_a_bit_of_a_hessian(levels: tuple[int, ...]) -> None:
    """One, two, three and eight threads."""
    problem = synthetic(70_000, 3, levels, 4)

    def bits(threads: int) -> bytes:
        factor = ArrowheadHessian(_objective(problem, threads)).factor(_theta(problem))
        return factor.solve(_theta(problem)).numpy().tobytes()

    assert {bits(threads) for threads in (2, 3, 8)} == {bits(1)}


@pytest.mark.slow
def test_by_class_holds_the_diagonal_blocks() -> None:
    """Each class by itself solves with its block of autograd's Hessian."""
    problem = synthetic(500, 4, (), 3)
    theta, hessian = _theta(problem), _hessian(problem, _theta(problem))
    gradient = _theta(problem) ** 3
    solution = ByClass(_objective(problem)).factor(theta).solve(gradient)
    for k in range(3):
        torch.testing.assert_close(hessian[:, k, :, k] @ solution[:, k], gradient[:, k], rtol=0, atol=1e-4)


@pytest.mark.parametrize("make", [ByClass, Kronecker, Diagonal])
def test_every_scaling_is_positive_definite(make: type) -> None:
    """g'H0^-1 g > 0, so that every step goes down."""
    problem = synthetic(300, 4, (), 3)
    factor = make(_objective(problem)).factor(_theta(problem), 0.01)
    for power in (1, 2, 3):
        gradient = _theta(problem) ** power
        assert float((gradient * factor.solve(gradient)).sum()) > 0


def test_a_diagonal_takes_categories() -> None:
    """The mean square of a one-hot column is the share of its level."""
    problem = synthetic(300, 2, (3, 5), 3)
    factor = Diagonal(_objective(problem)).factor(_theta(problem))
    ones = torch.ones_like(_theta(problem))
    expected = (problem.dense**2).mean(0) * (2 / 9) + L2
    np.testing.assert_allclose(1 / factor.solve(ones)[:-1, 0].numpy(), expected, rtol=1e-6)


@pytest.mark.slow
def test_a_matrix_that_rounding_made_indefinite_leaves_its_diagonal() -> None:
    """No raising of its own diagonal makes it definite; its neighbour in the batch is factored as it is."""
    definite = torch.tensor([[4.0, 1.0], [1.0, 9.0]], dtype=torch.float64)
    rounded = torch.tensor([[4e-9, 1.0], [1.0, -9e-9]], dtype=torch.float64)
    factors = cholesky(torch.stack([definite, rounded]))
    torch.testing.assert_close(factors[0] @ factors[0].T, definite, rtol=1e-14, atol=0)
    torch.testing.assert_close(factors[1] @ factors[1].T, torch.diag(rounded.diagonal().abs()), rtol=1e-14, atol=0)


def test_curvature_of_0_is_a_plain_gradient_step() -> None:
    """All probabilities 0 or 1, no penalty."""
    torch.testing.assert_close(cholesky(torch.zeros(3, 3, dtype=torch.float64)), torch.eye(3, dtype=torch.float64))


def test_a_matrix_that_is_no_number_is_refused() -> None:
    """NaN does not become a factor."""
    with pytest.raises(OverflowError, match="NaN or infinite"):
        cholesky(torch.full((2, 2), torch.nan, dtype=torch.float64))

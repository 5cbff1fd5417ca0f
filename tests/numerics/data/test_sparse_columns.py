"""Columns of one value in nearly all rows: products without the others' time, against float64 one-hot columns."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from pipeline.numerics.data.layout import Rows
from pipeline.numerics.objective.packed import PackedObjective
from tests.problems import Problem, solve, standardised

L2, COLUMNS, DENSE = 0.1, 300, 20


def _flags(rows: int, levels: tuple[int, ...], classes: int, seed: int = 0) -> Problem:
    """Standardised columns: a few of random numbers, most of them 1 in 2 % of the rows; the last one 0 throughout."""
    random = np.random.default_rng(seed)
    x = (random.random((rows, COLUMNS)) < 0.02).astype(np.float64)
    x[:, -1] = 0
    x[:, 5 : 5 + DENSE] = random.normal(size=(rows, DENSE))
    codes = np.stack([random.integers(count, size=rows) for count in levels], 1) if levels else np.zeros((rows, 0), int)
    problem = Problem(standardised(x), codes.astype(np.int64), np.zeros(rows, np.int64), levels)
    scores = problem.dense @ random.normal(size=(problem.columns, classes)) * 0.3
    labels = (scores + random.gumbel(size=scores.shape)).argmax(1)
    labels[:classes] = np.arange(classes)
    return replace(problem, labels=labels)


def _rows(problem: Problem, size: int = 128, threads: int = 1) -> Rows:
    return Rows(problem.blocks(size), problem.levels, problem.classes, threads)


def _theta(problem: Problem) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(problem.columns + 1, problem.classes, generator=generator, dtype=torch.float64) * 0.1


def _value(problem: Problem, theta: torch.Tensor) -> torch.Tensor:
    scores = torch.tensor(problem.dense) @ theta[:-1] + theta[-1]
    losses = functional.cross_entropy(scores, torch.tensor(problem.labels), reduction="none")
    weights = torch.ones_like(losses) if problem.weights is None else torch.tensor(problem.weights)
    return (losses * weights).sum() / weights.sum() + L2 / 2 * theta[:-1].square().sum()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("levels", "classes"), [((), 2), ((), 5), ((4, 40), 3), ((4,), 9)])
def test_value_gradient_and_curvature_are_those_of_autograd(
    levels: tuple[int, ...], classes: int, weighted: bool
) -> None:
    """In both layouts, with one logit and with many, within the rounding of the kernels' precision."""
    problem = _flags(400, levels, classes)
    if weighted:
        problem = replace(problem, weights=np.random.default_rng(2).random(400) + 0.1)
    rows, theta = _rows(problem), _theta(problem)
    assert all(block.divided is not None for block in rows.packed)
    variable = theta.clone().requires_grad_()
    value = _value(problem, variable)
    (gradient,) = torch.autograd.grad(value, variable, create_graph=True)
    along = _theta(problem).roll(1, 0)
    along = along - along.mean(1, keepdim=True)
    (image,) = torch.autograd.grad((gradient * along).sum(), variable)
    for precision, tolerance in ((torch.float64, 1e-13), (torch.float32, 5e-6)):
        objective = PackedObjective(rows, L2)
        point = objective.loss_gradient(theta, precision)
        assert point.objective == pytest.approx(value.item(), rel=tolerance)
        torch.testing.assert_close(point.gradient, gradient.detach(), rtol=0, atol=tolerance)
        product = objective.hessian_product(theta, precision)(along)
        torch.testing.assert_close(product, image, rtol=0, atol=tolerance * 10)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_bit(threads: int) -> None:
    """Every product is made by one thread, and sums go through the grids."""
    problem = _flags(700, (4, 40), 3)
    one, more = (PackedObjective(_rows(problem, threads=count), L2) for count in (1, threads))
    for precision in (torch.float32, torch.float64):
        first, second = (objective.loss_gradient(_theta(problem), precision) for objective in (one, more))
        assert torch.equal(first.gradient, second.gradient)
        assert first.cost == second.cost


def test_numbers_that_are_all_different_are_left_as_they_are() -> None:
    """Nor are few columns divided, however sparse."""
    problem = _flags(200, (), 3)
    random = np.random.default_rng(3).normal(size=problem.numbers.shape).astype(np.float32)
    for numbers in (random, problem.numbers[:, 100:300]):
        assert all(block.divided is None for block in _rows(replace(problem, numbers=numbers)).packed)


def test_a_block_unlike_the_first_is_left_as_it_is() -> None:
    """Rows sorted by time: the first block's common values are rare in the last, and the sums are right."""
    problem = _flags(384, (), 3)
    numbers = problem.numbers.copy()
    numbers[256:] = np.random.default_rng(4).normal(size=(128, COLUMNS))
    problem = replace(problem, numbers=numbers)
    rows, theta = _rows(problem), _theta(problem)
    assert [block.divided is not None for block in rows.packed] == [True, True, False]
    point = PackedObjective(rows, L2).loss_gradient(theta, torch.float64)
    assert point.objective == pytest.approx(_value(problem, theta).item(), rel=1e-13)


def test_differences_beyond_float32_are_not_taken() -> None:
    """From -3e38 to 3e38 is no float32 number; float64 sums of such columns are finite."""
    problem = _flags(128, (), 3)
    numbers = problem.numbers.copy()
    numbers[:, 30], numbers[7, 30] = -3e38, 3e38
    assert _rows(replace(problem, numbers=numbers)).packed[0].divided is None


def test_a_wide_table_of_flags_and_levels_is_solved_to_the_proof() -> None:
    """With no factor of its 2,464 unknowns, in fewer passes than 150."""
    problem = _flags(600, (5, 46), 7)
    solved = solve(problem, solver="auto", l2=1e-2, tolerance=1e-8)
    assert solved.outcome.bound is not None
    assert solved.outcome.bound <= 1e-8 * solved.objective
    theta = torch.cat([torch.tensor(solved.weights.T), torch.tensor(solved.bias)[None]]).requires_grad_()
    value = _value(problem, theta) + (1e-2 - L2) / 2 * theta[:-1].square().sum()
    assert value.item() == pytest.approx(solved.objective, rel=1e-12)
    assert solved.outcome.passes < 150

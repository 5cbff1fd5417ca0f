"""The bound on F - F* with an l1 penalty, against optima to machine precision."""

import pytest
import torch

from pipeline.numerics.certificates import duality_gap, l1_duality_gap
from pipeline.numerics.data.layout import Rows
from pipeline.numerics.data.theta import theta_of
from pipeline.numerics.objective.evaluation import Point
from pipeline.numerics.objective.packed import PackedObjective
from tests.problems import Problem, solve, synthetic

# F is a float64 sum near 1: two of them differ by no less than this.
ROUNDING = 1e-15

PENALTIES = pytest.mark.parametrize(("l1", "l2"), [(1e-2, 0.0), (1e-3, 0.0), (1e-3, 1e-3), (1e-5, 1e-2)])


def _objective(problem: Problem, l2: float, intercept: bool = True) -> PackedObjective:
    return PackedObjective(Rows(problem.blocks(), problem.levels, problem.classes, 1, intercept), l2)


def _value(point: Point, l1: float) -> float:
    return point.objective + l1 * float(point.theta[:-1].abs().sum())


def _bound(objective: PackedObjective, point: Point, l1: float) -> float:
    statistics = duality_gap.CertificateInputs(point.theta, point.gradient, point.cost, objective.label_means())
    rows = objective.rows
    return l1_duality_gap.bound(
        statistics, point.min_true_probability, l1, objective.l2, rows.intercept, rows.largest[:-1]
    )


@pytest.mark.slow
@PENALTIES
@pytest.mark.parametrize("levels", [(), (3, 12)])
@pytest.mark.parametrize("intercept", [True, False])
def test_the_bound_holds_at_any_distance_from_the_optimum(
    l1: float, l2: float, levels: tuple[int, ...], intercept: bool
) -> None:
    """Points from random to 1e-8 away, also with b alone or W alone moved: the true distance is never above it."""
    problem = synthetic(800, levels=levels)
    objective = _objective(problem, l2, intercept)
    best = theta_of(solve(problem, l1=l1, l2=l2, intercept=intercept, tolerance=1e-12).parameters)
    lowest = _value(objective.loss_gradient(best, torch.float64), l1)
    generator = torch.Generator().manual_seed(1)
    for size in (3.0, 1.0, 1e-2, 1e-4, 1e-6, 1e-8):
        for moved in ("all", "b", "W", "weights that are not 0"):
            change = torch.randn(best.shape, generator=generator, dtype=torch.float64) * size
            if moved == "b":
                change[:-1] = 0.0
            if moved == "W" or not intercept:
                change[-1] = 0.0
            if moved == "weights that are not 0":
                change[best == 0] = 0.0
            point = objective.loss_gradient(best + change, torch.float64)
            assert _value(point, l1) - lowest <= _bound(objective, point, l1) + ROUNDING


@PENALTIES
def test_the_bound_shrinks_with_the_distance(l1: float, l2: float) -> None:
    """At the optimum it is 1e-12 of the objective or less, as asked for; the status says proven."""
    solved = solve(synthetic(500), l1=l1, l2=l2, tolerance=1e-12)
    assert 0 <= solved.outcome.bound <= 1e-12 * solved.objective


def test_the_bound_is_never_above_the_objective() -> None:
    """F* is at least 0, so far away from the optimum F itself bounds the distance."""
    problem = synthetic(300)
    objective = _objective(problem, 0.0)
    generator = torch.Generator().manual_seed(2)
    theta = 10 * torch.randn(problem.columns + 1, problem.classes, generator=generator, dtype=torch.float64)
    point = objective.loss_gradient(theta, torch.float64)
    assert _bound(objective, point, 1e-3) <= _value(point, 1e-3)


def test_a_penalty_so_small_that_it_says_nothing_gives_the_bound_of_l2() -> None:
    """With l1 of 1e-12 it is duality_gap.py's bound of strong convexity, to 1e-6."""
    problem = synthetic(500)
    objective = _objective(problem, 0.01)
    point = objective.loss_gradient(theta_of(solve(problem, l2=0.01, tolerance=1e-4).parameters), torch.float64)
    statistics = duality_gap.CertificateInputs(point.theta, point.gradient, point.cost, objective.label_means())
    expected = duality_gap.bound(statistics, 0.01, intercept=True)
    assert _bound(objective, point, 1e-12) == pytest.approx(expected, rel=1e-6)

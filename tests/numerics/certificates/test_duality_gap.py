"""The bound on f - f*, against optima to machine precision."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.numerics.certificates import duality_gap
from pipeline.numerics.certificates.duality_gap import probability_bound
from pipeline.numerics.data.layout import Rows
from pipeline.numerics.data.theta import theta_of
from pipeline.numerics.objective.evaluation import Point
from pipeline.numerics.objective.packed import PackedObjective
from tests.problems import Problem, Solved, solve, synthetic

# f is a float64 sum near 1: two of them differ by no less than this.
ROUNDING = 1e-15


def _objective(problem: Problem, l2: float, intercept: bool = True) -> PackedObjective:
    return PackedObjective(Rows(problem.blocks(), problem.levels, problem.classes, 1, intercept), l2)


def _bound(objective: PackedObjective, point: Point) -> float:
    statistics = duality_gap.CertificateInputs(point.theta, point.gradient, point.cost, objective.label_means())
    gap = duality_gap.bound(statistics, objective.l2, objective.rows.intercept)
    assert gap is not None
    return gap


@pytest.mark.parametrize("l2", [1e-1, 1e-3, 1e-5])
@pytest.mark.parametrize("levels", [(), (3, 12)])
def test_the_bound_holds_at_any_distance_from_the_optimum(l2: float, levels: tuple[int, ...]) -> None:
    """Points from random to 1e-8 away, b included: the true distance is never above the bound."""
    problem = synthetic(800, levels=levels)
    objective = _objective(problem, l2)
    solved = solve(problem, l2=l2)
    best = theta_of(solved.parameters)
    lowest = objective.loss_gradient(best, torch.float64).objective
    generator = torch.Generator().manual_seed(1)
    for size in (3.0, 1.0, 1e-2, 1e-4, 1e-6, 1e-8):
        for only_bias in (False, True):
            change = torch.randn(best.shape, generator=generator, dtype=torch.float64) * size
            if only_bias:
                change[:-1] = 0.0
            point = objective.loss_gradient(best + change, torch.float64)
            assert point.objective - lowest <= _bound(objective, point) + ROUNDING


def test_the_bound_is_strong_convexitys_where_the_bias_is_at_rest() -> None:
    """At a point whose bias gradient is 0 it is ||G_W||^2 / (2 l2), and f - f* is between that and 0."""
    problem = synthetic(500)
    solved = solve(problem, l2=0.01, tolerance=1e-4)
    weights_gradient = solved.outcome.final.weights_gradient
    assert solved.outcome.bound == pytest.approx(float(weights_gradient.square().sum()) / 0.02, rel=0.2)


def test_the_bound_shrinks_to_rounding_at_the_optimum() -> None:
    """At most 1e-13 of the objective is left, as asked for."""
    solved = solve(synthetic(500), l2=1e-3)
    assert 0 <= solved.outcome.bound <= 1e-13 * solved.objective


def test_without_an_intercept_the_bias_plays_no_part() -> None:
    """b stays 0 and the bound holds."""
    problem = synthetic(500)
    objective = _objective(problem, 0.01, intercept=False)
    solved = solve(problem, l2=0.01, intercept=False)
    lowest = solved.objective
    assert not solved.parameters.bias.any()
    theta = theta_of(solved.parameters)
    theta[:-1] += 1e-3 * torch.tensor(np.random.default_rng(0).normal(size=theta[:-1].shape))
    point = objective.loss_gradient(theta, torch.float64)
    assert 0 <= point.objective - lowest <= _bound(objective, point) + ROUNDING


ROWS = np.arange(300)
AWKWARD = {
    "a rare class": lambda p: replace(p, labels=np.where((p.labels == 3) & (ROWS > 3), 0, p.labels)),
    "an outlier": lambda p: replace(p, numbers=np.where(ROWS[:, None] == 7, np.float32(1e6), p.numbers)),
    "units of their own": lambda p: replace(p, numbers=p.numbers * np.float32([1e-3, 1, 1e2, 1e4])),
    "a column twice": lambda p: replace(p, numbers=p.numbers[:, [0, 1, 0]]),
    "a column of ones": lambda p: replace(p, numbers=np.hstack([p.numbers, np.ones((300, 1), np.float32)])),
    "weights from 0 to 1e6": lambda p: replace(p, weights=np.where(ROWS % 7, 1.0, 1e6) * (ROWS > 9)),
}


@pytest.mark.slow
@pytest.mark.parametrize("awkward", list(AWKWARD))
@pytest.mark.parametrize("l2", [1e3, 1e-2, 1e-6])
@pytest.mark.parametrize("intercept", [True, False])
def test_the_bound_of_a_loose_training_holds_on_awkward_data(awkward: str, l2: float, intercept: bool) -> None:
    """Whatever status came out, no other training reaches an objective below f minus the bound."""
    problem = AWKWARD[awkward](synthetic(300, 4, (3,)))
    trained = [
        solve(problem, solver=solver, l2=l2, intercept=intercept, tolerance=tolerance, epochs=60)
        for solver in ("newton", "lbfgs")
        for tolerance in (1e-1, 1e-4, 1e-12)
    ]
    lowest = min(solved.objective for solved in trained)
    for solved in trained:
        # A logit of an outlier is rounded to 1e-16 of itself, which may be 1e4 times f.
        assert solved.objective - lowest <= solved.outcome.bound + 1e-12 * solved.objective


def _distances(problem: Problem, one: Solved, other: Solved) -> np.ndarray:
    """Total variation of every row's probabilities, (n,)."""
    first, second = (
        torch.softmax(torch.tensor(problem.dense @ solved.weights.T + solved.bias), 1).numpy()
        for solved in (one, other)
    )
    return np.asarray(np.abs(first - second).sum(1) / 2)


@pytest.mark.slow
@pytest.mark.parametrize("awkward", ["a rare class", "units of their own", "a column twice", "weights from 0 to 1e6"])
@pytest.mark.parametrize("settings", [{"solver": "lbfgs"}, {"solver": "newton"}, {"solver": "newton", "l1": 1e-3}])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-5, 1e-8])
def test_probabilities_are_as_near_to_the_optimums_as_the_bound_says(
    awkward: str, settings: dict[str, object], tolerance: float
) -> None:
    """Root mean square over the weighted rows, against a training to 1e-13 of the objective."""
    problem = AWKWARD[awkward](synthetic(300, 4, (3,)))
    weights = np.ones(300) if problem.weights is None else problem.weights
    loose = solve(problem, l2=1e-3, tolerance=tolerance, **settings)
    optimum = solve(problem, l2=1e-3, tolerance=1e-13, **settings)
    squares = _distances(problem, loose, optimum) ** 2
    bound = probability_bound(loose.outcome.bound) + probability_bound(optimum.outcome.bound)
    assert np.sqrt((weights * squares).sum() / weights.sum()) <= bound


def test_a_bound_of_many_nats_still_bounds_a_probability() -> None:
    """No two probabilities are further apart than 1."""
    assert probability_bound(1e9) == 1.0
    assert probability_bound(2e-8) == pytest.approx(1e-4)


def test_without_a_penalty_there_is_no_bound() -> None:
    """None, not a number that means nothing."""
    assert solve(synthetic(500), l2=0.0).outcome.bound is None

"""The maximum of the likelihood, against statsmodels and Newton's method in numpy, and the bound on what is left."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import statsmodels.api as sm
import torch

from pipeline.infer.numerics import design
from pipeline.infer.numerics.covariance import theta_in_units
from pipeline.infer.numerics.influence import most_influential
from pipeline.infer.numerics.likelihood import Asked
from pipeline.infer.numerics.maximum import Factor, Penalty, SingularError, distance_bound, logit_spread, maximise
from tests.infer.numerics.tables import (
    TABLES,
    Dense,
    maximum_of,
    reference,
    repeated,
    rows_of,
    some_theta,
    to_x,
    weighted,
)
from tests.problems import Problem, numbers_only, synthetic


@cache
def anes() -> Problem:
    """944 voters of seven parties, as statsmodels brings them."""
    table = sm.datasets.anes96.load_pandas()
    return numbers_only(table.exog.to_numpy(), table.endog.to_numpy())


def _statsmodels(problem: Problem) -> tuple[float, np.ndarray, np.ndarray]:
    """Log-likelihood, theta of x in reference coding (e, k - 1), standard errors."""
    rows = rows_of(problem)
    x = np.hstack([problem.dense, np.ones((len(problem.labels), 1))])[:, reference(rows).columns.numpy()]
    fitted = sm.MNLogit(problem.labels, x).fit(method="newton", tol=1e-9, maxiter=100, disp=0)
    return float(fitted.llf), np.asarray(fitted.params), np.asarray(fitted.bse)


PROBLEMS = {"anes96": anes, **{name: lambda name=name: TABLES[name] for name in TABLES}}


@pytest.mark.parametrize("seed", [None, 1, 2], ids=["from 0", "from a start", "from another"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_maximum_is_that_of_statsmodels(name: str, seed: int | None) -> None:
    """Parameters and standard errors to 1e-8, from any start, of rows repeated as often as they weigh."""
    problem = PROBLEMS[name]()
    rows = rows_of(problem)
    free = reference(rows)
    start = rows.zero() if seed is None else 3 * some_theta(rows, seed)
    found = maximise(rows, free, start, Asked())
    value, params, errors = _statsmodels(problem if problem.weights is None else repeated(problem))
    of_x = theta_in_units(found.theta, *to_x(rows))[free.columns][:, free.labels]
    assert found.converged
    assert found.sums.log_likelihood == pytest.approx(value, rel=1e-12)
    assert np.abs((of_x.numpy() - params) / errors).max() < 1e-8
    own = found.factor.inverse().diagonal().sqrt().view(len(free.labels), -1).T
    without_b = slice(0, -1)  # b's is of other units
    np.testing.assert_allclose(own[without_b], errors[without_b], rtol=1e-8)


def test_no_reference_class_is_another_model() -> None:
    """Log-likelihood and probabilities are the same; 1e-9 standard errors is what is left of the way."""
    rows = rows_of(TABLES["categories"])
    found = [maximum_of(rows, reference(rows, label)) for label in range(3)]
    for other in found[1:]:
        assert other.sums.log_likelihood == pytest.approx(found[0].sums.log_likelihood, rel=1e-14)
        difference = other.theta - found[0].theta
        assert (difference - difference[:, :1]).abs().max() < 1e-8


@pytest.mark.parametrize("passes", range(1, 8))
@pytest.mark.parametrize("name", ["anes96", "categories", "weights"])
def test_the_bound_holds_on_every_contrast(name: str, passes: int) -> None:
    """On the way to the maximum: ||theta - theta*|| in H, the largest over contrasts, which numpy's Newton measures."""
    problem = PROBLEMS[name]()
    rows = rows_of(problem)
    free = reference(rows)
    found = maximise(rows, free, rows.zero(), Asked(), most_passes=passes)
    exact = _exact(name)
    distance = free.vector(found.theta).numpy() - free.vector(torch.tensor(exact)).numpy()
    information = found.information.numpy()
    largest = math.sqrt(distance @ information @ distance)
    covariance = found.factor.inverse()
    of_rows = most_influential(rows, free, found.theta, covariance, 1).spread
    bounds = [distance_bound(found.decrement, spread) for spread in (of_rows, logit_spread(rows, free, covariance))]
    rounding = 1e-9
    assert largest <= bounds[0] + rounding
    assert of_rows <= logit_spread(rows, free, covariance)
    assert bounds[0] <= bounds[1] == found.distance_bound
    in_errors = np.abs(distance) / covariance.diagonal().sqrt().numpy()
    assert in_errors.max() <= bounds[0] + rounding
    if found.decrement < 0.1:
        assert bounds[0] <= 1.2 * largest + rounding


@cache
def _exact(name: str) -> np.ndarray:
    problem = PROBLEMS[name]()
    rows = rows_of(problem)
    return Dense.of(problem, rows).newton(reference(rows), np.zeros((rows.columns + 1, rows.classes)))


@pytest.mark.parametrize("size", [0.01, 0.1, 0.5, 1.0])
def test_the_bound_holds_at_points_in_any_direction(size: float) -> None:
    """Beside the maximum by so many standard errors, where it is finite."""
    rows = rows_of(TABLES["numbers"])
    free, dense, exact = reference(rows), Dense.of(TABLES["numbers"], rows), _exact("numbers")
    finite = 0
    for seed in range(20):
        at_maximum = torch.tensor(dense.information(free, exact))
        aside = torch.linalg.cholesky(at_maximum.inverse()) @ torch.randn(
            free.size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
        )
        theta = torch.tensor(exact) + free.theta(size * aside / math.sqrt(free.size))
        information, gradient = (torch.tensor(of(free, theta.numpy())) for of in (dense.information, dense.gradient))
        covariance = information.inverse()
        spread = most_influential(rows, free, theta, covariance, 1).spread
        bound = distance_bound(math.sqrt(gradient @ covariance @ gradient), spread)
        distance = free.vector(theta - torch.tensor(exact))
        assert math.sqrt(distance @ information @ distance) <= bound * (1 + 1e-9)
        finite += math.isfinite(bound)
    assert finite == 20 if size < 1 else finite > 0


def test_no_bound_is_told_far_away() -> None:
    """Where lambda S reaches 1."""
    assert distance_bound(0.5, 2.0) == math.inf
    assert distance_bound(math.nan, 2.0) == math.inf
    assert distance_bound(0.25, 2.0) == pytest.approx(math.log(2) / 2, rel=1e-15)
    assert distance_bound(1e-10, 1.0) == pytest.approx(1e-10, rel=1e-8)


def test_a_penalty_moves_the_maximum_to_where_numpy_finds_it() -> None:
    """Ridge on all but b, in reference coding."""
    problem = TABLES["categories"]
    rows = rows_of(problem)
    free = reference(rows)
    ridge = torch.full((free.size,), 2.0, dtype=torch.float64)
    ridge[free.places([rows.columns])] = 0.0
    found = maximise(rows, free, rows.zero(), Asked(), Penalty(ridge, torch.zeros_like(ridge)))
    expected = Dense.of(problem, rows).newton(free, rows.zero().numpy(), ridge.numpy())
    np.testing.assert_allclose(found.theta, expected, rtol=1e-8, atol=1e-9)
    assert found.converged


def test_in_full_coding_the_gauge_holds_b() -> None:
    """W adds up to 0 over the classes by its penalty, b by the gauge, from a start that does."""
    problem = TABLES["numbers"]
    rows = rows_of(problem)
    every = design.full(rows, torch.arange(rows.columns + 1))
    ridge = torch.ones(every.size, dtype=torch.float64)
    places = every.places([rows.columns])
    ridge[places] = 0.0
    gauge = torch.zeros_like(ridge)
    gauge[places] = 1.0
    found = maximise(rows, every, rows.zero(), Asked(), Penalty(ridge, gauge))
    assert found.converged
    assert found.theta.sum(1).abs().max() < 1e-8
    gradient = every.vector(found.sums.gradient) + ridge * every.vector(found.theta)
    assert gradient.abs().max() < 1e-6


def test_columns_that_follow_from_others_have_no_maximum() -> None:
    """The one error of the factor."""
    problem = synthetic(200, 2, (), 2)
    doubled = numbers_only(problem.numbers[:, [0, 1, 0]], problem.labels)
    rows = rows_of(doubled)
    with pytest.raises(SingularError):
        maximum_of(rows, reference(rows))


@pytest.mark.parametrize("case", ["a plane", "a level"])
def test_separable_rows_have_no_maximum(case: str) -> None:
    """Though lambda goes to 0 along the way: S grows as it shrinks, so that nothing proves a maximum nearby."""
    problem = synthetic(300, 2, (4,), 3)
    if case == "a plane":
        x = np.random.default_rng(0).normal(size=(100, 1))
        problem = numbers_only(x, x[:, 0] > 0)
    else:
        labels = np.where((problem.codes[:, 0] == 2) & (problem.labels == 1), 0, problem.labels)
        problem = replace(problem, labels=labels)
    rows = rows_of(problem)
    with pytest.raises(SingularError):
        maximum_of(rows, reference(rows))


def test_a_factor_solves_in_any_units() -> None:
    """A diagonal from 1e-12 to 1e12 is no lack of rank."""
    random = np.random.default_rng(0)
    root = random.normal(size=(6, 6)) + 4 * np.eye(6)
    units = 10.0 ** np.array([-6, -3, 0, 2, 4, 6])
    matrix = torch.tensor(units[:, None] * (root @ root.T) * units)
    right = random.normal(size=(6, 2))
    factor = Factor(matrix)
    expected = np.linalg.solve(root @ root.T, right / units[:, None]) / units[:, None]
    np.testing.assert_allclose(factor.solve(torch.tensor(right)), expected, rtol=1e-10)
    np.testing.assert_allclose(factor.solve(torch.tensor(right[:, 0])), expected[:, 0], rtol=1e-10)
    inverse = np.linalg.inv(root @ root.T) / (units[:, None] * units)
    np.testing.assert_allclose(factor.inverse(), inverse, rtol=1e-10)
    assert torch.equal(factor.inverse(), factor.inverse().T)
    assert factor.inverse() is factor.inverse()


def test_threads_leave_no_bit_in_a_maximum() -> None:
    """Nor in its information, of rows with weights."""
    problem = weighted(synthetic(300, 2, (3,), 3))
    found = [maximum_of(rows, reference(rows)) for rows in (rows_of(problem, threads, 50) for threads in (1, 2, 3))]
    for other in found[1:]:
        assert torch.equal(other.theta, found[0].theta)
        assert torch.equal(other.factor.inverse(), found[0].factor.inverse())

"""newton with l1: against scikit-learn's saga, known minimisers, and what must hold between related problems."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.datasets import load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from pipeline.numerics.curvature import arrowhead
from pipeline.numerics.solvers import active_set, l1_quadratic, quadratic_model
from pipeline.numerics.solvers.status import Status
from tests.problems import Problem, Solved, numbers_only, solve, standardised, synthetic

# Two answers whose bounds are 1e-13 of the objective differ by sqrt(2e-13 / curvature): 1e-6 for a curvature of 0.2,
# and where curvature is small saga's own tolerance of 1e-10 decides.
WEIGHTS = 1e-6
TOLERANCE = 1e-13


def _wine() -> Problem:
    data = load_wine()
    return numbers_only(standardised(data.data), data.target)


def _digits() -> Problem:
    data = load_digits()
    return numbers_only(standardised(data.data), data.target)


@pytest.mark.parametrize(("l1", "l2"), [(1e-2, 0.0), (3e-3, 1e-3), (1e-3, 1e-2)])
@pytest.mark.parametrize("make", [_wine, lambda: synthetic(400, 3, (4,), 3)], ids=["wine", "categories"])
def test_the_optimum_is_sagas(make, l1: float, l2: float) -> None:  # type: ignore[no-untyped-def]
    """W to 1e-6 with exact zeros where saga's are below 1e-9, b up to its free shift; C and l1_ratio as params.yaml."""
    problem = make()
    solved = solve(problem, l1=l1, l2=l2, tolerance=TOLERANCE)
    strength = 1 / (len(problem.labels) * (l1 + l2))
    model = LogisticRegression(C=strength, l1_ratio=l1 / (l1 + l2), solver="saga", tol=1e-10, max_iter=100_000)
    model.fit(problem.dense, problem.labels)
    assert solved.result.status is Status.CONVERGED
    assert solved.outcome.nonzero_weights == np.count_nonzero(solved.weights)
    if l2:  # without l2 one-hot levels and b share weight in many ways of one cost
        np.testing.assert_allclose(solved.weights, model.coef_, rtol=0, atol=WEIGHTS)
        np.testing.assert_array_equal(solved.weights == 0, np.abs(model.coef_) < 1e-9)
        np.testing.assert_allclose(solved.bias, model.intercept_ - model.intercept_.mean(), rtol=0, atol=WEIGHTS)
    np.testing.assert_allclose(
        _logits(problem, solved.weights, solved.bias),
        _logits(problem, model.coef_, model.intercept_),
        rtol=0,
        atol=20 * WEIGHTS,
    )


def _logits(problem: Problem, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
    scores = problem.dense @ weights.T + bias
    return scores - scores.mean(1, keepdims=True)


@pytest.mark.slow
@pytest.mark.parametrize("l1", [1e-2, 1e-4])
def test_digits_reach_the_default_tolerance(l1: float) -> None:
    """1e-8 of the objective is proven in a few dozen passes, and no run of saga ends below the proven optimum."""
    problem = _digits()
    solved = solve(problem, l1=l1, tolerance=1e-8)
    assert solved.result.status is Status.CONVERGED
    assert solved.outcome.bound <= 1e-8 * solved.objective
    assert solved.outcome.passes < 40
    model = LogisticRegression(C=1 / (1797 * l1), l1_ratio=1.0, solver="saga", max_iter=30)
    with pytest.warns(ConvergenceWarning):
        model.fit(problem.dense, problem.labels)
    losses = -np.log(model.predict_proba(problem.dense)[np.arange(1797), problem.labels])
    assert losses.mean() + l1 * np.abs(model.coef_).sum() >= solved.objective - solved.outcome.bound


def test_above_the_largest_gradient_w_is_zero_and_b_the_log_of_the_shares() -> None:
    """A known minimiser: l1 above max |mean (p - y) x| leaves no weight."""
    problem = _wine()
    shares = np.bincount(problem.labels) / len(problem.labels)
    gradient = (shares - np.eye(3)[problem.labels]).T @ problem.dense / len(problem.labels)
    largest = float(np.abs(gradient).max())
    solved = solve(problem, l1=1.001 * largest, tolerance=1e-12)
    assert not solved.weights.any()
    assert solved.outcome.nonzero_weights == 0
    np.testing.assert_allclose(solved.bias, np.log(shares) - np.log(shares).mean(), rtol=0, atol=1e-6)
    assert solve(problem, l1=0.99 * largest, tolerance=1e-12).outcome.nonzero_weights > 0


def _close(a: Solved, b: Solved) -> None:
    np.testing.assert_allclose(a.weights, b.weights, rtol=0, atol=WEIGHTS)
    np.testing.assert_allclose(a.bias, b.bias, rtol=0, atol=WEIGHTS)


def _solve(problem: Problem) -> Solved:
    return solve(problem, l1=3e-3, l2=1e-2, tolerance=TOLERANCE)


def test_related_problems_have_related_answers() -> None:
    """Rows twice, weight 2 for all, weight 2 for some as these twice, rows, columns and classes permuted."""
    problem, random = synthetic(900), np.random.default_rng(3)
    expected = _solve(problem)
    _close(_solve(problem.take(np.tile(np.arange(900), 2))), expected)
    _close(_solve(replace(problem, weights=np.full(900, 2.0))), expected)
    _close(_solve(problem.take(random.permutation(900))), expected)
    heavy = replace(problem, weights=np.where(np.arange(900) < 300, 2.0, 1.0))
    _close(_solve(heavy), _solve(problem.take(np.concatenate([np.arange(900), np.arange(300)]))))
    columns, classes = random.permutation(4), random.permutation(4)
    moved = _solve(replace(problem, numbers=problem.numbers[:, columns]))
    np.testing.assert_allclose(moved.weights[:, :4], expected.weights[:, columns], rtol=0, atol=WEIGHTS)
    relabelled = _solve(replace(problem, labels=classes[problem.labels]))
    np.testing.assert_allclose(relabelled.weights[classes], expected.weights, rtol=0, atol=WEIGHTS)


def test_more_columns_than_rows_and_separable_classes_have_an_optimum() -> None:
    """Without l2, 40 rows and 300 columns: at most a few weights a row stay."""
    random = np.random.default_rng(0)
    solved = solve(numbers_only(random.normal(size=(40, 300)), np.arange(40) % 4), l1=1e-2, tolerance=1e-8)
    assert solved.result.status is Status.CONVERGED
    assert 0 < solved.outcome.nonzero_weights < 200


def test_many_rows_begin_with_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hessians of a sample and BFGS reach the optimum of all rows that exact Hessians reach."""
    problem = synthetic(30_000, 4, (3, 12), 4)
    exact = solve(problem, l1=1e-3, l2=1e-3, tolerance=1e-12)
    monkeypatch.setattr(quadratic_model, "_CHEAP_WORK", 1e6)
    sampled = solve(problem, l1=1e-3, l2=1e-3, tolerance=1e-12)
    assert sampled.result.status is Status.CONVERGED
    _close(sampled, exact)


def test_levels_of_a_few_rows_train(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a sample with some rows of every level and class is all rows, the first answer is the start."""
    for limit, value in {"_CHEAP_WORK": 0.0, "_AT_LEAST": 100, "_ROWS_A_PARAMETER": 1}.items():
        monkeypatch.setattr(quadratic_model, limit, value)
    solved = solve(synthetic(1000, 2, (100,), 3), l1=1e-2, tolerance=1e-8)
    assert solved.result.status is Status.CONVERGED


def test_more_columns_than_fit_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for three columns at a time the answer is the same, as near as sqrt(2 * bound / l2) = 1e-5."""
    problem = synthetic(500, 8, (), 3)
    monkeypatch.setattr(quadratic_model, "_LARGEST", 12)
    turns = solve(problem, l1=1e-2, l2=1e-2, tolerance=1e-12)
    monkeypatch.undo()
    expected = solve(problem, l1=1e-2, l2=1e-2, tolerance=1e-12)
    assert turns.result.status is Status.CONVERGED
    np.testing.assert_allclose(turns.weights, expected.weights, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_threads_do_not_change_a_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    """One, two and three threads end at the same bytes after the same passes."""
    problem = synthetic(20_000, levels=(3, 12))

    def bits(threads: int) -> tuple[bytes, int]:
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        solved = solve(problem, l1=1e-4, tolerance=1e-8, size=2048)
        return solved.weights.tobytes() + solved.parameters.bias.numpy().tobytes(), solved.outcome.passes

    assert {bits(2), bits(3)} == {bits(1)}


def test_each_step_reports_cost_subgradient_and_passes() -> None:
    """The norm of the least subgradient ends near 0, though the gradient does not."""
    solved = solve(_wine(), l1=1e-2, tolerance=TOLERANCE)
    passes = [record.epoch.passes for record in solved.records]
    assert passes == sorted(passes)
    assert solved.records[-1].epoch.gradient_norm < 1e-10
    assert solved.records[-1].epoch.cost == solved.outcome.final.cost


def test_too_few_epochs_and_too_small_a_tolerance_are_statuses() -> None:
    """Two steps are not enough, and 1e-40 of the objective is below rounding; each says how far it is at most."""
    assert solve(_wine(), l1=1e-3, epochs=2).result.status is Status.NOT_CONVERGED
    stalled = solve(_wine(), l1=1e-3, tolerance=1e-40)
    assert stalled.result.status is Status.STALLED
    assert stalled.outcome.bound < 1e-11 * stalled.objective


@pytest.mark.slow
@pytest.mark.parametrize("l2", [0.0, 1e-3])
@pytest.mark.parametrize("l1", [1e-1, 1e-3])
def test_columns_of_any_unit_converge_to_the_proof(l1: float, l2: float) -> None:
    """Columns of 1e-12 to 1e12: a dozen steps, and SciPy's optimum of rescaled columns with a penalty of its own each.

    L-BFGS-B on the positive and negative parts of the weights is an upper bound; 1e-8 is what is proven of ours.
    """
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 13))
    labels = (x @ random.normal(size=(13, 3)) + random.gumbel(size=(300, 3))).argmax(1)
    units = np.logspace(-12, 12, 13)
    problem = numbers_only(x * units, labels)
    solved = solve(problem, l1=l1, l2=l2, tolerance=1e-8, epochs=12)
    assert solved.result.status is Status.CONVERGED
    expected = _rescaled(problem.numbers.astype(np.float64) / units, labels, l1 / units, l2 / units**2)
    assert solved.objective == pytest.approx(expected, rel=1e-6)
    assert solved.objective <= expected * (1 + 1e-8)


def _rescaled(x: np.ndarray, labels: np.ndarray, l1: np.ndarray, l2: np.ndarray) -> float:
    """The least cost with penalties l1 (d,) on |W| and l2 (d,) on W^2 / 2 that SciPy finds, three classes."""
    n, d = x.shape
    chosen = np.eye(3)[labels]

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        up, down, b = flat[: 3 * d].reshape(d, 3), flat[3 * d : 6 * d].reshape(d, 3), flat[6 * d :]
        w = up - down
        scores = x @ w + b
        slope = softmax(scores, axis=1) - chosen
        cost = -(chosen * log_softmax(scores, axis=1)).sum() / n
        by_weight = x.T @ slope / n + l2[:, None] * w
        penalties = (l1[:, None] * (up + down)).sum() + (l2[:, None] * w**2).sum() / 2
        parts = [by_weight + l1[:, None], l1[:, None] - by_weight, slope.mean(0)]
        return cost + penalties, np.concatenate([part.ravel() for part in parts])

    # A weight whose penalty is above any slope that it can have stays 0.
    bounds = [(0.0, 0.0 if penalty > 1e3 else None) for penalty in np.tile(np.repeat(l1, 3), 2)] + [(None, None)] * 3
    options = {"maxiter": 10_000, "maxfun": 100_000, "ftol": 1e-15, "gtol": 1e-9}
    return float(minimize(value, np.zeros(6 * d + 3), jac=True, method="L-BFGS-B", bounds=bounds, options=options).fun)


@pytest.mark.slow
@pytest.mark.parametrize(("classes", "rows", "columns"), [(39, 40, 10), (39, 40, 40), (2, 50, 500)])
@pytest.mark.parametrize("l1", [1e-2, 1e-4])
def test_few_rows_take_few_factors(
    monkeypatch: pytest.MonkeyPatch, classes: int, rows: int, columns: int, l1: float
) -> None:
    """24 factors when this was written, over all steps together; 637 were too many."""
    random, count, factor = np.random.default_rng(0), 0, arrowhead.cholesky

    def counted(matrix: torch.Tensor) -> torch.Tensor:
        nonlocal count
        count += 1
        return factor(matrix)

    for module in (l1_quadratic, active_set):
        monkeypatch.setattr(module, "cholesky", counted)
    problem = numbers_only(random.normal(size=(rows, columns)), np.arange(rows) % classes)
    assert solve(problem, l1=l1, tolerance=1e-8).result.status is Status.CONVERGED
    assert 0 < count < 40


@pytest.mark.slow
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("l1", [1e-3, 0.1])
def test_few_rows_have_the_optimum_that_the_whole_hessian_finds(
    monkeypatch: pytest.MonkeyPatch, l1: float, intercept: bool
) -> None:
    """Without the row space the same objective, to the 1e-11 that is proven of both."""
    problem = synthetic(30, 20, (4,), 5)
    few = solve(problem, l1=l1, tolerance=1e-11, intercept=intercept)
    monkeypatch.setattr(quadratic_model, "_ROW_SPACE", 0)
    expected = solve(problem, l1=l1, tolerance=1e-11, intercept=intercept)
    assert few.result.status is expected.result.status is Status.CONVERGED
    assert few.objective == pytest.approx(expected.objective, rel=2e-11)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("l1", [1e-3, 1e-5])
@pytest.mark.parametrize("intercept", [True, False])
def test_two_rows_of_large_numbers_converge(seed: int, classes: int, l1: float, intercept: bool) -> None:
    """Numbers around 1,000, ten columns, an objective of 1e-7: a few dozen steps."""
    problem = numbers_only(1e3 * np.random.default_rng(seed).normal(size=(2, 10)), np.array([0, 1]))
    solved = solve(problem, classes=classes, l1=l1, tolerance=1e-8, intercept=intercept, epochs=60)
    assert solved.result.status is Status.CONVERGED


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("classes", "label"), [(1, 0), (2, 1), (3, 0)])
def test_one_row_of_large_numbers_has_an_answer(classes: int, label: int, intercept: bool) -> None:
    """l1 keeps W finite without b; with it the one class that has a row is certain."""
    problem = numbers_only(np.array([[1e3, 2e3, -1e3]]), np.array([label]))
    solved = solve(problem, classes=classes, l1=1e-3, tolerance=1e-8, intercept=intercept)
    assert solved.result.status is Status.CONVERGED
    assert solved.outcome.bound <= 1e-8 * solved.objective


@pytest.mark.slow
@pytest.mark.parametrize("offset", [1e3, 1e5])
@pytest.mark.parametrize(("rows", "sampled"), [(20, False), (300, False), (300, True)])
def test_columns_far_from_0_have_the_same_answer(
    monkeypatch: pytest.MonkeyPatch, rows: int, sampled: bool, offset: float
) -> None:
    """As years and time stamps are: b takes up what they are moved by. Eighths, of which float32 rounds none.

    Logits of 1e5 have a rounding of 1e-11, of which 1e-7 of the objective can be proven.
    """
    problem = synthetic(rows, 3, (4,), 3)
    near = replace(problem, numbers=np.round(problem.numbers * 8) / 8)
    far = replace(near, numbers=(near.numbers + np.float32(offset)).astype(np.float32))
    if sampled:
        monkeypatch.setattr(quadratic_model, "_CHEAP_WORK", 0.0)
        monkeypatch.setattr(quadratic_model, "_AT_LEAST", 100)
        monkeypatch.setattr(quadratic_model, "_ROWS_A_PARAMETER", 0)
    expected, solved = (solve(table, l1=1e-3, l2=1e-3, tolerance=1e-8, epochs=60) for table in (near, far))
    assert solved.outcome.bound <= 1e-7 * solved.objective
    assert solved.objective == pytest.approx(expected.objective, rel=1e-8)

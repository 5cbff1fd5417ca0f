"""Optima without a penalty, or next to none: by the curvature itself, against references that factor it exactly."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import entr, logsumexp
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from pipeline.numerics.solvers.status import Status
from tests.problems import Problem, numbers_only, solve, standardised, synthetic

SOLVERS = ("newton", "lbfgs", "auto")


@cache
def _nearly_equal_columns(difference: float) -> tuple[Problem, float]:
    """300 rows of five columns, of which two differ by this share of their size; and the optimum of the cost."""
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 5))
    x[:, 1] = x[:, 0] + difference * random.normal(size=300)
    x = standardised(x)
    scores = x @ random.normal(size=(5, 3))
    problem = numbers_only(x, (scores + random.gumbel(size=scores.shape)).argmax(1))
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=1000)
    scores = model.fit(problem.dense, problem.labels).decision_function(problem.dense)
    return problem, float((logsumexp(scores, axis=1) - scores[np.arange(300), problem.labels]).mean())


@pytest.mark.slow
@pytest.mark.parametrize("difference", [1e-3, 1e-4, 1e-5, 1e-6])
@pytest.mark.parametrize("solver", SOLVERS)
def test_columns_that_are_nearly_equal_reach_the_optimum(solver: str, difference: float) -> None:
    """At the tolerance of params.yaml; a stand-in's ridge is larger than the curvature along their difference."""
    problem, optimum = _nearly_equal_columns(difference)
    solved = solve(problem, solver=solver, l2=0.0, tolerance=1e-8)
    assert solved.result.status is Status.CONVERGED_UNPROVEN
    assert abs(solved.objective - optimum) <= 1e-8 * optimum


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_wide_table_reaches_the_entropy_of_its_rows(solver: str, seed: int) -> None:
    """Four distinct rows of eleven columns, each with three weighted labels: W can fit all shares."""
    random = np.random.default_rng(seed)
    x = np.repeat(standardised(random.normal(size=(4, 11))), 3, axis=0)
    weights = random.random((4, 3)) + 0.1
    problem = Problem(x, np.zeros((12, 0), np.int64), np.tile(np.arange(3), 4), (), weights.reshape(-1))
    shares = weights / weights.sum(1, keepdims=True)
    optimum = float((weights.sum(1) * entr(shares).sum(1)).sum() / weights.sum())
    solved = solve(problem, solver=solver, l2=0.0, tolerance=1e-8)
    assert solved.result.status is Status.CONVERGED_UNPROVEN
    assert abs(solved.objective - optimum) <= 1e-8 * optimum


@pytest.mark.parametrize("difference", [0.0, 1e-2, 1e-4])
def test_columns_of_size_1000_reach_the_optimum_though_float32_sees_noise(difference: float) -> None:
    """Raw columns beside categories, every row with every label: lbfgs went to and fro in float32 for 1,000 steps."""
    random = np.random.default_rng(23)
    x = random.normal(size=(8, 4)) * np.array([1e3, 1.0, 1e3, 1e-2])
    x[:, 1] = x[:, 0] * (1 + difference * random.normal(size=8))
    weights = random.random((8, 3)) ** 3 + 1e-3
    codes = np.repeat(random.integers(0, 3, size=(8, 1)), 3, axis=0)
    problem = Problem(
        np.repeat(x, 3, axis=0).astype(np.float32), codes, np.tile(np.arange(3), 8), (3,), weights.reshape(-1)
    )
    objectives = [solve(problem, solver=solver, l2=0.0, tolerance=1e-8) for solver in SOLVERS]
    assert [solved.result.status for solved in objectives] == [Status.CONVERGED_UNPROVEN] * 3
    np.testing.assert_allclose([solved.objective for solved in objectives], objectives[0].objective, rtol=1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
def test_coefficients_of_an_election_study_are_those_of_maximum_likelihood(solver: str) -> None:
    """anes96, which statsmodels compares with Stata: 36 coefficients to 1e-7 at the tolerance of params.yaml."""
    data = sm.datasets.anes96.load_pandas()
    x = data.exog.to_numpy(dtype=np.float32)
    labels = data.endog.to_numpy(dtype=np.int64)
    fitted = sm.MNLogit(labels, sm.add_constant(x.astype(float))).fit(disp=0, method="newton", tol=1e-14)
    solved = solve(numbers_only(x, labels), solver=solver, l2=0.0, tolerance=1e-8)
    coefficients = np.hstack([solved.bias[:, None], solved.weights])
    np.testing.assert_allclose((coefficients[1:] - coefficients[0]).T, fitted.params, rtol=0, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("l2", [1e-14, 1e-18, 1e-24, 1e-30])
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_penalty_of_next_to_nothing_is_no_divergence(solver: str, l2: float) -> None:
    """Ten separable rows of twenty columns: the objective falls towards 0, where a factor that fails left log 2.

    lbfgs may end with a W so long that its penalty, of 1e-24, is all that is left.
    """
    x, labels = make_classification(n_samples=10, n_features=20, random_state=42)
    solved = solve(numbers_only(x, labels), solver=solver, l2=l2, tolerance=1e-8, epochs=200)
    assert solved.result.status in {Status.STALLED, Status.NOT_CONVERGED, Status.CONVERGED}
    assert solved.objective < (1e-8 if solver == "lbfgs" else 1e-9)


def _separable_but_for_noise(rows: int, numbers: int, levels: tuple[int, ...], classes: int, seed: int) -> Problem:
    """Rows whose label is the largest of some linear scores."""
    problem = synthetic(rows, numbers, levels, classes, seed)
    scores = problem.dense @ np.random.default_rng(seed).normal(size=(problem.columns, classes))
    return replace(problem, labels=scores.argmax(1))


@pytest.mark.slow
@pytest.mark.parametrize("l2", [1e-9, 1e-12])
@pytest.mark.parametrize("table", [(8, 5, (), 2), (8, 30, (3,), 3), (60, 30, (3, 3), 2)], ids=str)
@pytest.mark.parametrize("solver", SOLVERS)
def test_classes_that_are_told_apart_converge_to_the_proof(
    solver: str, table: tuple[int, int, tuple[int, ...], int], l2: float
) -> None:
    """With the small penalty that separable classes are said to need: float32 knows nothing of 1 - p below 1e-7.

    Steps that followed its noise went upwards for 1,000 epochs of a dozen passes each.
    """
    problem = _separable_but_for_noise(*table, seed=1)
    solved = solve(problem, classes=table[-1], solver=solver, l2=l2, tolerance=1e-8, epochs=400)
    assert solved.result.status is Status.CONVERGED
    assert solved.outcome.passes < 2000


@pytest.mark.parametrize("size", [1e15, 1e20, 1e30])
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_column_whose_squares_float32_cannot_hold_is_no_divergence(solver: str, size: float) -> None:
    """A power of 2 times the column, without a penalty: the same optimum."""
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 3)).astype(np.float32)
    labels = (x @ random.normal(size=(3, 3)) + random.gumbel(size=(200, 3))).argmax(1)
    expected = solve(numbers_only(x, labels), l2=0.0).objective
    x[:, 0] *= np.float32(2.0 ** np.round(np.log2(size)))
    solved = solve(numbers_only(x, labels), solver=solver, l2=0.0, tolerance=1e-8)
    assert solved.result.status is Status.CONVERGED_UNPROVEN
    assert abs(solved.objective - expected) <= 1e-8 * expected


@pytest.mark.parametrize("l2", [0.0, 1e-3])
@pytest.mark.parametrize("solver", SOLVERS)
def test_all_weight_on_one_class_beside_a_category_has_nothing_to_learn(solver: str, l2: float) -> None:
    """One class is left: its probability is 1 whatever W is."""
    problem = synthetic(200, 3, (3,), 3)
    solved = solve(replace(problem, weights=(problem.labels == 0).astype(float)), solver=solver, l2=l2)
    assert solved.result.status in {Status.CONVERGED, Status.CONVERGED_UNPROVEN}
    assert solved.objective == 0.0


@pytest.mark.parametrize("classes", [1, 2])
@pytest.mark.parametrize("solver", SOLVERS)
def test_one_row_has_nothing_to_learn(solver: str, classes: int) -> None:
    """Without a penalty, and with a class that has no row."""
    problem = numbers_only(np.ones((1, 3)), np.zeros(1))
    solved = solve(problem, classes=classes, solver=solver, l2=0.0)
    assert solved.objective < 1e-20

"""What is said about the training rows: of an optimum without a penalty, against linear programs of another make."""

import math
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy.optimize import linprog
from sklearn.linear_model import LogisticRegression

from pipeline.numerics.solvers.status import Status
from pipeline.training_rows import diagnostics
from tests.problems import Problem, Solved, numbers_only, solve, synthetic


def _apart(problem: Problem, intercept: bool) -> bool:
    """Whether training without a penalty says that there is no optimum."""
    data = problem.data(classes=3)
    known = diagnostics.find(data, penalty=0.0, intercept=intercept, threads=1)
    return diagnostics.with_separation(known, data, intercept).separable


def _has_a_rule(problem: Problem, intercept: bool) -> bool:
    """Albert and Anderson's condition as one program: the largest sum of margins, none below 0, of |D| <= 1."""
    counted = problem.weights > 0
    x, labels = problem.dense[counted], problem.labels[counted]
    if intercept:
        x = np.hstack([x, np.ones((len(x), 1))])
    classes = np.unique(labels) if intercept else np.arange(3)
    margins = []
    for row, label in zip(x, labels, strict=True):
        for other in set(classes) - {label}:
            margin = np.zeros((3, x.shape[1]))
            margin[label], margin[other] = row, -row
            margins.append(margin.ravel())
    if not margins:
        return False
    table = np.array(margins)
    solution = linprog(-table.sum(0), A_ub=-table, b_ub=np.zeros(len(table)), bounds=(-1, 1), method="highs-ipm")
    return bool(-solution.fun > 1e-6)


@pytest.mark.slow
@given(
    rows=st.integers(3, 14),
    numbers=st.integers(0, 2),
    levels=st.sampled_from([(), (2,), (3,), (2, 2)]),
    intercept=st.booleans(),
    shift=st.sampled_from([0, 2]),
    seed=st.integers(0, 10_000),
)
@settings(deadline=None, max_examples=150)
def test_an_optimum_is_denied_exactly_where_a_rule_exists(
    rows: int, numbers: int, levels: tuple[int, ...], intercept: bool, shift: int, seed: int
) -> None:
    """With and without intercept, rows of weight 0, classes without a row, numbers of one sign."""
    random = np.random.default_rng(seed)
    problem = Problem(
        (random.integers(-2, 3, size=(rows, numbers)) + shift).astype(np.float32),
        np.stack([random.integers(count, size=rows) for count in levels], 1) if levels else np.zeros((rows, 0), int),
        random.integers(3, size=rows),
        levels,
        np.append(random.integers(0, 3, size=rows - 1), 1).astype(np.float64),
    )
    if problem.columns:
        assert _apart(problem, intercept) is _has_a_rule(problem, intercept)


def _without_penalty(problem: Problem, solver: str, **settings: object) -> Solved:
    return solve(problem, solver=solver, l2=0.0, tolerance=1e-10, **settings)


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_without_an_intercept_numbers_of_one_sign_have_an_optimum(solver: str) -> None:
    """Class a in [1, 2], b in [3, 4]: told apart by a number but not by its sign. The cost is scikit-learn's."""
    x = np.random.default_rng(0).uniform(size=(100, 1)) + np.repeat([1.0, 3.0], 50)[:, None]
    problem = numbers_only(x, np.repeat([0, 1], 50))
    solved = _without_penalty(problem, solver, intercept=False)
    reference = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-12).fit(problem.dense, problem.labels)
    assert solved.result.status is Status.CONVERGED_UNPROVEN
    assert solved.outcome.findings == ()
    assert solved.weights[1, 0] - solved.weights[0, 0] == pytest.approx(reference.coef_[0, 0], abs=1e-5)
    assert solve(problem, solver=solver, l2=0.0).result.status is Status.SEPARABLE


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_a_level_and_a_number_of_rows_without_weight_tell_nothing(solver: str) -> None:
    """Level 2 and numbers of 1e3 that only rows of weight 0 have: the optimum and the findings without these rows."""
    problem = synthetic(400, 2, (4,), 3)
    light = (problem.codes[:, 0] == 2) & (problem.labels == 1)
    numbers = np.where(light[:, None], 1e3, problem.numbers).astype(np.float32)
    codes = np.where(problem.codes == 3, 2, problem.codes)
    codes[light & (np.arange(400) % 2 == 0)] = 3
    labels = np.where(light, 2, problem.labels)
    weighted = replace(problem, numbers=numbers, codes=codes, labels=labels, weights=np.where(light, 0.0, 1.0))
    with_them, without = (
        _without_penalty(table, solver) for table in (weighted, weighted.take(np.flatnonzero(~light)))
    )
    assert with_them.result.status is without.result.status is Status.CONVERGED_UNPROVEN
    assert with_them.outcome.findings == without.outcome.findings
    assert "told apart" not in " ".join(without.outcome.findings)
    assert with_them.objective == pytest.approx(without.objective, rel=1e-9)


def test_columns_that_only_rows_without_weight_vary_are_constant() -> None:
    """And those that only such rows part are collinear: what is said is what is said without the rows."""
    problem = synthetic(400, 2, (3,), 3)
    x = np.hstack([problem.numbers, np.ones((400, 1)), problem.numbers[:, :1] * 2]).astype(np.float32)
    x[::9, 2:] = 7.5
    weighted = replace(problem, numbers=x, weights=np.where(np.arange(400) % 9 == 0, 0.0, 2.0))
    findings = solve(weighted, l2=0.1).outcome.findings
    assert findings == solve(weighted.take(np.flatnonzero(weighted.weights)), l2=0.1).outcome.findings
    assert "the same in all training rows: x2" in findings[0]
    assert "column x3 follows from x0" in findings[1]


@pytest.mark.parametrize("intercept", [True, False])
def test_a_class_without_rows_is_improbable_by_its_intercept_only(intercept: bool) -> None:
    """The sentence is true of the probabilities of the training rows."""
    problem = synthetic(300, 2, (), 3)
    solved = solve(problem, classes=4, l2=0.1, intercept=intercept)
    scores = problem.dense @ solved.weights.T + solved.bias
    largest = float((np.exp(scores) / np.exp(scores).sum(1, keepdims=True))[:, 3].max())
    (findings,) = solved.outcome.findings
    assert ("its probability is 0 but for e^-60" in findings) is (largest <= math.exp(-60)) is intercept
    assert ("without an intercept its probability stays above 0" in findings) is (not intercept)

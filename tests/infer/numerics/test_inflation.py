"""Variance inflation factors, against statsmodels and determinants in numpy."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
import torch
from statsmodels.stats.outliers_influence import variance_inflation_factor

from pipeline.infer.numerics import design
from pipeline.infer.numerics.inflation import factors
from pipeline.infer.numerics.likelihood import Asked, pass_over
from pipeline.infer.numerics.maximum import SingularError
from pipeline.infer.numerics.rows import InferenceRows
from tests.infer.numerics.tables import TABLES, far, reference, repeated, rows_of
from tests.problems import Problem, numbers_only, synthetic


def _gram(rows: InferenceRows) -> torch.Tensor:
    sums = pass_over(rows, rows.zero(), Asked(columns=True))
    assert sums.columns is not None
    return design.gram(rows, sums.columns)


def _groups(rows: InferenceRows, base: int = 0) -> list[list[int]]:
    """Each number, and each category's levels but one."""
    groups = [[column] for column in range(rows.numbers)]
    for first, count in zip(rows.first_level_rows, rows.levels, strict=True):
        groups.append([rows.numbers + first + level for level in range(count) if level != base])
    return groups


def _by_determinants(problem: Problem, groups: list[list[int]], intercept: bool) -> list[float]:
    """det R_11 det R_22 / det R of correlations with the rows' weights."""
    columns = [column for group in groups for column in group]
    v = np.ones(len(problem.labels)) if problem.weights is None else problem.weights
    x = problem.dense[:, columns]
    x = x - (v @ x / v.sum() if intercept else 0)
    products = x.T @ (v[:, None] * x)
    roots = np.sqrt(products.diagonal())
    r, determinant = products / roots / roots[:, None], np.linalg.det
    result, first = [], 0
    for group in groups:
        own = np.isin(np.arange(len(columns)), range(first, first + len(group)))
        first += len(group)
        others = determinant(r[~own][:, ~own]) if not own.all() else 1.0
        result.append(determinant(r[own][:, own]) * others / determinant(r))
    return result


def _about_0(x: np.ndarray, column: int) -> float:
    """By the regression itself: statsmodels' factor is about the mean with or without a constant."""
    return 1 / (1 - sm.OLS(x[:, column], np.delete(x, column, 1)).fit().rsquared)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("make", [lambda problem: problem, far])
def test_factors_of_numbers_are_those_of_statsmodels(make: object, intercept: bool) -> None:
    """About the mean beside a constant, else about 0, where columns far from it have large ones."""
    problem = make(synthetic(300, 4, (), 2))  # type: ignore[operator]
    rows = rows_of(problem, intercept=intercept)
    own = factors(_gram(rows), _groups(rows), intercept)
    x = np.hstack([problem.dense, np.ones((300, 1))]) if intercept else problem.dense
    expected = [variance_inflation_factor(x, column) if intercept else _about_0(x, column) for column in range(4)]
    np.testing.assert_allclose([each.factor for each in own], expected, rtol=1e-8)
    np.testing.assert_allclose([each.per_degree for each in own], np.sqrt(expected), rtol=1e-8)
    assert {each.degrees for each in own} == {1}


@pytest.mark.parametrize("name", TABLES)
def test_factors_of_groups_are_those_of_determinants(name: str) -> None:
    """Of numbers and categories, with weights."""
    rows = rows_of(TABLES[name])
    groups = _groups(rows)
    own = factors(_gram(rows), groups, True)
    np.testing.assert_allclose([each.factor for each in own], _by_determinants(TABLES[name], groups, True), rtol=1e-9)
    assert [each.degrees for each in own] == [len(group) for group in groups]
    for each in own:
        assert each.per_degree == pytest.approx(each.factor ** (1 / (2 * each.degrees)), rel=1e-12)


def test_without_intercept_products_are_about_0() -> None:
    """All levels of one category are in the design, then."""
    problem = synthetic(300, 2, (3,), 2)
    rows = rows_of(problem, intercept=False)
    groups = [[0], [1], [2, 3, 4]]
    own = factors(_gram(rows), groups, False)
    np.testing.assert_allclose([each.factor for each in own], _by_determinants(problem, groups, False), rtol=1e-9)


def test_a_weight_is_a_number_of_rows() -> None:
    """The same factors of rows that stand as often as they weigh."""
    once = TABLES["weights"]
    of_weights, of_rows = (factors(_gram(rows), _groups(rows), True) for rows in map(rows_of, (once, repeated(once))))
    for one, other in zip(of_weights, of_rows, strict=True):
        assert one.factor == pytest.approx(other.factor, rel=1e-10)


@pytest.mark.parametrize("base", [1, 2])
def test_no_base_level_is_another_factor(base: int) -> None:
    """Nor of the others' factors."""
    rows = rows_of(TABLES["weights"])
    one, other = (factors(_gram(rows), _groups(rows, level), True) for level in (0, base))
    np.testing.assert_allclose([each.factor for each in one], [each.factor for each in other], rtol=1e-10)


def test_columns_that_have_nothing_in_common_have_1() -> None:
    """A flag and a number that is balanced over it; a group alone; no group."""
    x = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]] * 5)
    rows = rows_of(numbers_only(x, np.arange(20) % 2))
    assert [each.factor for each in factors(_gram(rows), [[0], [1]], True)] == [1.0, 1.0]
    assert [each.factor for each in factors(_gram(rows), [[1, 0]], True)] == [1.0]
    assert factors(_gram(rows), [], True) == []


def test_a_column_that_follows_from_others_is_an_error() -> None:
    """The design would have left it out."""
    problem = synthetic(200, 2, (3,), 2)
    rows = rows_of(problem)
    assert math.isfinite(factors(_gram(rows), _groups(rows), True)[0].factor)
    with pytest.raises(SingularError):
        factors(_gram(rows), [[0], [1], [2, 3, 4]], True)
    assert [column for group in _groups(rows) for column in group] == reference(rows).columns[:-1].tolist()

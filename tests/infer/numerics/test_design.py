"""Which entries of theta are free, and vectors and matrices over them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.infer.numerics import design
from pipeline.infer.numerics.design import Design
from pipeline.infer.numerics.likelihood import pass_over
from tests.infer.numerics.tables import EVERYTHING, TABLES, Dense, reference, rows_of, some_theta
from tests.problems import Problem, synthetic


def _gram(problem: Problem, intercept: bool = True) -> torch.Tensor:
    rows = rows_of(problem, intercept=intercept)
    sums = pass_over(rows, rows.zero(), EVERYTHING)
    assert sums.columns is not None
    return design.gram(rows, sums.columns)


def test_a_vector_goes_class_by_class() -> None:
    """And back, with zeros for what is not free."""
    free = Design(torch.tensor([0, 2]), torch.tensor([1, 2]), (4, 3))
    theta = torch.arange(12, dtype=torch.float64).view(4, 3)
    assert free.vector(theta).tolist() == [1, 7, 2, 8]
    back = free.theta(free.vector(theta))
    assert back.tolist() == [[0, 1, 2], [0, 0, 0], [0, 7, 8], [0, 0, 0]]
    assert free.size == 4
    assert not free.is_full


def test_places_are_those_of_rows_and_classes() -> None:
    """In the vector; of rows that are not free there are none."""
    free = Design(torch.tensor([0, 2, 3]), torch.tensor([1, 2]), (4, 3))
    assert free.places([2]).tolist() == [1, 4]
    assert free.places([3, 0], [2]).tolist() == [3, 5]
    assert free.places([1]).tolist() == []
    assert free.without([2]).columns.tolist() == [0, 3]


@pytest.mark.parametrize("name", TABLES)
def test_the_matrix_is_that_of_free_entries(name: str) -> None:
    """The same numbers as one of all entries, from which the others are struck."""
    rows = rows_of(TABLES[name])
    theta = some_theta(rows)
    sums = pass_over(rows, theta, EVERYTHING)
    assert sums.information is not None
    for label in range(rows.classes):
        free = reference(rows, label)
        expected = Dense.of(TABLES[name], rows).information(free, theta.numpy())
        matrix = free.matrix(rows, sums.information)
        np.testing.assert_allclose(matrix, expected, rtol=1e-11, atol=1e-9)
        assert torch.equal(matrix, matrix.T)


def test_full_coding_has_a_null_space_of_one_vector_a_column() -> None:
    """All classes moved together change no probability."""
    rows = rows_of(TABLES["numbers"])
    sums = pass_over(rows, some_theta(rows), EVERYTHING)
    assert sums.information is not None
    every = design.full(rows, torch.arange(rows.columns + 1))
    values = torch.linalg.eigvalsh(every.matrix(rows, sums.information))
    assert every.is_full
    assert int((values.abs() < 1e-10 * values.max()).sum()) == rows.columns + 1


def test_used_columns_are_those_in_which_a_row_counts() -> None:
    """A level that no row has is none, nor b where there is no intercept."""
    problem = replace(synthetic(100, 2, (3,), 2), levels=(5,))
    for intercept in (True, False):
        rows = rows_of(problem, intercept=intercept)
        assert design.used(rows, _gram(problem, intercept)).tolist() == [0, 1, 2, 3, 4] + [7] * intercept


def test_columns_that_follow_from_those_before_are_left_out() -> None:
    """A sum of two, float32's rounding and all; a constant; the last level of each category beside b."""
    problem = synthetic(500, 2, (3, 4), 2)
    u, v = problem.numbers.T
    both = replace(problem, numbers=np.stack([u, v, u + 3 * v, np.full_like(u, 7)], 1) + np.float32(20))
    chosen, left_out = design.independent(_gram(both), range(both.columns), True)
    assert chosen == [0, 1, 4, 5, 7, 8, 9]
    assert left_out == [2, 3, 6, 10]


def test_the_order_of_candidates_decides_which_of_several_is_left_out() -> None:
    """The base level comes last."""
    problem = synthetic(500, 1, (3,), 2)
    assert design.independent(_gram(problem), [0, 3, 2, 1], True) == ([0, 3, 2], [1])


def test_without_intercept_levels_of_one_category_are_all_kept() -> None:
    """Of the second category one follows from the first."""
    problem = synthetic(500, 1, (3, 2), 2)
    assert design.independent(_gram(problem, False), range(problem.columns), False) == ([0, 1, 2, 3, 4], [5])


def test_a_column_far_from_0_does_not_follow_from_b() -> None:
    """A year of deviation 3 among others about 2000 is kept, a tenth of a millionth of its square is its own."""
    problem = synthetic(500, 2, (), 2)
    years = replace(problem, numbers=np.round(2000 + 3 * problem.numbers).astype(np.float32))
    assert design.independent(_gram(years), range(2), True) == ([0, 1], [])

"""Constant and collinear columns that a few rows alone would get wrong."""

import numpy as np

from pipeline.numerics.diagnostics.collinearity import collinear_columns, constant_columns
from tests.problems import numbers_only

ROWS = 40_000


def test_a_column_that_changes_in_one_row_only_is_not_constant() -> None:
    """In an odd row of a block that is looked at second; one that never changes is named."""
    x = np.random.default_rng(0).normal(size=(ROWS, 3))
    x[:, 1:] = 7.0
    x[9001, 1] = 8.0
    assert constant_columns(numbers_only(x, np.zeros(ROWS)).blocks()) == [2]


def test_columns_that_part_in_a_few_rows_only_are_not_collinear() -> None:
    """The second is twice the first but for ten rows; the third follows in all rows."""
    x = np.random.default_rng(0).normal(size=(ROWS, 3))
    x[:, 1] = 2 * x[:, 0]
    x[9001:9011, 1] += 1.0
    x[:, 2] = x[:, 0] - 1.0
    collinear = collinear_columns(numbers_only(x, np.zeros(ROWS)).blocks(), 2)
    assert [(each.column, each.of) for each in collinear] == [(2, (0,))]

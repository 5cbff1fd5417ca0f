"""Constant and collinear columns that a few rows alone would get wrong, and categories among many."""

from itertools import combinations

import numpy as np
import pytest

from pipeline.numerics.diagnostics import collinearity
from pipeline.numerics.diagnostics.collinearity import collinear_categories, collinear_columns, constant_columns
from tests.problems import Problem, numbers_only

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
    assert [(found.column, found.of) for found in collinear_columns(numbers_only(x, np.zeros(ROWS)).blocks(), 2)] == [
        (2, (0,))
    ]


def _categories(codes: np.ndarray) -> Problem:
    levels = tuple((codes.max(0) + 1).tolist())
    return Problem(np.zeros((len(codes), 0), np.float32), codes, np.zeros(len(codes), np.int64), levels)


def _expected(problem: Problem) -> tuple[set[tuple[int, int, bool]], set[frozenset[int]]]:
    """What categories have in common, by the sets of rows that their levels are: pairs, and levels that are alike."""
    starts = np.cumsum([0, *problem.levels])
    rows = [
        {starts[c] + level: frozenset(np.flatnonzero(problem.codes[:, c] == level).tolist()) for level in range(count)}
        for c, count in enumerate(problem.levels)
    ]
    partitions = [{level: own for level, own in levels.items() if own} for levels in rows]
    varied = [c for c, own in enumerate(partitions) if len(own) > 1]
    pairs, alike = set(), set()
    for one, other in combinations(varied, 2):
        inside = [
            all(any(part <= whole for whole in partitions[b].values()) for part in partitions[a].values())
            for a, b in ((one, other), (other, one))
        ]
        first = [int(min(partitions[c])) for c in (one, other)]
        if any(inside):
            pairs.add((*(first if inside[1] else first[::-1]), all(inside)))
            continue
        alike |= {
            frozenset((int(a), int(b)))
            for a, own in partitions[one].items()
            for b, others in partitions[other].items()
            if own == others
        }
    return pairs, alike


@pytest.mark.parametrize(("rows", "size"), [(12, 16), (40, 16), (700, 300)])
def test_categories_have_in_common_what_their_sets_of_rows_have(rows: int, size: int) -> None:
    """In one block or many, looked at whole or not: pairs of categories, and levels, each with one of its likes."""
    random = np.random.default_rng(rows)
    base = random.integers(0, 4, (rows, 3))
    rare = np.zeros(rows, np.int64)
    rare[[rows // 3, rows // 2]] = 1
    codes = np.stack(
        [
            base[:, 0],
            3 - base[:, 0],
            base[:, 1],
            base[:, 0] // 2,
            rare,
            rare * (1 + base[:, 2] % 2),
            base[:, 2],
            rare * 0,
        ]
        + [np.where(rare == 1, 4, random.integers(0, 4, rows)) for _ in range(3)],
        axis=1,
    )
    problem = _categories(codes)
    pairs, alike = _expected(problem)
    found = collinear_categories(problem.blocks(size))
    assert set(found.categories) == pairs
    assert len(found.categories) == len(pairs)
    assert {frozenset(pair) for pair in found.levels} <= alike
    # A level is named once, with the first that is the same rows.
    assert {second for _, second in found.levels} == {max(pair) for pair in alike}


def test_independent_categories_need_no_table_of_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some rows refute all of 19,900 pairs."""
    tables = []
    counted = collinearity._contingency
    monkeypatch.setattr(collinearity, "_contingency", lambda *given: tables.append(given) or counted(*given))
    codes = np.random.default_rng(0).integers(0, 5, (600, 200))
    assert collinear_categories(_categories(codes).blocks()).categories == ()
    assert not tables

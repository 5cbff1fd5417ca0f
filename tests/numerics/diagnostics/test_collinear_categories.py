"""Categories that follow from one another, against their sets of rows."""

from itertools import combinations

import numpy as np
import pytest

from pipeline.numerics.diagnostics import collinear_categories
from tests.problems import Problem

ROWS = 40_000


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
            all(any(part <= group for group in partitions[b].values()) for part in partitions[a].values())
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
    collinear = collinear_categories.find(problem.blocks(size))
    assert set(collinear.categories) == pairs
    assert len(collinear.categories) == len(pairs)
    assert {frozenset(pair) for pair in collinear.levels} <= alike
    # A level is named once, with the first that is the same rows.
    assert {second for _, second in collinear.levels} == {max(pair) for pair in alike}


def test_independent_categories_need_no_table_of_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some rows refute all of 19,900 pairs."""
    tables = []
    counted = collinear_categories._contingency
    monkeypatch.setattr(collinear_categories, "_contingency", lambda *given: tables.append(given) or counted(*given))
    codes = np.random.default_rng(0).integers(0, 5, (600, 200))
    assert collinear_categories.find(_categories(codes).blocks()).categories == ()
    assert not tables

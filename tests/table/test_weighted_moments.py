"""Weighted moments: a weight is that many rows, exactly; order and pieces leave no trace."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.table import exact_moments, weighted_moments
from pipeline.table.exact_moments import Moments
from pipeline.table.weighted_moments import WeightedMoments, totals_by_group

VALUES = st.one_of(st.floats(-1e30, 1e30).filter(lambda value: value == 0 or abs(value) > 1e-30), st.integers(-9, 9))
ROWS = st.lists(st.tuples(VALUES.map(float), st.floats(0, 1e6).filter(lambda w: w == 0 or w > 1e-6)), min_size=1)


def _of(rows: list[tuple[float, float]]) -> WeightedMoments:
    moments = WeightedMoments()
    values, weights = np.array(rows, dtype=np.float64).T
    weighted_moments.add_columns([moments], values[np.newaxis], weights[np.newaxis])
    return moments


@given(
    st.lists(st.tuples(VALUES.map(float), st.integers(0, 5)), min_size=1).filter(lambda rows: any(w for _, w in rows))
)
@settings(deadline=None)
def test_a_weight_is_that_many_rows(rows: list[tuple[float, int]]) -> None:
    """Mean and standard deviation have the bits of the table in which every row stands as often as it weighs."""
    repeated = Moments()
    repeated_values = [value for value, weight in rows for _ in range(weight)]
    exact_moments.add_columns([repeated], np.array([repeated_values], dtype=np.float64))
    weighted = _of([(value, float(weight)) for value, weight in rows])
    assert (weighted.mean(), weighted.standard_deviation()) == (repeated.mean(), repeated.standard_deviation())


@pytest.mark.slow
@given(ROWS, st.randoms(), st.integers(1, 9))
@settings(deadline=None)
def test_sums_are_exact_in_any_order(rows: list[tuple[float, float]], random: object, size: int) -> None:
    """Shuffled, cut and merged, weighted sums are those of exact fractions."""
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    merged = WeightedMoments()
    for start in range(0, len(rows), size):
        merged.merge(_of(shuffled[start : start + size]))
    grid = 2**1074
    assert Fraction(merged.first.total, grid) == sum(Fraction(value) * Fraction(weight) for value, weight in rows)
    assert Fraction(merged.second.total, grid) == sum(Fraction(value) ** 2 * Fraction(weight) for value, weight in rows)


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1e300)), max_size=30))
@settings(deadline=None)
def test_totals_of_groups_are_exact(rows: list[tuple[int, float]]) -> None:
    """Each group's weights, subnormal ones too, sum to the exact fraction."""
    groups = np.array([group for group, _ in rows], dtype=np.int32)
    totals = totals_by_group(np.array([weight for _, weight in rows], dtype=np.float64), groups, 4)
    for group in range(4):
        assert Fraction(totals[group], 2**1126) == sum(Fraction(weight) for other, weight in rows if other == group)


def test_weights_of_zero_only_have_no_mean() -> None:
    """Without any weight, mean and deviation are refused."""
    for ask in (WeightedMoments.mean, WeightedMoments.standard_deviation):
        with pytest.raises(ValueError, match="no weight"):
            ask(_of([(1.0, 0.0)]))

"""Exact moments: equal to exact rational arithmetic, whatever the pieces and their order."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.table.exact_moments import Moments, add_columns

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TAME = st.one_of(
    st.floats(-1e6, 1e6),
    st.integers(-(2**53), 2**53).map(float),
    st.decimals(-1000, 1000, places=2, allow_nan=False).map(float),
)
VALUES = st.lists(st.one_of(FINITE, TAME), min_size=1, max_size=40)


def _of(values: list[float]) -> Moments:
    moments = Moments()
    add_columns([moments], np.array([values], dtype=np.float64))
    return moments


def _exact_variance(values: list[float]) -> Fraction:
    mean = sum(map(Fraction, values)) / len(values)
    return sum((Fraction(value) - mean) ** 2 for value in values) / len(values)


@pytest.mark.slow
@given(VALUES)
@settings(max_examples=300, deadline=None)
def test_sums_are_those_of_exact_fractions(values: list[float]) -> None:
    """Sum and sum of squares lose nothing, from the smallest subnormal to the largest float64."""
    moments = _of(values)
    assert Fraction(moments.total, 2**1074) == sum(map(Fraction, values))
    assert Fraction(moments.squares, 2**2148) == sum(Fraction(value) ** 2 for value in values)


@given(VALUES)
@settings(deadline=None)
def test_the_mean_is_correctly_rounded(values: list[float]) -> None:
    """It is the float64 nearest to the exact rational."""
    moments = _of(values)
    assert moments.mean() == float(sum(map(Fraction, values)) / len(values))


@given(VALUES)
@settings(deadline=None)
def test_standard_deviation_is_correctly_rounded(values: list[float]) -> None:
    """No float64 is nearer to the exact root: the variance lies between the squares of the two half-way points."""
    root = _of(values).standard_deviation()
    exact = _exact_variance(values)
    below = (Fraction(root) + Fraction(math.nextafter(root, 0.0))) / 2
    above = (Fraction(root) + Fraction(math.nextafter(root, math.inf))) / 2
    assert below**2 <= exact <= above**2


@given(VALUES, st.randoms(), st.integers(1, 40))
@settings(deadline=None)
def test_order_and_pieces_leave_no_trace(values: list[float], random: object, size: int) -> None:
    """Shuffled, cut and merged, the same values give equal moments."""
    at_once = _of(values)
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    merged = Moments()
    for start in range(0, len(shuffled), size):
        merged.merge(_of(shuffled[start : start + size]))
    assert merged == at_once
    assert math.copysign(1.0, merged.minimum) == math.copysign(1.0, at_once.minimum)


@pytest.mark.slow
@given(
    st.integers(1, 5).flatmap(
        lambda n: st.lists(st.lists(st.one_of(FINITE, TAME), min_size=n, max_size=n), min_size=1, max_size=9)
    )
)
@settings(deadline=None)
def test_columns_together_are_the_columns_alone(columns: list[list[float]]) -> None:
    """Columns of any sizes, with gaps where numbers are above 1,000, have the moments that each has by itself."""
    values = np.array(columns, dtype=np.float64)
    together, present = [Moments() for _ in columns], values < 1000.0
    add_columns(together, values, present)
    for moments, column, there in zip(together, values, present, strict=True):
        alone = Moments()
        add_columns([alone], column[there][np.newaxis])
        assert moments == alone


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_large_columns_agree_with_fsum(scale: float) -> None:
    """On 50,000 values over several pieces the mean is the correctly rounded sum of math.fsum over n."""
    values = np.random.default_rng(3).normal(size=50_000) * scale
    moments = _of(values.tolist())
    assert Fraction(moments.total, 2**1074) == sum(map(Fraction, values.tolist()))
    # fsum rounds once, and the division once more: half an ulp each.
    assert moments.mean() == pytest.approx(math.fsum(values) / len(values), rel=2**-52, abs=0.0)
    # numpy's two-pass standard deviation of values this tame errs by less than n ulp; it is far better in practice.
    if scale == 1.0:
        assert moments.standard_deviation() == pytest.approx(values.std(), rel=1e-12)


def test_products_at_the_limit_of_the_exact_range_stay_exact() -> None:
    """A whole piece of the largest parts, where the sum of products reaches 2^53, is still summed exactly."""
    values = [math.nextafter(1.0, 0.0)] * 8192 + [-math.nextafter(2.0, 0.0)] * 8192
    moments = _of(values)
    assert Fraction(moments.squares, 2**2148) == sum(Fraction(value) ** 2 for value in values)


def test_whole_numbers_take_the_short_path_to_the_same_sums() -> None:
    """Whole numbers, and the same with one fraction that sends them the long way, have the sums of exact integers."""
    values = np.random.default_rng(5).integers(-(10**6), 10**6, 30_000)
    assert Fraction(_of(values.tolist()).squares, 2**2148) == sum(int(value) ** 2 for value in values)
    with_fraction = _of([*values.tolist(), 0.5])
    assert Fraction(with_fraction.squares, 2**2148) == sum(int(value) ** 2 for value in values) + Fraction(1, 4)
    assert (_of(values.tolist()).all_integers, with_fraction.all_integers) == (True, False)


def test_constant_columns_have_no_deviation() -> None:
    """A constant that float64 cannot hold exactly still has standard deviation 0, where naive sums leave a residue."""
    moments = _of([0.1] * 1_000_001)
    assert (moments.mean(), moments.standard_deviation()) == (0.1, 0.0)


def test_numbers_only() -> None:
    """NaN and infinity are refused, and a mean of nothing is an error."""
    for value in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match="finite numbers only"):
            _of([1.0, value])
    with pytest.raises(ValueError, match="not defined"):
        Moments().mean()

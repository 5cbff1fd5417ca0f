"""Sums by halving: their order, and their error."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.arithmetic.reference.sums import halving_sum


def _folded(numbers: list[float]) -> float:
    """The order in plain Python: the second half added to the first, the odd one after them."""
    while len(numbers) > 1:
        half = len(numbers) // 2
        numbers = [a + b for a, b in zip(numbers[:half], numbers[half : 2 * half], strict=True)] + numbers[2 * half :]
    return numbers[0]


@given(st.lists(st.floats(-1e100, 1e100), min_size=1, max_size=70))
def test_the_second_half_is_added_to_the_first(numbers: list[float]) -> None:
    """Entry by entry, to the last bit."""
    assert float(halving_sum(np.array(numbers), axis=0)) == _folded(numbers)


@given(st.lists(st.floats(-1e10, 1e10), min_size=1, max_size=300))
def test_the_error_is_a_few_roundings(numbers: list[float]) -> None:
    """At most log2(m), rounded up, times 2^-53 of the absolute values' sum, and what squares of 2^-53 add."""
    exact, total = sum(map(Fraction, numbers)), Fraction(float(halving_sum(np.array(numbers), axis=0)))
    absolute = sum(abs(Fraction(number)) for number in numbers)
    assert abs(total - exact) <= Fraction(101, 100) * math.ceil(math.log2(len(numbers))) * absolute / 2**53


@pytest.mark.parametrize("real", [np.float64, np.float32])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_a_sum_is_the_same_in_any_layout(axis: int, real: type) -> None:
    """Whether rows or columns lie together, and with rows left out between; the array stays as it is."""
    x = np.random.default_rng(1).normal(size=(9, 7)).astype(real)
    before = x.copy()
    expected = [_folded(list(line)) for line in (x.T if axis == 0 else x)]
    for layout in (x, np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2]):
        result = halving_sum(layout, axis=axis)
        assert (result.dtype, result.tolist()) == (real, expected)
    assert np.array_equal(x, before)


def test_one_entry_is_its_own_sum_and_none_is_zero() -> None:
    """One is copied, not lent."""
    x = np.ones((3, 1))
    halving_sum(x, axis=1)[:] = 5.0
    assert x.tolist() == [[1.0]] * 3
    assert halving_sum(np.empty((0, 4), dtype=np.float32), axis=0).tolist() == [0.0] * 4

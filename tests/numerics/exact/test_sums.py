"""Exact, order-free sums against math.fsum."""

import math
from fractions import Fraction

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from pipeline.numerics.exact.sums import Grid, exact_sums

magnitudes = st.floats(min_value=-1e30, max_value=1e30, allow_nan=False, allow_subnormal=True)
adversarial = st.one_of(magnitudes, st.sampled_from([1e16, -1e16, 1.0, -1.0, 1e-16, 2.0**-60, 1e250, -1e250, 5e-324]))


def _grid(values: list[float]) -> Grid:
    return Grid(torch.tensor(math.fsum(abs(value) for value in values), dtype=torch.float64))


def _sum(values: list[float], threads: int) -> float:
    (total,) = exact_sums(
        lambda value: [torch.tensor(value, dtype=torch.float64)], values, lambda: [_grid(values)], threads
    )
    return total.item()


@given(st.lists(adversarial, min_size=1, max_size=60))
@settings(deadline=None)
def test_a_sum_is_within_the_grid_error_of_fsum(values: list[float]) -> None:
    """m partials are each rounded once, so the total is off by at most m * bound * 2**-62, and one float rounding;

    below 2**-900 the grid ends.
    """
    exact = sum(Fraction(value) for value in values)
    bound = sum(abs(Fraction(value)) for value in values) + Fraction(2) ** -900
    allowed = len(values) * bound / 2**62 + abs(exact) / 2**53
    ours = _sum(values, threads=1)
    assert abs(Fraction(ours) - exact) <= allowed
    assert abs(ours - math.fsum(values)) <= float(2 * allowed + abs(exact) / 2**52)


@given(st.lists(adversarial, min_size=1, max_size=40), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=50)
def test_order_and_threads_do_not_change_a_bit(values: list[float], random) -> None:
    """Any order of the items and any number of threads gives the same float."""
    expected = _sum(values, threads=1)
    shuffled = values.copy()
    random.shuffle(shuffled)
    assert [_sum(shuffled, threads) for threads in (1, 2, 3, 8)] == [expected] * 4


def test_plain_float64_would_depend_on_the_order() -> None:
    """The values of the test above are hard: adding them as float64 gives another result in another order."""
    values = [1e16, 1.0, -1e16, 1.0]
    assert sum(values) != sum(sorted(values))
    assert _sum(values, threads=2) == 2.0


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1.01e3])
def test_a_partial_past_the_bound_is_detected(bad: float) -> None:
    """NaN, infinity and anything past the bound raise, and never wrap into a wrong integer."""
    grid = Grid(torch.tensor([1.0, 100.0], dtype=torch.float64))
    with pytest.raises(OverflowError):
        grid.quantise(torch.tensor([0.0, bad], dtype=torch.float64))


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e300])
def test_a_bound_that_no_grid_can_hold_is_refused(bad: float) -> None:
    """A grid needs a finite bound of at most 2**900."""
    with pytest.raises(OverflowError):
        Grid(torch.tensor([1.0, bad], dtype=torch.float64))


def test_a_bound_of_zero_holds_a_sum_of_zeros() -> None:
    """A constant column of zeros has the bound 0 and the sum 0."""
    grid = Grid(torch.zeros(2, dtype=torch.float64))
    assert grid.value(grid.quantise(torch.zeros(2, dtype=torch.float64))).tolist() == [0.0, 0.0]


def test_a_sum_of_nothing_has_no_shape() -> None:
    """Without items there is nothing to add, and the error says so."""
    with pytest.raises(ValueError, match="no blocks"):
        exact_sums(lambda item: [item], [], list, threads=1)

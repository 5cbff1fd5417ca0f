"""Scales and their ticks."""

import math

from hypothesis import given
from hypothesis import strategies as st

from pipeline.report.charts.axes import scale
from pipeline.report.charts.curves import thinned
from pipeline.report.charts.shapes import px

_VALUES = st.lists(st.floats(-1e12, 1e12).filter(lambda value: value == 0 or abs(value) > 1e-9), min_size=1)


@given(_VALUES)
def test_a_scale_holds_all_values_between_few_ticks(values: list[float]) -> None:
    """Every value lies within the axis, whose ticks rise and are neither too many nor too few."""
    axis = scale(values, 0.0, 100.0)
    slack = 1e-6 * 100
    assert all(-slack <= axis(value) <= 100 + slack for value in values)
    assert 2 <= len(axis.ticks) <= 12
    assert all(before < after for before, after in zip(axis.ticks, axis.ticks[1:], strict=False))


@given(_VALUES)
def test_ticks_are_told_apart(values: list[float]) -> None:
    """No two labels are the same, unless the values differ by less than they can say."""
    axis = scale(values, 0.0, 100.0)
    if axis.high - axis.low > 1e-6 * max(abs(axis.low), abs(axis.high)):
        labels = [axis.tick_label(tick) for tick in axis.ticks]
        assert len(set(labels)) == len(labels) or axis.step < 1e-5 or axis.step >= 1e6


def test_ticks_are_round() -> None:
    """From 0 to 1.6 they are at every half."""
    axis = scale([0.0, 1.6], 0.0, 1.0)
    assert [axis.tick_label(tick) for tick in axis.ticks] == ["0", "0.5", "1.0", "1.5", "2.0"]


@given(st.floats(-1e6, 1e6))
def test_a_position_is_to_a_hundredth(value: float) -> None:
    """What is written is within half a hundredth, and has no sign of nothing."""
    written = px(value)
    assert math.isclose(float(written), value, abs_tol=0.00501)
    assert written != "-0"


def test_a_long_line_keeps_its_ends() -> None:
    """Of many points 500 remain, evenly spaced, the first and the last among them."""
    points = [(float(place), 0.0) for place in range(100_000)]
    drawn = thinned(points)
    assert len(drawn) == 500
    assert (drawn[0], drawn[-1]) == (points[0], points[-1])

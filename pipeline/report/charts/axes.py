"""Scales and their ticks: at round numbers, found without logarithms, whose last digit is the C library's."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.report.charts.shapes import Label, Line, Shape
from pipeline.report.text import MINUS

# The difference of two numbers below it is finite.
_LARGEST = 1e300


@dataclass(frozen=True)
class Scale:
    """From values ``low`` to ``high`` to positions ``start`` to ``end``; ``step`` is between ticks."""

    low: float
    high: float
    start: float
    end: float
    step: float

    def __call__(self, value: float) -> float:
        """The position of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    @property
    def ticks(self) -> list[float]:
        """Round values, multiples of the step."""
        first, last = math.ceil(self.low / self.step - 1e-9), math.floor(self.high / self.step + 1e-9)
        return [position * self.step for position in range(first, last + 1)]

    def tick_label(self, value: float) -> str:
        """A tick's value with as many digits as the step needs."""
        exponent = int(f"{self.step:e}".partition("e")[2])
        if not -5 < exponent < 6:
            return "0" if value == 0 else f"{value:.0e}".replace("-", MINUS)
        text = f"{value:,.{max(0, -exponent)}f}"
        return "0" if float(text.replace(",", "")) == 0 else text.replace("-", MINUS)


def fits(value: float | None) -> bool:
    """Whether a scale can hold a value: nothing, or a number that is neither NaN nor too large to be subtracted."""
    return value is None or abs(value) < _LARGEST


def scale(values: Iterable[float], start: float, end: float, ticks: int = 5) -> Scale:
    """A scale that holds all values and begins and ends at ticks; of values that fit, or none."""
    known = list(values) or [0.0, 1.0]
    low, high = min(known), max(known)
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        padding = abs(high) / 2 or 0.5
        low, high = low - padding, high + padding
    step = _round_step((high - low) / ticks)
    return Scale(math.floor(low / step) * step, math.ceil(high / step) * step, start, end, step)


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below ``least``."""
    digits, _, exponent = f"{least:e}".partition("e")
    factor = next((factor for factor in (1, 2, 5) if float(digits) <= factor), 10)
    return float(f"{factor}e{exponent}")


def frame(x: Scale, y: Scale, x_label: str, y_label: str) -> list[Shape]:
    """Grid lines, ticks and labels of both axes; the labels of the axes stand at their ends."""
    shapes: list[Shape] = []
    for tick in y.ticks:
        shapes.append(Line([(x.start, y(tick)), (x.end, y(tick))], "grid"))
        shapes.append(Label(x.start - 8, y(tick), y.tick_label(tick), "end"))
    for tick in x.ticks:
        shapes.append(Line([(x(tick), y.start), (x(tick), y.start + 5)], "axis"))
        shapes.append(Label(x(tick), y.start + 17, x.tick_label(tick)))
    shapes.append(Line([(x.start, y.start), (x.end, y.start)], "axis"))
    shapes.append(Label(x.end, y.start + 38, x_label, "end", "axis-label"))
    shapes.append(Label(x.start - 8, y.end - 18, y_label, "start", "axis-label"))
    return shapes

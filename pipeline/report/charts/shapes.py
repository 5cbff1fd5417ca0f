"""The shapes that a chart consists of. A style is a CSS class of the page: it says colour, width and dashes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

Point = tuple[float, float]

# Of the styles of series, in order: each has a colour, a dash and a mark of its own, so that grey tells them apart.
SERIES = ("series-1", "series-2", "series-3")


@dataclass(frozen=True)
class Line:
    """A line through points."""

    kind: ClassVar[str] = "line"
    points: Sequence[Point]
    style: str


@dataclass(frozen=True)
class Dot:
    """A round mark."""

    kind: ClassVar[str] = "dot"
    x: float
    y: float
    style: str


@dataclass(frozen=True)
class Bar:
    """A rectangle."""

    kind: ClassVar[str] = "bar"
    x: float
    y: float
    width: float
    height: float
    style: str


@dataclass(frozen=True)
class Label:
    """A text; ``y`` is its middle. ``title`` is the longer form of a short name."""

    kind: ClassVar[str] = "label"
    x: float
    y: float
    text: str
    anchor: str = "middle"
    style: str = "tick"
    title: str = ""
    is_upright: bool = True


Shape = Line | Dot | Bar | Label


@dataclass
class Chart:
    """A drawing with a name and, for whoever cannot see it, a description of what it shows."""

    title: str
    description: str
    width: float
    height: float
    shapes: list[Shape] = field(default_factory=list)


def px(value: float) -> str:
    """A position as SVG has it, to 0.01."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text

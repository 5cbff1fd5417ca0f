"""Lines over an axis, and points with whiskers against a diagonal."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.report.charts.axes import Scale, frame, scale
from pipeline.report.charts.shapes import SERIES, Chart, Dot, Label, Line, Point

_WIDTH, _HEIGHT = 640.0, 320.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 96.0, 40.0, 52.0

# A line of more points than pixels shows no more.
_MOST_POINTS = 500


@dataclass(frozen=True)
class Series:
    """A line and its name."""

    name: str
    points: Sequence[Point]


def line_chart(
    title: str, description: str, labels: tuple[str, str], series: Sequence[Series], *, has_legend: bool = False
) -> Chart:
    """Lines with their names at their ends, or in a legend at the upper left; ``labels`` are of the axes."""
    points = [point for each in series for point in each.points]
    x = scale([point[0] for point in points], _LEFT, _WIDTH - _RIGHT, ticks=6)
    y = scale([0.0, *(point[1] for point in points)], _HEIGHT - _BOTTOM, _TOP)
    chart = Chart(title, description, _WIDTH, _HEIGHT, frame(x, y, *labels))
    last = -1e9
    for each, style in zip(series, SERIES, strict=False):
        drawn = [(x(a), y(b)) for a, b in thinned(each.points)]
        chart.shapes.append(Line(drawn, style))
        if has_legend:
            continue
        end = drawn[-1]
        place = end[1] if abs(end[1] - last) >= 14 else last + 14
        chart.shapes.append(Label(end[0] + 8, place, each.name, "start", "name"))
        last = place
    if has_legend:
        for row, (each, style) in enumerate(zip(series, SERIES, strict=False)):
            left, height = _LEFT + 12, _TOP + 14 + 18 * row
            chart.shapes.append(Line([(left, height), (left + 28, height)], style))
            chart.shapes.append(Label(left + 36, height, each.name, "start", "name"))
    return chart


def thinned(points: Sequence[Point], most: int = _MOST_POINTS) -> list[Point]:
    """At most ``most`` of the points, evenly spaced, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    last = len(points) - 1
    return [points[position * last // (most - 1)] for position in range(most)]


@dataclass(frozen=True)
class Measured:
    """A point with the interval of its second number, where there is one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


def reliability_chart(title: str, description: str, labels: tuple[str, str], points: Sequence[Measured]) -> Chart:
    """Shares against probabilities, both from 0 to 1, with the diagonal on which they are equal."""
    side = 300.0
    x = Scale(0.0, 1.0, _LEFT, _LEFT + side, 0.2)
    y = Scale(0.0, 1.0, _TOP + side, _TOP, 0.2)
    chart = Chart(title, description, _LEFT + side + 24, _TOP + side + _BOTTOM, frame(x, y, *labels))
    chart.shapes.append(Line([(x(0.0), y(0.0)), (x(1.0), y(1.0))], "reference"))
    for point in points:
        at = x(point.x)
        if point.low is not None and point.high is not None:
            chart.shapes.append(Line([(at, y(point.low)), (at, y(point.high))], "whisker"))
            for end in (point.low, point.high):
                chart.shapes.append(Line([(at - 4, y(end)), (at + 4, y(end))], "whisker"))
        chart.shapes.append(Dot(at, y(point.y), "mark"))
    return chart

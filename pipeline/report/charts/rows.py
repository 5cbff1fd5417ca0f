"""Charts of named rows: bars from zero, and estimates with their intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.report.charts.axes import Scale, scale
from pipeline.report.charts.shapes import Bar, Chart, Dot, Label, Line
from pipeline.report.text import name

_WIDTH, _RIGHT, _ROW = 640.0, 70.0, 22.0
_TOP, _BOTTOM = 8.0, 52.0
_NAME_CHARACTERS = 34
# Wide letters of 12 pixels take as much; a name of narrow ones leaves some room.
_CHARACTER = 7.2


@dataclass(frozen=True)
class NamedRow:
    """A row: its name, its value as drawn and as written, and the bounds of an interval."""

    name: str
    value: float
    text: str = ""
    low: float | None = None
    high: float | None = None


def bar_chart(title: str, description: str, label: str, rows: Sequence[NamedRow]) -> Chart:
    """A bar a row, with its value at its end."""
    chart, x = _rows_chart(title, description, label, rows)
    for place, row in enumerate(rows):
        middle, (left, right) = _middle(place), sorted((x(0.0), x(row.value)))
        chart.shapes.append(Bar(left, middle - 6, right - left, 12, "bar"))
        chart.shapes.append(Label(right + 6, middle, row.text, "start", "value"))
    return chart


def interval_chart(title: str, description: str, label: str, rows: Sequence[NamedRow]) -> Chart:
    """A point and a whisker a row, with a line at 0."""
    chart, x = _rows_chart(title, description, label, rows)
    for place, row in enumerate(rows):
        middle = _middle(place)
        if row.low is not None and row.high is not None:
            chart.shapes.append(Line([(x(row.low), middle), (x(row.high), middle)], "whisker"))
            for end in (row.low, row.high):
                chart.shapes.append(Line([(x(end), middle - 4), (x(end), middle + 4)], "whisker"))
        chart.shapes.append(Dot(x(row.value), middle, "mark"))
    return chart


def _middle(place: int) -> float:
    return _TOP + (place + 0.5) * _ROW


def _rows_chart(title: str, description: str, label: str, rows: Sequence[NamedRow]) -> tuple[Chart, Scale]:
    """The axis below the rows, their names beside them, and the line at 0."""
    values = [bound for row in rows for bound in (row.value, row.low, row.high) if bound is not None]
    names = [name(row.name, _NAME_CHARACTERS) for row in rows]
    left = 16 + _CHARACTER * max(len(each.text) for each in names)
    x = scale([0.0, *values], left, _WIDTH - _RIGHT)
    foot = _TOP + len(rows) * _ROW + 4
    chart = Chart(title, description, _WIDTH, foot + _BOTTOM)
    for tick in x.ticks:
        chart.shapes.append(Line([(x(tick), _TOP), (x(tick), foot)], "grid"))
        chart.shapes.append(Label(x(tick), foot + 14, x.tick_label(tick)))
    chart.shapes.append(Line([(x(0.0), _TOP), (x(0.0), foot)], "axis"))
    chart.shapes.append(Label(x.end, foot + 36, label, "end", "axis-label"))
    for place, short in enumerate(names):
        chart.shapes.append(Label(left - 10, _middle(place), short.text, "end", "name", short.title))
    return chart, x

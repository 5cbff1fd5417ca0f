"""Numbers of each class and column of W as tables that fit a screen: long names cut, of many lines the largest.

k is the number of classes, c the number of columns.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.table import Table

from pipeline import screen
from pipeline.errors import on_one_line

# What a person reads at once.
_MOST_LINES = 20

_WIDEST_NAME = 24
_NARROWEST_SCREEN = 60
_GAP = 2

# From here on the exponent tells more than the digits do.
_LARGE = 1e5


def _width() -> int:
    return max(_NARROWEST_SCREEN, screen.width())


def console() -> Console:
    """Standard output; names of people's tables are printed as they are, never as markup or emoji."""
    return Console(width=_width(), highlight=False, markup=False, emoji=False)


def number(value: float, digits: int) -> str:
    """A number with so many digits after the point, without a sign where all of them are 0."""
    return f"{value:z.{digits}f}" if abs(value) < _LARGE else f"{value:.{digits}e}"


def name(text: str) -> str:
    """A name in the width of a column: of a longer one beginning and end; what moves the cursor is escaped."""
    ends = text if len(text) <= 2 * _WIDEST_NAME else text[:_WIDEST_NAME] + text[-_WIDEST_NAME:]
    line = on_one_line(ends)
    # Characters count beside the cells that they fill: any number of accents fits one cell.
    if max(len(line), cell_len(line)) <= _WIDEST_NAME:
        return line
    half = (_WIDEST_NAME - len("...")) // 2
    return f"{chop_cells(line, half)[0][:half]}...{chop_cells(line[::-1], half)[0][:half][::-1]}"


def plain_table(headings: Sequence[str]) -> Table:
    """A table whose first column holds names and whose others hold numbers."""
    table = Table(box=box.HORIZONTALS, show_edge=False, pad_edge=False, padding=(0, 0, 0, _GAP - 1))
    for position, heading in enumerate(headings):
        table.add_column(heading, justify="right" if position else "left", no_wrap=True)
    return table


@dataclass(frozen=True)
class ClassTables:
    """Tables of the same classes and columns, one after another: a line a class, or a line a column.

    ``classes`` and ``columns`` hold, in order, the indices of those that are shown and their printed names.
    """

    classes: Mapping[int, str]
    columns: Mapping[int, str]
    line_a_class: bool
    digits: int
    class_count: int
    column_count: int

    def omissions(self, columns: str, classes: str) -> Iterator[str]:
        """A sentence on what is not shown; the words say which columns and classes were chosen."""
        counts = (
            (len(self.columns), self.column_count, f"columns, {columns}"),
            (len(self.classes), self.class_count, f"classes, {classes}"),
        )
        parts = [f"{part:,} of {count:,} {which}" for part, count, which in counts if part < count]
        if parts:
            yield f"Shown: {'; '.join(parts)}."

    def table(self, values: NDArray[np.float64], further: Mapping[str, NDArray[np.float64]]) -> Table:
        """The shown part of ``values`` (k, c), and ``further`` columns (k,) by their names."""
        places = list(self.classes)
        cells = np.column_stack(
            [values[np.ix_(places, list(self.columns))], *(column[places] for column in further.values())]
        )
        classes, columns = [*self.classes.values()], [*self.columns.values(), *further]
        if self.line_a_class:
            return self._table("class", columns, classes, cells)
        return self._table("column", classes, columns, cells.T)

    def _table(self, first: str, headings: list[str], names: list[str], cells: NDArray[np.float64]) -> Table:
        table = plain_table([first, *headings])
        for line, numbers in zip(names, cells, strict=True):
            table.add_row(line, *(number(value, self.digits) for value in numbers))
        return table


def choose(
    classes: Sequence[str],
    columns: Sequence[str],
    further: Iterable[str],
    class_sizes: NDArray[np.float64],
    column_sizes: NDArray[np.float64],
    largest: float,
    digits: int,
) -> ClassTables:
    """Tables of all classes and columns where they fit the screen, else of those of largest size, in their order.

    Shapes: class_sizes (k,), column_sizes (c,). ``further`` are the columns that each table may add; ``largest`` is the
    size of the largest number of any table.
    """
    width = max(len(number(-size, digits)) for size in (largest, min(largest, _LARGE - 1)))

    def widths(names: Iterable[str]) -> list[int]:
        return [max(width, cell_len(heading)) + _GAP for heading in names]

    if len(classes) <= _MOST_LINES:
        tables = ClassTables(_named(classes), _named(columns), True, digits, len(classes), len(columns))
        name_width = _widest(["class", *tables.classes.values()])
        if name_width + sum(widths([*tables.columns.values(), *further])) <= _width():
            return tables
    column_names = _named(columns, _largest(column_sizes, _MOST_LINES))
    room = _width() - _widest(["column", *column_names.values(), *further])
    # No more than these fit, since each takes a digit and a gap.
    candidates = _largest(class_sizes, room // (1 + _GAP), in_order=False)
    ends = np.cumsum(widths(_named(classes, candidates).values()))
    count = max(1, int(np.searchsorted(ends, room, side="right")))
    return ClassTables(
        _named(classes, sorted(candidates[:count])), column_names, False, digits, len(classes), len(columns)
    )


def _named(names: Sequence[str], places: Iterable[int] | None = None) -> dict[int, str]:
    return {place: name(names[place]) for place in (range(len(names)) if places is None else places)}


def _largest(sizes: NDArray[np.float64], most: int, in_order: bool = True) -> list[int]:
    """Indices of the largest, at most ``most``: in their order, else the largest first."""
    places: list[int] = np.argsort(-sizes, kind="stable")[:most].tolist()
    return sorted(places) if in_order else places


def _widest(names: Iterable[str]) -> int:
    return max(map(cell_len, names))

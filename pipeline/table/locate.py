"""Locate rows and cells of a CSV file for error messages: row numbers, line numbers and cells as typed.

Only called when something is already known to be wrong, so it reads the file again with Python's csv module, slower
than the reader of the data but knowing its lines.
"""

import codecs
import csv
import io
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType

import numpy as np

from pipeline.errors import shortened
from pipeline.table import row_chunks, sources, spellings
from pipeline.table.sources import File, TableSource

_DECIMAL = re.compile(spellings.DECIMAL)
_INFINITE = re.compile(r"[ \t]*[+-]?inf(inity)?[ \t]*", re.IGNORECASE)

# Numbers are stored as float32; what lies beyond it would become infinite.
LARGEST = float(np.finfo(np.float32).max)

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class CsvRow:
    """One row of a file: its 1-based ``line`` (the first, if quoted text goes over several) and its cells."""

    file: File
    line: int
    cells: list[str]


# What cells of further columns must be, so that the row counts.
Others = Mapping[str, Callable[[str], bool]]
NO_OTHERS: Others = MappingProxyType({})


class _Lines:
    """The lines of a file, as long as no row of them is longer than the reader of the data takes.

    ``line`` is that of the row's beginning, 1-based; the reader of the rows sets it.
    """

    def __init__(self, name: File, file: io.TextIOWrapper) -> None:
        self.line = 1
        self._name = name
        self._file = file
        self._room = row_chunks.LONGEST_ROW_BYTES

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._file.readline(self._room + 1)
        self._room -= len(line)
        if self._room < 0:
            raise row_chunks.too_long(self._name, self.line)
        if not line:
            raise StopIteration
        return line

    def end_row(self) -> None:
        """The next row begins; blank lines before it count as its own, or they could go on for ever."""
        self._room = row_chunks.LONGEST_ROW_BYTES


def records(source: TableSource) -> Iterator[CsvRow]:
    """The first file's header and then its rows; blank lines are not rows. Bytes not in UTF-8 become surrogates."""
    csv.field_size_limit(sys.maxsize)
    first = sources.files_of(source)[0]
    with (
        first.open() as raw,
        io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="") as file,
    ):
        lines = _Lines(first, file)
        reader = csv.reader(lines, delimiter=first.separator)
        for cells in reader:
            if cells:
                yield CsvRow(first, lines.line, cells)
                lines.end_row()
            lines.line = reader.line_num + 1


def find(source: TableSource, matches: Callable[[CsvRow], bool]) -> Iterator[CsvRow]:
    """The data rows for which ``matches`` holds."""
    rows = (record for file in sources.files_of(source) for record in islice(records(file), 1, None))
    return filter(matches, rows)


def _find_in(
    source: TableSource, column: str, matches: Callable[[str], bool], others: Others
) -> Iterator[tuple[CsvRow, str]]:
    """The rows whose cell of ``column`` matches, with that cell; each file has an order of columns of its own."""
    for file in sources.files_of(source):
        rows = records(file)
        names = next(rows).cells
        position = names.index(column)
        tests = [*((names.index(name), test) for name, test in others.items()), (position, matches)]
        for row in rows:
            if all(place < len(row.cells) and test(row.cells[place]) for place, test in tests):
                yield row, row.cells[position]


def find_cell(
    source: TableSource, column: str, matches: Callable[[str], bool], others: Others = NO_OTHERS
) -> tuple[str, str]:
    """The first cell of ``column`` for which ``matches`` holds: its place, for a message, and its text.

    Only rows count where what ``others`` ask of further columns holds too. Without such a cell the place is the file
    and the column, and the text is empty.
    """
    for row, cell in _find_in(source, column, matches, others):
        return f"{row.file}, line {row.line}, column {shortened(column)}", cell
    return f"{source}, column {shortened(column)}", ""


def lines_without_value(
    source: TableSource, column: str, missing_values: Collection[str], limit: int, others: Others = NO_OTHERS
) -> list[int]:
    """Lines of the first rows that have no value in ``column``, and of which what ``others`` ask holds."""
    rows = _find_in(source, column, lambda cell: cell in missing_values, others)
    return [row.line for row, _ in islice(rows, limit)]


def is_number(text: str) -> bool:
    """Whether the text is a decimal number, of any size; the words for infinity and not-a-number are texts."""
    return _DECIMAL.fullmatch(text) is not None


def is_infinite(text: str) -> bool:
    """Whether the text is a word for infinity, as number columns spell it."""
    return _INFINITE.fullmatch(text) is not None


def fault_of(text: str) -> str | None:
    """The value that a number column expects instead of ``text``, or None if it is a number that can be used."""
    if is_infinite(text):
        return "a finite number"
    if not is_number(text):
        return "a number"
    return fault_of_size(float(text))


def fault_of_size(number: float) -> str | None:
    """The value that a number column expects instead of a number that float32 cannot hold; None for one that it can."""
    return None if abs(number) <= LARGEST else f"a number between -{LARGEST:.3g} and {LARGEST:.3g}"


def first_invalid_byte(source: TableSource) -> tuple[int, int, int] | None:
    """The first byte that is not UTF-8 as (line, 1-based byte of the file, value); None if all are."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, before = 1, 0
    with sources.files_of(source)[0].open() as file:
        while True:
            block = file.read(_BLOCK_BYTES)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                line += error.object[: error.start].count(b"\n")
                return line, before - pending + error.start + 1, error.object[error.start]
            if not block:
                return None
            line += block.count(b"\n")
            before += len(block)

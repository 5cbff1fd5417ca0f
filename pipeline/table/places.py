"""Where in a CSV file something stands, for error messages: row numbers, line numbers and cells as typed.

Only called when something is already known to be wrong, so it reads the file again with Python's csv module, slower
than the reader of the data but knowing its lines.
"""

import codecs
import csv
import re
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

_DECIMAL = re.compile(r"[ \t]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t]*")
_INFINITE = re.compile(r"[ \t]*[+-]?inf(inity)?[ \t]*", re.IGNORECASE)

# Numbers are stored as float32; what lies beyond it would become infinite.
LARGEST = float(np.finfo(np.float32).max)

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Record:
    """One row of the file: its 1-based ``line`` (the first, if quoted text goes over several) and its cells."""

    line: int
    cells: list[str]


def records(source: Path) -> Iterator[Record]:
    """The header and then the data rows; blank lines are not rows. Bytes that are not UTF-8 come as lone surrogates."""
    csv.field_size_limit(sys.maxsize)
    with source.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file)
        line = 1
        for cells in reader:
            if cells:
                yield Record(line, cells)
            line = reader.line_num + 1


def find(source: Path, matches: Callable[[Record], bool], limit: int = 1) -> list[Record]:
    """The first data rows for which ``matches`` holds, at most ``limit``."""
    return list(islice(filter(matches, islice(records(source), 1, None)), limit))


def find_cell(source: Path, column: str, matches: Callable[[str], bool]) -> tuple[str, str]:
    """The first cell of ``column`` for which ``matches`` holds: its place, for a message, and its text.

    Without one the place is the file and the column, and the text is empty.
    """
    position = next(records(source)).cells.index(column)
    for found in find(source, lambda record: position < len(record.cells) and matches(record.cells[position])):
        return f"{source}, line {found.line}, column {column}", found.cells[position]
    return f"{source}, column {column}", ""


def lines_without_value(source: Path, column: str, missing_values: Collection[str], limit: int) -> list[int]:
    """Lines of the first rows that have no value in ``column``."""
    position = next(records(source)).cells.index(column)
    found = find(source, lambda record: record.cells[position] in missing_values, limit)
    return [record.line for record in found]


def is_number(text: str) -> bool:
    """Whether the text is a decimal number, of any size; the words for infinity and not-a-number are texts."""
    return _DECIMAL.fullmatch(text) is not None


def is_infinite(text: str) -> bool:
    """Whether the text is a word for infinity, as number columns spell it."""
    return _INFINITE.fullmatch(text) is not None


def fault_of(text: str) -> str | None:
    """What a number column expects instead of ``text``, or None if it is a number that can be used."""
    if is_infinite(text):
        return "a finite number"
    if not is_number(text):
        return "a number"
    return None if abs(float(text)) <= LARGEST else f"a number between -{LARGEST:.3g} and {LARGEST:.3g}"


def first_invalid_byte(source: Path) -> tuple[int, int, int] | None:
    """The first byte that is not UTF-8 as (line, 1-based byte of the file, value); None if all are."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    line, before = 1, 0
    with source.open("rb") as file:
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

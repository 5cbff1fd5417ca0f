"""Bytes of a CSV file -> pieces of whole rows, which threads can parse independently of each other.

A newline inside a quoted cell ends no row, so a cut needs to know which quotes open a cell: those at its beginning.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError

# A million columns take less. What is longer is no table, or a quote was left open, and would fill the memory.
LONGEST_ROW_BYTES = 1 << 24

_MARK = b"\xef\xbb\xbf"
_QUOTE, _LINE_FEED, _RETURN = b'"\n\r'


class OpenQuoteError(Exception):
    """The last row, which begins on ``line``, opens a quote that nothing closes, so where its cells end is unknown."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def too_long(name: object, line: int) -> UserError:
    """The error for a row that begins on this line and does not end within LONGEST_ROW_BYTES."""
    return UserError(f"{name}, line {line}: a row is longer than {LONGEST_ROW_BYTES:,} bytes; is a quote left open?")


def cut(file: BinaryIO, name: str, separator: str, size: int) -> Iterator[memoryview]:
    """Pieces of about ``size`` bytes, each of whole rows; a row longer than that makes a longer piece.

    The byte order mark and blank lines before the header are left out; the last piece ends in a line ending.
    Raises: UserError for a row longer than LONGEST_ROW_BYTES; OpenQuoteError.
    """
    waiting, begun, line = b"", False, 1
    while block := file.read(max(size, len(waiting))):
        waiting += block
        if not begun and len(waiting) >= len(_MARK):
            line += _line_ends(waiting[: _before_header(waiting)])
            waiting = waiting[_before_header(waiting) :]
            begun = bool(waiting)
        end = _end_of_rows(waiting, separator) if begun else 0
        if end:
            yield memoryview(waiting)[:end]
            line += _line_ends(waiting[:end])
            waiting = waiting[end:]
        elif len(waiting) >= LONGEST_ROW_BYTES:
            raise too_long(name, line)
    waiting = waiting if begun else waiting[_before_header(waiting) :]
    if waiting:
        yield memoryview(_ended(waiting, separator, line))


def _ended(rows: bytes, separator: str, line: int) -> bytes:
    """The last rows of a file, with the line ending that Arrow needs behind a header without rows."""
    for ended in (rows, rows + b"\n"):
        if _end_of_rows(ended, separator) == len(ended):
            return ended
    raise OpenQuoteError(line + _line_ends(rows[: _end_of_rows(rows, separator)]))


def _line_ends(data: bytes) -> int:
    return data.count(b"\n") or data.count(b"\r")


def _before_header(data: bytes) -> int:
    """Bytes of the byte order mark and the blank lines before the header."""
    return len(data) - len(data.removeprefix(_MARK).lstrip(b"\r\n"))


def _end_of_rows(data: bytes, separator: str) -> int:
    """The end of the last whole row of ``data``, 0 if there is none; ``data`` begins with a row."""
    if b'"' not in data:
        return _end_of_lines(data)
    array = np.frombuffer(data, dtype=np.uint8)
    quotes = np.flatnonzero(array == _QUOTE)
    if not _opens_cells(array, quotes, separator):
        return _end_of_lines(_quoted(separator).sub(lambda cell: b"q" * len(cell[0]), data))
    end = _end_of_lines(data)
    return end if np.searchsorted(quotes, end) % 2 == 0 else _last_unquoted(array, quotes)


def _last_unquoted(data: NDArray[np.uint8], quotes: NDArray[np.int64]) -> int:
    """The end of the last line that has an even number of quotes before it, 0 if there is none."""
    for lines in (data == _LINE_FEED, data[:-1] == _RETURN):
        ends = np.flatnonzero(lines) + 1
        unquoted = ends[np.searchsorted(quotes, ends) % 2 == 0]
        if unquoted.size:
            return int(unquoted[-1])
    return 0


def _end_of_lines(data: bytes) -> int:
    """The end of the last line; a CR as the last byte may be half of a line ending, so it is none yet."""
    return data.rfind(b"\n") + 1 or data.rfind(b"\r", 0, max(len(data) - 1, 0)) + 1


def _opens_cells(data: NDArray[np.uint8], quotes: NDArray[np.int64], separator: str) -> bool:
    """Whether every second quote, from the first on, begins a cell or follows the quote before as its escape.

    Then the quotes before a byte tell by their number whether it is quoted, without looking at the cells between.
    """
    opening = quotes[::2]
    before = data[opening - 1]
    begins = (before == ord(separator)) | (before == ord("\n")) | (before == ord("\r")) | (opening == 0)
    escapes = np.diff(quotes, prepend=-2)[::2] == 1
    return bool(np.all(begins | escapes))


@cache
def _quoted(separator: str) -> re.Pattern[bytes]:
    """A quoted cell, possibly cut off; other quotes are text. Source: RFC 4180, section 2, rules 5 to 7."""
    return re.compile(rb"(?:(?<=[\r\n" + re.escape(separator.encode()) + rb'])|\A)"(?:[^"]++|"")*+"?')

"""CSV in: a stream of typed columns, chunk by chunk, never the whole table; knows no model.

A column's kind is given, and holds for the whole file; `pipeline.table.kinds` finds kinds out. Rows and values do not
depend on the size of the chunks or the number of threads. UTF-8 with or without byte order mark, any line ending,
quoted commas and newlines; blank lines are not rows.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow as pa

from pipeline.errors import UserError
from pipeline.table import faults, parsing, pieces, places, threads
from pipeline.table.columns import Chunk, Kind

Result = TypeVar("Result")


@dataclass(frozen=True)
class Pace:
    """How a table is read, which no result depends on: bytes of the file a chunk, and threads."""

    chunk_bytes: int = 1 << 22
    threads: int = field(default_factory=threads.available)


# Chunks large enough that per-chunk costs vanish, small enough to stay in the cache.
PACE = Pace()


@dataclass(frozen=True)
class Reading:
    """What is read of a table: ``kinds`` of the columns wanted, in order, and the texts that mean no value."""

    kinds: Mapping[str, Kind]
    missing_values: Sequence[str]
    pace: Pace = PACE


@dataclass(frozen=True)
class Seen(Generic[Result]):
    """A chunk and what the work on it gave."""

    chunk: Chunk
    result: Result


def header(source: Path) -> list[str]:
    """Column names of a CSV file, in order.

    Raises: UserError if there is no such file, it is empty, its header is not UTF-8 or names a column twice.
    """
    try:
        first = next(places.records(source), None)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError) as error:
        raise UserError(f"{source}: expected a CSV file: {(error.strerror or 'cannot be read').lower()}") from None
    if first is None:
        raise UserError(f"{source}: the file is empty; expected a header line with column names, then rows")
    names = first.cells
    if any("\udc80" <= character <= "\udcff" for name in names for character in name):
        raise faults.not_utf8(source)
    twice = [name for position, name in enumerate(names) if name in names[:position]]
    if twice:
        raise UserError(f"{source}, line {first.line}: two columns are named {twice[0]!r}; rename one in the header")
    return names


def mapped(source: Path, reading: Reading, work: Callable[[Chunk], Result]) -> Iterator[Seen[Result]]:
    """``work`` on every chunk, on threads; chunks come in order, and only then know their first row.

    A cell that equals one of the reading's missing values, quoted or not, is no value.
    Raises: WrongKindError for a value that its column's kind cannot hold; UserError for a file that is not proper CSV.
    """
    names = header(source)

    def worked(piece: tuple[memoryview, int]) -> tuple[Chunk, Result | UserError]:
        types = {name: parsing.TYPES[kind] for name, kind in reading.kinds.items()}
        rows, skip = piece
        table = parsing.parse(rows, names, list(reading.kinds), types, reading.missing_values, skip=skip)
        chunk = parsing.chunk_of(table, reading.kinds, first_row=1)
        try:
            return chunk, work(chunk)
        except UserError as error:
            return chunk, error

    first_row = 1
    try:
        for chunk, result in threads.in_order(worked, _pieces(source, reading.pace.chunk_bytes), reading.pace.threads):
            placed = replace(chunk, first_row=first_row)
            if isinstance(result, UserError):
                # Once more, now that the rows have their numbers, which the message may tell.
                result = work(placed)
            first_row += placed.rows
            if placed.rows:
                yield Seen(placed, result)
    except pa.ArrowInvalid as error:
        raise faults.told(source, str(error)) from None


def _pieces(source: Path, size: int) -> Iterator[tuple[memoryview, int]]:
    """The file's pieces, and how many rows at the beginning of each are header."""
    with source.open("rb", buffering=0) as file:
        for number, piece in enumerate(pieces.cut(file, str(source), ",", size)):
            yield piece, 1 if number == 0 else 0


def read(source: Path, kinds: Mapping[str, Kind], missing_values: Sequence[str], pace: Pace = PACE) -> Iterator[Chunk]:
    """The chunks of a table whose columns' kinds are settled; the errors are those of ``mapped_settled``."""
    for seen in mapped_settled(source, Reading(kinds, missing_values, pace), lambda _: None):
        yield seen.chunk


def mapped_settled(source: Path, reading: Reading, work: Callable[[Chunk], Result]) -> Iterator[Seen[Result]]:
    """Like ``mapped``, for columns whose kinds are settled: a value that does not fit is the user's error.

    Raises: UserError that names missing columns, or line and column of a value that does not fit.
    """
    require_columns(source, list(reading.kinds))
    try:
        yield from mapped(source, reading, work)
    except parsing.WrongKindError as wrong:
        raise faults.misfit(source, wrong.column, reading.kinds[wrong.column], reading.missing_values) from None


def require_columns(source: Path, columns: Sequence[str]) -> list[str]:
    """The file's column names, which must include ``columns``; their order and further columns do not matter."""
    names = header(source)
    absent = [name for name in columns if name not in names]
    if absent:
        listed = ", ".join(absent)
        raise UserError(f"{source}: missing {faults.plural(absent)} {listed}{faults.closest(absent[0], names)}")
    return names


def guess(source: Path, columns: Sequence[str], missing_values: Sequence[str], size: int) -> Any:
    """Arrow's schema of ``columns`` as the first ``size`` bytes suggest it; None if they cannot be read."""
    names = header(source)
    for rows, skip in _pieces(source, size):
        try:
            return parsing.parse(rows, names, columns, {}, missing_values, skip=skip).schema
        except pa.ArrowInvalid:
            return None
    return None

"""CSV in: a stream of typed columns, chunk by chunk, never the whole table; knows no model.

A column's type is given, and holds for the whole file; `type_inference` learns it. Rows and values do not depend on
the size of the chunks or the number of threads. UTF-8 with or without byte order mark, any line ending, quoted commas
and newlines; blank lines are not rows.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from pipeline.dataset.columns import Chunk, ColumnType, is_number
from pipeline.errors import UserError
from pipeline.parallel import threads
from pipeline.table import (
    arrow_columns,
    cached_file,
    header,
    padding,
    parsing,
    read_errors,
    row_chunks,
    sources,
    spellings,
)
from pipeline.table.arrow_file import ArrowFile
from pipeline.table.parse_cache import CacheWriter, ParseCache
from pipeline.table.sources import File, TableSource

Result = TypeVar("Result")


@dataclass(frozen=True)
class ReadOptions:
    """Read options that never change a result: chunk size, threads, cache, progress.

    ``chunk_bytes`` are the file's. A chunk of more than COLUMNS columns is larger in proportion, so that it holds
    some rows: each column of each chunk costs a little whatever it holds. ``cache``: columns that were parsed before.
    ``watch`` gets the rows read so far, and the bytes of the source.
    """

    chunk_bytes: int = 1 << 22
    threads: int = field(default_factory=threads.reading_thread_count)
    cache: ParseCache | None = None
    watch: Callable[[int, int], None] = lambda *_: None


# Chunks large enough that per-chunk costs vanish, small enough to stay in the cache.
DEFAULTS = ReadOptions()

# With DEFAULTS half a kilobyte a column and chunk, some 60 numbers.
COLUMNS = 1 << 13

# Of a table in memory, whose values take no parsing.
ROWS = 1 << 16

# Of a table in memory, whose cells are written to be guessed from.
_GUESSED_ROWS = 1_000


@dataclass(frozen=True)
class Reading:
    """A request to read: ``types`` of the columns, in order, and the texts that mean no value.

    Where types are ``settled``, nobody asks which columns hold padded numbers. ``kept`` columns come as they stand in
    the file, too, whatever their types; no cache knows them.
    """

    types: Mapping[str, ColumnType]
    missing_values: Sequence[str]
    options: ReadOptions = DEFAULTS
    settled: bool = False
    kept: Sequence[str] = ()


def mapped(source: TableSource, reading: Reading, work: Callable[[Chunk], Result]) -> Iterator[tuple[Chunk, Result]]:
    """``work`` on every chunk, on threads; chunks come in order, and only then know their first row.

    A cell that equals one of the reading's missing values, quoted or not, is no value.
    Raises: WrongTypeError for a value that its column's type cannot hold; UserError for a file that is not proper CSV.
    """

    def worked(piece: "_AnyPiece") -> tuple[Chunk, Result | UserError, int]:
        try:
            table = piece.parse(reading)
        except pa.ArrowInvalid as error:
            fault = read_errors.from_arrow(piece.file, str(error))
            if isinstance(fault, parsing.WrongTypeError):
                fault.rows = piece.guessed(list(reading.types), reading.missing_values)
            raise fault from None
        chunk = parsing.chunk_of(table, reading.types, first_row=1)
        chunk = replace(chunk, padded=padding.padded(table, reading.types), kept=piece.texts(reading.kept))
        try:
            return chunk, work(chunk), piece.position
        except UserError as error:
            return chunk, error, piece.position

    first_row = 1
    fresh: list[CacheWriter] = []
    pieces = _all_pieces(source, reading, fresh)
    for chunk, result, position in threads.in_order(worked, pieces, reading.options.threads):
        placed = replace(chunk, first_row=first_row)
        if isinstance(result, UserError):
            # Once more, now that the rows have their numbers, which the message may tell.
            result = work(placed)
        first_row += placed.rows
        reading.options.watch(first_row - 1, position)
        if placed.rows:
            yield placed, result
    if reading.options.cache is not None:
        for entry in fresh:
            reading.options.cache.finish(entry)


@dataclass(frozen=True)
class _Piece:
    """Whole rows of a file whose columns are ``names``; piece 0 begins with the header.

    ``position``: bytes of the source up to here. ``fresh`` keeps what is parsed, as its piece ``number``. A ``typed``
    file knows its numbers, which come in the plain spelling, however other files write them; of other files padded
    numbers are noted if ``notes_padding``.
    """

    file: File
    names: Sequence[str]
    rows: memoryview
    number: int
    position: int
    fresh: CacheWriter | None
    typed: bool
    notes_padding: bool

    def parse(self, reading: Reading) -> Any:
        types, missing_values = reading.types, reading.missing_values
        if self.typed:
            types = {name: _spelled_plainly(column_type) for name, column_type in types.items()}
        table = self._parsed(list(types), types, missing_values)
        if self.notes_padding and not self.typed:
            numbers = [name for name, column_type in types.items() if is_number(column_type)]

            def as_texts(columns: Sequence[str]) -> Any:
                return self._parsed(columns, dict.fromkeys(columns, "text"), missing_values)

            table = padding.noted(table, numbers, self.rows, self.file.separator, as_texts)
        if self.fresh is not None:
            self.fresh.add(self.number, table)
        return table

    def guessed(self, columns: Sequence[str], missing_values: Sequence[str]) -> Any:
        """The columns, of the types that Arrow guesses; None if they cannot be read."""
        try:
            return self._parsed(columns, {}, missing_values)
        except pa.ArrowInvalid:
            return None

    def _parsed(self, columns: Sequence[str], types: Mapping[str, ColumnType], missing_values: Sequence[str]) -> Any:
        return parsing.parse(self.rows, self.names, columns, types, missing_values, self.file.separator, self._skip)

    @property
    def _skip(self) -> int:
        return 0 if self.number else 1

    def texts(self, columns: Sequence[str]) -> Any:
        """The columns as they stand in the file; None for none."""
        return parsing.texts(self.rows, self.names, columns, self.file.separator, self._skip) if columns else None


@dataclass(frozen=True)
class _CachedPiece:
    """A piece that was parsed before and lies at ``path``."""

    file: File
    path: Path
    position: int

    def parse(self, reading: Reading) -> Any:
        return cached_file.load(self.path, list(reading.types))

    def texts(self, columns: Sequence[str]) -> None:
        """None for none. Raises: ValueError for any: what was parsed stands no more as it does in the file."""
        if columns:
            raise ValueError("columns are kept as they stand in a file only where no cache is read")

    def guessed(self, _columns: Sequence[str], _missing_values: Sequence[str]) -> None:
        """Nothing: what was parsed once has its types."""


@dataclass(frozen=True)
class _TablePiece:
    """Rows of a table in memory."""

    file: ArrowFile
    rows: Any
    position: int

    def texts(self, columns: Sequence[str]) -> None:
        """None for none. Raises: ValueError for any: there is no file whose text they could be."""
        if columns:
            raise ValueError("columns are kept as they stand in a file, and a table in memory has none")

    def parse(self, reading: Reading) -> Any:
        types = {name: _spelled_plainly(column_type) for name, column_type in reading.types.items()}
        return arrow_columns.as_parsed(self.rows, types, reading.missing_values)

    def guessed(self, columns: Sequence[str], missing_values: Sequence[str]) -> Any:
        """The columns, of the types that Arrow guesses from their cells."""
        return arrow_columns.guessed(self.rows.select(list(columns)), missing_values)


def _spelled_plainly(column_type: ColumnType) -> ColumnType:
    """The type of a column of a file that knows its numbers, which come in the plain spelling."""
    return spellings.PLAIN if is_number(column_type) else column_type


_AnyPiece = _Piece | _CachedPiece | _TablePiece


def _all_pieces(source: TableSource, reading: Reading, fresh: list[CacheWriter]) -> Iterator[_AnyPiece]:
    """The pieces of all files, parsed before or not; entries that they are to be kept in are added to ``fresh``."""
    store = reading.options.cache
    before = 0
    for file, names in header.of_files(source):
        entry = None if store is None else store.known(file, reading.types, reading.missing_values)
        size = file.size()
        if entry is not None:
            for number, path in enumerate(entry.paths(), 1):
                yield _CachedPiece(file, path, before + size * number // len(entry.pieces))
        else:
            writer = None if store is None else store.fresh(file, reading.types, reading.missing_values)
            # What is kept may be read by somebody who asks.
            notes_padding = not reading.settled or writer is not None
            yield from _pieces(file, names, reading.options.chunk_bytes, before, writer, notes_padding)
            fresh += [] if writer is None else [writer]
        before += size


def _pieces(
    file: File,
    names: Sequence[str],
    size: int,
    before: int = 0,
    fresh: CacheWriter | None = None,
    notes_padding: bool = False,
) -> Iterator[_Piece | _TablePiece]:
    """The pieces of one file, ``before`` which lie so many bytes of the source."""
    if isinstance(file, ArrowFile):
        rows = file.table.num_rows
        for start in range(0, rows, ROWS):
            yield _TablePiece(file, file.table.slice(start, ROWS), before + file.size() * start // rows)
        return
    try:
        with sources.as_user_error(file):
            typed = file.is_parquet
            opened, raw = file.open_with_raw()
            with opened:
                size = size * max(len(names), COLUMNS) // COLUMNS
                for number, rows in enumerate(row_chunks.cut(opened, str(file), file.separator, size)):
                    yield _Piece(file, names, rows, number, before + raw.tell(), fresh, typed, notes_padding)
    except row_chunks.OpenQuoteError as error:
        raise read_errors.open_quote(file, error.line) from None


def read(
    source: TableSource, types: Mapping[str, ColumnType], missing_values: Sequence[str], options: ReadOptions = DEFAULTS
) -> Iterator[Chunk]:
    """The chunks of a table whose columns' types are settled; the errors are those of ``mapped_settled``."""
    for chunk, _ in mapped_settled(source, Reading(types, missing_values, options), lambda _: None):
        yield chunk


def mapped_settled(
    source: TableSource, reading: Reading, work: Callable[[Chunk], Result]
) -> Iterator[tuple[Chunk, Result]]:
    """Like ``mapped``, for columns whose types are settled: a value that does not fit is the user's error.

    Raises: UserError that names missing columns, or line and column of a value that does not fit.
    """
    header.require_columns(source, list(dict.fromkeys([*reading.types, *reading.kept])))
    try:
        yield from mapped(source, replace(reading, settled=True), work)
    except parsing.WrongTypeError as wrong:
        raise read_errors.misfit(source, wrong.column, reading.types[wrong.column], reading.missing_values) from None


def head(source: TableSource, columns: Sequence[str], missing_values: Sequence[str], size: int) -> Any:
    """The first ``size`` bytes of ``columns`` as an Arrow table of guessed types; None if they cannot be read."""
    for file, names in header.of_files(source):
        for piece in _pieces(file, names, size):
            first = replace(piece, rows=piece.rows.slice(0, _GUESSED_ROWS)) if isinstance(piece, _TablePiece) else piece
            return first.guessed(columns, missing_values)
    return None

"""CSV in: a stream of typed columns, chunk by chunk, never the whole table; knows no model.

A kind is given for each column and holds for the whole file; `pipeline.table.kinds` finds kinds out. Rows and values do
not depend on the size of the chunks. UTF-8 with or without byte order mark, any line ending, quoted commas and
newlines; blank lines are not rows.
"""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.table import places
from pipeline.table.columns import Chunk, Kind, Texts

# Bytes of the file that one chunk covers: large enough that per-chunk costs vanish, small enough to stay in the cache.
CHUNK_BYTES = 1 << 22
_LARGEST_CHUNK_BYTES = 1 << 30

TRUE_WORDS = ("true", "True", "TRUE")
FALSE_WORDS = ("false", "False", "FALSE")

_TYPES: Mapping[Kind, pa.DataType] = {
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "text": pa.dictionary(pa.int32(), pa.string()),
}

# A file in UTF-16 tells so by its first byte.
_UTF16_MARKS = ((1, 0xFE), (1, 0xFF))

_CONVERSION = re.compile(r"In CSV column #(\d+):.*?CSV conversion error to .*?: invalid value '(.*)'$", re.DOTALL)


class WrongKindError(Exception):
    """A value of ``column`` does not fit the kind the column is read as; ``value`` is the text where it is known."""

    def __init__(self, column: str, value: str | None) -> None:
        super().__init__(f"{column}: {value!r}")
        self.column = column
        self.value = value


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
        raise _not_utf8(source)
    twice = [name for position, name in enumerate(names) if name in names[:position]]
    if twice:
        raise UserError(f"{source}, line {first.line}: two columns are named {twice[0]!r}; rename one in the header")
    return names


def chunks(
    source: Path, kinds: Mapping[str, Kind], missing_values: Sequence[str], chunk_bytes: int = CHUNK_BYTES
) -> Iterator[Chunk]:
    """Read the columns named in ``kinds``, in that order; other columns are not even converted.

    A cell that equals one of ``missing_values``, quoted or not, is no value.
    Raises: WrongKindError for a value that its column's kind cannot hold; UserError for a file that is not proper CSV.
    """
    done = 0
    while True:
        try:
            for batch in _after(_batches(source, kinds, missing_values, chunk_bytes), done):
                yield _chunk(batch, kinds, first_row=done + 1)
                done += batch.num_rows
            return
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error) or chunk_bytes >= _LARGEST_CHUNK_BYTES:
                raise _told(source, str(error)) from None
            # A row longer than a chunk: go on from there with larger ones.
            chunk_bytes *= 8


def read(
    source: Path, kinds: Mapping[str, Kind], missing_values: Sequence[str], chunk_bytes: int = CHUNK_BYTES
) -> Iterator[Chunk]:
    """Like ``chunks``, for columns whose kinds are settled: a value that does not fit is the user's error.

    Raises: UserError that names missing columns, or line and column of a value that does not fit.
    """
    require_columns(source, list(kinds))
    try:
        yield from chunks(source, kinds, missing_values, chunk_bytes)
    except WrongKindError as wrong:
        raise misfit(source, wrong.column, kinds[wrong.column], missing_values) from None


def require_columns(source: Path, columns: Sequence[str]) -> list[str]:
    """The file's column names, which must include ``columns``; their order and further columns do not matter."""
    names = header(source)
    absent = [name for name in columns if name not in names]
    if absent:
        listed = ", ".join(absent)
        raise UserError(f"{source}: missing {_plural(absent)} {listed}{closest(absent[0], names)}")
    return names


def closest(name: str, names: Collection[str]) -> str:
    """A hint for a name that is not among ``names``: the one most like it, or all of them if none is."""
    folded = {other.casefold().strip(): other for other in names}
    near = difflib.get_close_matches(name.casefold().strip(), list(folded), n=1)
    if near:
        return f"; did you mean {folded[near[0]]!r}?"
    shown = list(names)[:20]
    return f"; the file has {', '.join(shown)}" + (", ..." if len(names) > len(shown) else "")


def misfit(source: Path, column: str, kind: Kind, missing_values: Sequence[str]) -> UserError:
    """The error for the first value in ``column`` that is not of ``kind``, with its line and what to do."""
    words = {*TRUE_WORDS, *FALSE_WORDS}

    def fault(text: str) -> str | None:
        if text in missing_values:
            return None
        return places.fault_of(text) if kind == "number" else None if text in words else "true or false"

    place, text = places.find_cell(source, column, lambda cell: fault(cell) is not None)
    return UserError(
        f"{place}: expected {fault(text)}, got {text!r}\n"
        "  correct it, add it to prepare.missing_values, or declare the column in prepare.categories"
    )


def _plural(names: Sequence[str]) -> str:
    return "column" if len(names) == 1 else "columns"


@contextmanager
def open_stream(
    source: Path, columns: Sequence[str], types: Mapping[str, Any], missing_values: Sequence[str], chunk_bytes: int
) -> Iterator[Any]:
    """Arrow's reader of ``columns``, a record batch a chunk; it guesses the types that ``types`` does not give."""
    convert = pa_csv.ConvertOptions(
        include_columns=list(columns),
        column_types=dict(types),
        null_values=list(missing_values),
        strings_can_be_null=True,
        true_values=list(TRUE_WORDS),
        false_values=list(FALSE_WORDS),
    )
    # One thread: the reader of a stream gains nothing from more, and its messages then name the first fault.
    read = pa_csv.ReadOptions(block_size=chunk_bytes, use_threads=False)
    parse = pa_csv.ParseOptions(newlines_in_values=True)
    with closing(_Blocks(source)) as file, pa_csv.open_csv(file, read, parse, convert) as reader:
        yield reader


def _batches(
    source: Path, kinds: Mapping[str, Kind], missing_values: Sequence[str], chunk_bytes: int
) -> Iterator[pa.RecordBatch]:
    types = {name: _TYPES[kind] for name, kind in kinds.items()}
    with open_stream(source, list(kinds), types, missing_values, chunk_bytes) as reader:
        yield from reader


class _Blocks:
    """A file for Arrow, which reads ahead in a thread of its own.

    Reads never end between CR and LF: Arrow takes CR at the end of one block and LF at the start of the next for one
    line ending and drops the LF, even inside a quoted text, which would then depend on where the blocks are cut.
    Closing waits for a read under way: otherwise it could go on, on a descriptor that by then belongs to another file.
    """

    def __init__(self, source: Path) -> None:
        self._file = source.open("rb", buffering=0)
        self._held = b""
        self._lock = Lock()

    @property
    def closed(self) -> bool:
        return self._file.closed

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, none after closing; CRs at the end wait for the next read if anything else came."""
        with self._lock:
            if self._file.closed:
                return b""
            data = self._held + self._file.read(max(size - len(self._held), 1))
            kept = data.rstrip(b"\r") or data
            self._held = data[len(kept) :]
            return kept

    def close(self) -> None:
        with self._lock:
            self._file.close()


def _after(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """What follows the first ``rows`` rows; empty batches are left out."""
    for batch in batches:
        skipped = min(rows, batch.num_rows)
        rows -= skipped
        if skipped < batch.num_rows:
            yield batch.slice(skipped)


def _chunk(batch: pa.RecordBatch, kinds: Mapping[str, Kind], first_row: int) -> Chunk:
    columns: dict[str, Any] = dict(zip(kinds, batch.columns, strict=True))
    return Chunk(
        first_row=first_row,
        rows=batch.num_rows,
        numbers={name: _numbers(name, columns[name]) for name, kind in kinds.items() if kind != "text"},
        texts={name: _texts(columns[name]) for name, kind in kinds.items() if kind == "text"},
    )


def _numbers(name: str, column: Any) -> NDArray[np.float64]:
    """float64 with NaN for no value; the word nan, an infinity or a number that float32 cannot hold is refused."""
    validity, data = column.buffers()
    if pa.types.is_boolean(column.type):
        values = _bits(data, column).astype(np.float64)
    else:
        values = np.frombuffer(data, dtype=np.float64)[column.offset :][: len(column)]
    if column.null_count:
        values = np.where(_bits(validity, column), values, np.nan)
    usable = np.count_nonzero(np.abs(values) <= places.LARGEST)
    if usable + column.null_count != len(values):
        raise WrongKindError(name, None)
    return values


def _texts(column: Any) -> Texts:
    indices = column.indices
    validity, data = indices.buffers()
    codes = np.frombuffer(data, dtype=np.int32)[indices.offset :][: len(indices)]
    if indices.null_count:
        codes = np.where(_bits(validity, indices), codes, np.int32(-1))
    return Texts(codes, tuple(column.dictionary.to_pylist()))


def _bits(buffer: Any, column: Any) -> NDArray[np.bool_]:
    """A buffer of one bit a row as (n,) booleans.

    Arrow's own ``to_numpy`` is not used because it imports pandas if that is installed, at 0.2 s a process.
    """
    bits = np.unpackbits(np.frombuffer(buffer, dtype=np.uint8), bitorder="little")
    return bits[column.offset :][: len(column)].view(np.bool_)


def _told(source: Path, message: str) -> Exception:
    """The exception that says in the user's terms what Arrow found."""
    conversion = _CONVERSION.search(message)
    if conversion:
        return WrongKindError(header(source)[int(conversion[1])], conversion[2])
    if "invalid UTF8" in message:
        return _not_utf8(source)
    if "straddling" in message:
        return UserError(f"{source}: a row is longer than {_LARGEST_CHUNK_BYTES:,} bytes; is a quote left open?")
    width = len(header(source))
    for ragged in places.find(source, lambda record: len(record.cells) != width):
        return UserError(
            f"{source}, line {ragged.line}: expected {width} cells as in the header, got {len(ragged.cells)}\n"
            "  a cell that holds a comma or a newline must stand in double quotes"
        )
    return UserError(f"{source}: not a CSV file that can be read: {message}")


def _not_utf8(source: Path) -> UserError:
    found = places.first_invalid_byte(source)
    if found is None:
        return UserError(f"{source}: expected UTF-8 text")
    line, byte, value = found
    if (byte, value) in _UTF16_MARKS:
        return UserError(f"{source}: expected UTF-8 text, got UTF-16; save the file as UTF-8 (in Excel: CSV UTF-8)")
    return UserError(
        f"{source}, line {line}: expected UTF-8 text, got byte 0x{value:02x} (byte {byte} of the file)\n"
        "  save the file as UTF-8, for example with: iconv -f WINDOWS-1252 -t UTF-8"
    )

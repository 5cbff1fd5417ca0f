"""Bytes of other encodings, and Parquet, as a stream of UTF-8 CSV; and guesses of what a file is written in."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.csv as pa_csv

from pipeline import files
from pipeline.errors import UserError, shortened

_BLOCK_BYTES = 1 << 20
_BATCH_ROWS = 1 << 15
_SEPARATORS = ",;\t|"
_SNIFFED_ROWS = 20
# In this order: the mark of UTF-32 begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# What a file is taken for that is not UTF-8 and has no mark.
GUESSED = "windows-1252"

# Characters of two bytes and more; of another encoding few pairs of bytes look like one.
_OF_UTF8 = re.compile(rb"[\xc2-\xf4][\x80-\xbf]{1,3}")
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_OUTWEIGHED = 4


class Blocks(io.RawIOBase):
    """``blocks`` as one stream, which closes the ``stream`` that they are made of."""

    def __init__(self, stream: BinaryIO, blocks: Iterator[bytes]) -> None:
        self._stream = stream
        self._blocks = blocks
        self._waiting = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._waiting:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._waiting = block
        taken = self._waiting[: len(buffer)]
        buffer[: len(taken)] = taken
        self._waiting = self._waiting[len(taken) :]
        return len(taken)

    def close(self) -> None:
        self._stream.close()
        super().close()


def to_utf8(stream: BinaryIO, encoding: str, name: str) -> BinaryIO:
    """Text of another encoding as UTF-8. Raises: UserError, when read, for bytes that the encoding does not know."""
    return cast(BinaryIO, io.BufferedReader(Blocks(stream, _decoded(stream, encoding, name))))


def _decoded(stream: BinaryIO, encoding: str, name: str) -> Iterator[bytes]:
    decoder, line, block = codecs.getincrementaldecoder(encoding)(), 1, None
    while block != b"":
        block = stream.read(_BLOCK_BYTES)
        try:
            decoded = decoder.decode(block, final=not block).encode()
        except UnicodeDecodeError as error:
            line += error.object[: error.start].decode(encoding, errors="ignore").count("\n")
            came = error.object[error.start : error.end].hex(" ")
            raise UserError(
                f"{name}, line {line}: expected text in {encoding}, got bytes {came}; correct prepare.encoding"
            ) from None
        except UnicodeError:
            raise UserError(f"{name}: expected text in {encoding}; correct prepare.encoding") from None
        line += decoded.count(b"\n")
        yield decoded


def from_parquet(stream: BinaryIO, name: str) -> BinaryIO:
    """A Parquet file as the CSV that it would be, batch by batch.

    Raises, when read: OSError for a file that is broken; UserError for a column that no cell of a CSV can hold.
    """
    return cast(BinaryIO, io.BufferedReader(Blocks(stream, _as_csv(stream, name))))


def _as_csv(stream: BinaryIO, name: str) -> Iterator[bytes]:
    try:
        file = _parquet(stream)
        require_cells(file.schema_arrow, name)
        yield files.csv_text([file.schema_arrow.names]).encode()
        for batch in file.iter_batches(_BATCH_ROWS):
            out = io.BytesIO()
            pa_csv.write_csv(plain(batch), out, pa_csv.WriteOptions(include_header=False))
            yield out.getvalue()
    except pa.ArrowException as error:
        raise OSError(f"not readable as Parquet: {error}") from None


def _parquet(stream: BinaryIO) -> Any:
    import pyarrow.parquet as pa_parquet

    opened: Any = pa_parquet.ParquetFile
    return opened(stream)


def parquet_texts(stream: BinaryIO) -> set[str]:
    """The columns of a Parquet file that it holds as texts, whatever they look like; closes the stream."""
    with stream:
        return {field.name for field in _parquet(stream).schema_arrow if is_text(plain_type(field.type))}


def plain_type(arrow: Any) -> Any:
    """The type of the values of a dictionary; any other type as it is."""
    return arrow.value_type if pa.types.is_dictionary(arrow) else arrow


def is_text(arrow: Any) -> bool:
    """Whether an Arrow type holds texts."""
    return bool(pa.types.is_string(arrow) or pa.types.is_large_string(arrow) or pa.types.is_string_view(arrow))


def require_cells(schema: Any, name: str) -> None:
    """Check that every column holds single values that text can show. Raises: UserError that begins with ``name``."""
    for field in schema:
        column_type = plain_type(field.type)
        if not (
            (pa.types.is_primitive(column_type) and not pa.types.is_interval(column_type))
            or pa.types.is_decimal(column_type)
            or pa.types.is_null(column_type)
            or is_text(column_type)
        ):
            raise UserError(
                f"{name}, column {shortened(field.name)}: expected numbers, texts, true and false, or times, got "
                f"{shortened(field.type)}; "
                "write the file without this column, or with its parts as columns"
            )


def plain(batch: Any) -> Any:
    """The batch without dictionaries and views, which the writer of CSV does not take."""
    columns = [column.cast(plain_type(column.type)) for column in batch]
    columns = [column.cast(pa.string()) if is_text(column.type) else column for column in columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def sniffed_encoding(stream: BinaryIO) -> str:
    """The encoding of the first MiB, by a mark or by its bytes; GUESSED if nothing tells. Closes the stream.

    Text that is UTF-8 but for a few bytes is UTF-8 that was damaged: whoever reads it is told where.
    """
    with stream:
        start = stream.read(_BLOCK_BYTES)
    for mark, name in _MARKS.items():
        if start.startswith(mark):
            return name
    for name, zeros, others in (("utf-16-le", start[1::2], start[::2]), ("utf-16-be", start[::2], start[1::2])):
        if 2 * zeros.count(0) > len(zeros) and 0 not in others:
            return name
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        rest = _OF_UTF8.sub(b"", start)
        fitting, others_left = len(_OF_UTF8.findall(start)), len(_NOT_ASCII.findall(rest))
        return "utf-8" if fitting > _OUTWEIGHED * others_left else GUESSED
    return "utf-8"


def sniffed_separator(file: BinaryIO) -> str:
    """The separator that cuts most of the first rows into as many cells as the header; comma where none does.

    Of two that cut as many rows, the one that cuts them into more cells.
    """
    text = file.read(1 << 16).decode("utf-8-sig", errors="replace")
    return max(_SEPARATORS, key=lambda separator: _regularity(text, separator))


def _regularity(text: str, separator: str) -> tuple[float, int]:
    """The share of rows as wide as the header, 0 for a header of one cell; and that width."""
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if row]
    first = list(islice(rows, _SNIFFED_ROWS))
    width = len(first[0]) if first else 1
    return 0.0 if width == 1 else sum(len(row) == width for row in first) / len(first), width

"""Blocks of rows as the bytes of a file: CSV or Parquet.

A file is ``head()``, the data of its blocks in order, and ``tail()``. A block is encoded by itself, on any thread, so
the bytes of a file depend on its rows alone: where blocks of Parquet end is part of the file, and never depends on how
the source was read.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.csv as pa_csv

from pipeline.predictor.batch import parquet_footer
from pipeline.predictor.batch.columns import OutputColumns
from pipeline.scoring import predictions


class EncodedBlock(NamedTuple):
    """A block of rows: bytes for the file, their SHA-256, and what the file's tail must know of them."""

    data: bytes | memoryview
    sha256: bytes
    footer: bytes

    @classmethod
    def of(cls, data: bytes | memoryview, footer: bytes = b"") -> "EncodedBlock":
        """The block of these bytes."""
        return cls(data, hashlib.sha256(data).digest(), footer)


class Format(Protocol):
    """How a table of predictions is written."""

    name: str
    block_rows: int

    def head(self) -> bytes:
        """The first bytes of a file."""

    def encode(self, table: Any) -> EncodedBlock:
        """An Arrow table of at most ``block_rows`` rows."""

    def tail(self, blocks: Iterable[tuple[int, bytes]]) -> bytes:
        """The last bytes of a file, from each block's number of bytes and footer."""


class Csv:
    """A CSV, as evaluate writes predictions.csv."""

    name = "csv"
    _BLOCK_VALUES = 1 << 19  # some 10 MB of text

    def __init__(self, columns: OutputColumns) -> None:
        self.block_rows = _rows(self._BLOCK_VALUES, columns.names)
        self._names = columns.names
        self._quoted = columns.has_texts or predictions.need_quotes(columns.classes)

    def head(self) -> bytes:
        return predictions.header_line(self._names, self._quoted)

    def encode(self, table: Any) -> EncodedBlock:
        plain = [column.cast(pa.string()) if _is_dictionary(column) else column for column in table.columns]
        out = pa.BufferOutputStream()
        options = predictions.write_options(self._quoted)
        pa_csv.write_csv(pa.Table.from_arrays(plain, names=table.column_names), out, options)
        return EncodedBlock.of(memoryview(out.getvalue()))

    def tail(self, _blocks: Iterable[tuple[int, bytes]]) -> bytes:
        return b""


# Written as places in a dictionary: ranks take half the time, and two thirds of the bytes, that they take as int64.
_OF_FEW_VALUES = ("predicted", "rank", "decision", "in_set", "set_size")


class Parquet:
    """Parquet of a row group a block; classes are dictionaries. Texts and small numbers are compressed by zstd.

    Probabilities and logits are not: of 16 classes that takes a third of the time of writing, for 4 % of the bytes.
    """

    name = "parquet"
    _BLOCK_VALUES = 1 << 22  # 32 MiB of numbers
    _MARK = b"PAR1"

    def __init__(self, columns: OutputColumns) -> None:
        self.block_rows = _rows(self._BLOCK_VALUES, columns.names)
        self._dictionaries = [column.name for column in columns.columns if column.group in _OF_FEW_VALUES]
        plain = {column.name for column in columns.columns} - {*self._dictionaries, "row"}
        self._compression = {name: "none" if name in plain else "zstd" for name in columns.names}

    def head(self) -> bytes:
        return self._MARK

    def encode(self, table: Any) -> EncodedBlock:
        import pyarrow.parquet as pa_parquet  # here, since it takes long to load and a CSV does not need it

        out = pa.BufferOutputStream()
        write: Any = pa_parquet.write_table
        # In one chunk, since the ends of chunks would be ends of pages.
        write(
            table.combine_chunks(),
            out,
            row_group_size=table.num_rows,
            version="2.6",
            data_page_version="1.0",
            compression=self._compression,
            compression_level={name: 1 for name, codec in self._compression.items() if codec == "zstd"},
            use_dictionary=self._dictionaries,
            write_page_index=False,  # it has positions that the joined footer would have to move
        )
        file = memoryview(out.getvalue())
        end = len(file) - 8 - int.from_bytes(file[-8:-4], "little")
        return EncodedBlock.of(file[len(self._MARK) : end], bytes(file[end:-8]))

    def tail(self, blocks: Iterable[tuple[int, bytes]]) -> bytes:
        footer = parquet_footer.joined(_moved(blocks))
        return footer + len(footer).to_bytes(4, "little") + self._MARK


def _moved(blocks: Iterable[tuple[int, bytes]]) -> Iterable[tuple[bytes, int]]:
    """Each footer, with how far its block lies from where it lay in a file of its own."""
    before = 0
    for size, footer in blocks:
        yield footer, before
        before += size


def _is_dictionary(column: Any) -> bool:
    return bool(pa.types.is_dictionary(column.type))


def _rows(values: int, names: Sequence[str]) -> int:
    """A power of two of rows, at most 65,536, that have about so many values; 1,024 at least."""
    rows = values // max(1, len(names))
    return max(1 << 10, min(1 << 16, 1 << max(0, rows.bit_length() - 1)))

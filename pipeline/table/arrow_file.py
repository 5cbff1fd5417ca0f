"""A table in memory in the place of a file, for whoever has rows already; it is read as its Parquet file would be."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

import pyarrow.csv as pa_csv

from pipeline import files
from pipeline.table import transcoding
from pipeline.table.sources import File

# Rows that are written as a CSV at once, for messages that tell a line; of the header alone few are.
_BATCH_ROWS = 1 << 10


@dataclass(frozen=True)
class ArrowFile(File):
    """An Arrow table that messages call ``name``."""

    table: Any = field(default=None, compare=False)

    def open_with_raw(self) -> tuple[BinaryIO, BinaryIO]:
        """The table as the CSV that it would be."""
        stream = cast(BinaryIO, io.BufferedReader(transcoding.Blocks(io.BytesIO(), self._csv())))
        return stream, stream

    def _csv(self) -> Iterator[bytes]:
        transcoding.require_cells(self.table.schema, str(self))
        yield files.csv_text([self.table.column_names]).encode()
        for batch in self.table.to_batches(_BATCH_ROWS):
            out = io.BytesIO()
            pa_csv.write_csv(transcoding.plain(batch), out, pa_csv.WriteOptions(include_header=False))
            yield out.getvalue()

    @property
    def is_parquet(self) -> bool:
        """Yes: its columns have types."""
        return True

    def require_text(self) -> None:
        """Nothing to check."""

    def texts(self) -> set[str]:
        """The columns of texts."""
        return {one.name for one in self.table.schema if transcoding.is_text(transcoding.plain_type(one.type))}

    def size(self) -> int:
        """Bytes in memory."""
        return int(self.table.nbytes)

"""The rows of a table, scored and encoded block by block: on threads, by workers, in order."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.dataset.columns import Chunk
from pipeline.parallel import threads, workers
from pipeline.predictor.batch.columns import OutputColumns
from pipeline.predictor.batch.destination import Destination
from pipeline.predictor.batch.formats import EncodedBlock, Format
from pipeline.predictor.scorer import Scorer
from pipeline.predictor.unseen import KnownLevels
from pipeline.table import stream
from pipeline.table.sources import TableSource
from pipeline.table.stream import Reading

# Of a block of rows that carry whole documents.
MOST_KEPT_BYTES = 1 << 26


@dataclass
class Seen:
    """What reading the table told: its rows, and values of category columns that training never saw, in order."""

    rows: int = 0
    unseen: dict[str, dict[str, None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """A scorer, what is written of each row, and in which form."""

    scorer: Scorer
    columns: OutputColumns
    form: Format

    def write(
        self, source: TableSource, destination: Destination | None, options: stream.ReadOptions = stream.DEFAULTS
    ) -> Seen:
        """Score the rows of ``source`` and hand them to ``destination``, in order; workers but the first have none.

        Rows that are there already are read, not scored. All workers call this; each reads the table, and scores and
        encodes every so manieth block.
        Raises: UserError for a missing column, or a file or value that cannot be read.
        """
        seen = Seen()
        done = _shared(0 if destination is None else destination.done)
        blocks = cut(self._chunks(source, options, seen), self.form.block_rows)
        mine = (
            block
            for number, block in enumerate(blocks)
            if number >= done and (number - done) % workers.count() == workers.rank()
        )
        for encoded, counts in _gathered(threads.in_order(self._encode, mine, options.threads)):
            if destination is not None:
                destination.append(encoded, *counts)
        return seen

    def _chunks(self, source: TableSource, options: stream.ReadOptions, seen: Seen) -> Iterator[Chunk]:
        encoder = self.scorer.model.encoder
        reading = Reading(encoder.types, encoder.missing_values, options, kept=self.columns.kept)
        for chunk, unseen in stream.mapped_settled(source, reading, KnownLevels(encoder).unseen):
            for column, levels in unseen.items():
                seen.unseen.setdefault(column, {}).update(dict.fromkeys(levels))
            seen.rows += chunk.rows
            yield chunk

    def _encode(self, block: Sequence[Chunk]) -> tuple[EncodedBlock, tuple[int, int]]:
        """A block, with its rows and how many of these have no interval."""
        tables, without_interval = [], 0
        for chunk in block:
            scored = self.scorer.score(chunk)
            without_interval += int(np.count_nonzero(scored.without_interval))
            tables.append(self.columns.table(scored, chunk.kept))
        table = pa.concat_tables(tables)
        return self.form.encode(table), (table.num_rows, without_interval)


def cut(chunks: Iterable[Chunk], rows: int, kept_bytes: int = MOST_KEPT_BYTES) -> Iterator[list[Chunk]]:
    """The rows of chunks in blocks of ``rows``, the last of what is left: wherever chunks end, a block is the same.

    A block ends earlier behind the row with which its kept texts have ``kept_bytes``.
    """
    block: list[Chunk] = []
    missing_rows, missing_bytes = rows, kept_bytes
    for chunk in chunks:
        ends = _kept_ends(chunk)
        start = before = 0
        while start < chunk.rows:
            full = int(np.searchsorted(ends, before + missing_bytes)) + 1
            stop = min(chunk.rows, start + missing_rows, full)
            block.append(chunk.rows_of(start, stop))
            missing_rows -= stop - start
            missing_bytes -= int(ends[stop - 1]) - before
            start, before = stop, int(ends[stop - 1])
            if missing_rows == 0 or missing_bytes <= 0:
                yield block
                block, missing_rows, missing_bytes = [], rows, kept_bytes
    if block:
        yield block


def _kept_ends(chunk: Chunk) -> NDArray[np.int64]:
    """(n,): the bytes of the kept texts of each row and those before it."""
    lengths = np.zeros(chunk.rows, dtype=np.int64)
    if chunk.kept is not None:
        from pyarrow import compute as kernels  # here, since it takes long to load

        compute: Any = kernels
        for column in chunk.kept.columns:
            lengths += compute.fill_null(compute.binary_length(column), 0).to_numpy()
    return lengths.cumsum()


def _shared(done: int) -> int:
    """Worker 0's number, at every worker."""
    ((first,), *_) = workers.all_gather_arrays([[np.array([done])]])
    return int(first[0])


def _gathered(
    mine: Iterator[tuple[EncodedBlock, tuple[int, int]]],
) -> Iterator[tuple[EncodedBlock, tuple[int, int]]]:
    """The blocks of all workers, in order, at each of them; they were dealt in turn."""
    if workers.count() == 1:
        yield from mine
        return
    while True:
        following = next(mine, None)
        arrays = []
        if following is not None:
            block, counts = following
            arrays = [[np.frombuffer(part, dtype=np.uint8) for part in block] + [np.array(counts)]]
        gathered = workers.all_gather_arrays(arrays)
        if not gathered:
            return
        for data, sha256, footer, (rows, without_interval) in gathered:
            yield EncodedBlock(data.tobytes(), sha256.tobytes(), footer.tobytes()), (int(rows), int(without_interval))

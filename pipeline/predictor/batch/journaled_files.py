"""Files of predictions that are written block by block, with a journal, so that a killed run's blocks are not lost."""

import hashlib
import os
import time
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import UserError
from pipeline.predictor.batch import hidden_folder
from pipeline.predictor.batch.formats import EncodedBlock, Format
from pipeline.predictor.batch.journal import Entry, Journal

FLUSH_SECONDS = 5.0  # of work are lost by a kill; writing to disk more often would cost more than that saves

# Of the footer of one file, that is of what Parquet says of each column of each block: more no reader takes.
MOST_FOOTER_BYTES = 2**31 - 1


def file_name(number: int, form: Format) -> str:
    """The name of a file; that of the first tells a folder of them from any other."""
    return f"part-{number:05}.{form.name}"


class JournaledFiles:
    """Files in a hidden folder, each of ``blocks_per_file`` blocks, or one of all of them."""

    def __init__(self, folder: Path, form: Format, request: str, blocks_per_file: int | None) -> None:
        self.folder, self._form, self._blocks_per_file = folder / hidden_folder.FILES, form, blocks_per_file
        self.folder.mkdir(exist_ok=True)
        self._journal = Journal(folder / hidden_folder.JOURNAL, request)
        self.totals = (0, 0)
        self._number = 0
        self._file: BinaryIO | None = None
        self._of_file: list[Entry] = []
        self._waiting: list[Entry] = []
        self._flushed = time.monotonic()
        self.done = self._restored()

    def path(self, number: int) -> Path:
        """A file; the only one is number 0."""
        return self.folder / file_name(number, self._form)

    def _restored(self) -> int:
        """Bring the files to where the journal can be trusted; the number of blocks there."""
        entries = self._journal.entries
        size = self._blocks_per_file or max(1, len(entries))
        trusted = 0
        for start in range(0, len(entries), size):
            own = entries[start : start + size]
            intact = self._reopen(own)
            trusted += intact
            if intact < len(own):
                break
            if intact == self._blocks_per_file:
                self._end_file()
        self._journal.keep(trusted)
        for entry in entries:
            self._count(entry)
        own_files = {self.path(number) for number in range(self._number + 1)} if trusted else set()
        for path in set(self.folder.iterdir()) - own_files:
            path.unlink()
        return trusted

    def _reopen(self, entries: Sequence[Entry]) -> int:
        """Open the next file behind the blocks that it holds as ``entries`` tell; how many these are."""
        path, head = self.path(self._number), self._form.head()
        if not path.is_file():
            return 0
        file = path.open("r+b")
        if file.read(len(head)) == head:
            self._of_file = [*takewhile(lambda entry: _digest(file.read(entry.size)) == entry.sha256, entries)]
        if not self._of_file:
            file.close()
            return 0
        file.seek(len(head) + sum(entry.size for entry in self._of_file))
        file.truncate()
        self._file = file
        return len(self._of_file)

    def append(self, block: EncodedBlock, rows: int, without_interval: int) -> None:
        """Add the next block. Raises: UserError for more blocks than one file may have."""
        if (len(self._of_file) + 1) * len(block.footer) > MOST_FOOTER_BYTES:
            raise UserError(
                f"more rows of so many columns than one Parquet file can describe, after row {self.totals[0]:,}: name "
                "a folder (`-o DIR/`), or fewer --columns"
            )
        if self._file is None:
            self._file = self.path(self._number).open("wb")
            self._file.write(self._form.head())
        self._file.write(block.data)
        entry = Entry.of(block, rows, without_interval)
        self._of_file.append(entry)
        self._waiting.append(entry)
        self._count(entry)
        if len(self._of_file) == self._blocks_per_file:
            self.flush()
            self._end_file()
        elif time.monotonic() - self._flushed >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Wait until all blocks are on disk, then tell the journal of them."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
        self._journal.append(self._waiting)
        self._waiting = []
        self._flushed = time.monotonic()

    def _count(self, entry: Entry) -> None:
        rows, without_interval = self.totals
        self.totals = (rows + entry.rows, without_interval + entry.without_interval)

    def _end_file(self) -> None:
        assert self._file is not None
        self._file.write(self._form.tail((entry.size, entry.unpacked_footer()) for entry in self._of_file))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._file, self._of_file, self._number = None, [], self._number + 1

    def finish(self) -> None:
        """Write what is still missing of the last file."""
        if self._file is not None:
            self._end_file()

    def close(self) -> None:
        """Close what is open."""
        self._journal.close()
        if self._file is not None:
            self._file.close()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

"""Where a table of predictions goes: a file or a folder of them, with a journal, or a stream that cannot be taken back.

While they are written, files lie in a hidden folder beside their place, ``.NAME.part``, with the journal. They take
their place, whole, at the end.
"""

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import IO, BinaryIO, Protocol

import filelock

from pipeline import files
from pipeline.errors import UserError
from pipeline.parallel import workers
from pipeline.predictor.batch.formats import EncodedBlock, Format
from pipeline.predictor.batch.journal import Entry, Journal, rows_written

FLUSH_SECONDS = 5.0  # of work are lost by a kill; writing to disk more often would cost more than that saves

# A folder has parts of so many blocks, about a million rows.
BLOCKS_PER_PART = 16
FIRST_PART = "part-00000"

_JOURNAL, _LOCK, _PARTS = "journal", "lock", "out"


class Destination(Protocol):
    """Takes blocks in order."""

    @property
    def done(self) -> int:
        """The number of blocks that are there already, from an earlier run."""

    @property
    def totals(self) -> tuple[int, int]:
        """Rows that are there, and how many of them have no interval."""

    def append(self, block: EncodedBlock, rows: int, without_interval: int) -> None:
        """Add the next block, of so many rows, and rows without interval."""


class _Totals:
    def __init__(self) -> None:
        self._rows = self._without_interval = 0

    @property
    def totals(self) -> tuple[int, int]:
        return self._rows, self._without_interval

    def count(self, rows: int, without_interval: int) -> None:
        self._rows += rows
        self._without_interval += without_interval


class _Stream(_Totals):
    """A stream of bytes, such as standard output: nothing is there, and nothing can be kept."""

    done = 0

    def __init__(self, file: IO[bytes], form: Format) -> None:
        super().__init__()
        self._file, self._form = file, form
        self._blocks: list[tuple[int, bytes]] = []

    def append(self, block: EncodedBlock, rows: int, without_interval: int) -> None:
        if not self._blocks:
            self._file.write(self._form.head())
        self._file.write(block.data)
        self._blocks.append((len(block.data), block.footer))
        self.count(rows, without_interval)

    def finish(self) -> None:
        self._file.write(self._form.tail(self._blocks))


class _Journaled(_Totals):
    """Files in a hidden folder, each of ``blocks_per_file`` blocks, or one of all of them."""

    def __init__(self, folder: Path, form: Format, request: str, blocks_per_file: int | None) -> None:
        super().__init__()
        self.parts, self._form, self._blocks_per_file = folder / _PARTS, form, blocks_per_file
        self.parts.mkdir(exist_ok=True)
        self._journal = Journal(folder / _JOURNAL, request)
        self._number = 0
        self._file: BinaryIO | None = None
        self._of_file: list[Entry] = []
        self._waiting: list[Entry] = []
        self._flushed = time.monotonic()
        self.done = self._restored()

    def path(self, number: int) -> Path:
        """A file; the only one is number 0."""
        return self.parts / f"part-{number:05}.{self._form.name}"

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
            self.count(entry.rows, entry.without_interval)
        own_files = {self.path(number) for number in range(self._number + 1)} if trusted else set()
        for path in set(self.parts.iterdir()) - own_files:
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
        if self._file is None:
            self._file = self.path(self._number).open("wb")
            self._file.write(self._form.head())
        self._file.write(block.data)
        entry = Entry.of(block, rows, without_interval)
        self._of_file.append(entry)
        self._waiting.append(entry)
        self.count(rows, without_interval)
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


@contextmanager
def stream(file: IO[bytes], form: Format) -> Iterator[Destination]:
    """Blocks are written to ``file`` as they come."""
    written = _Stream(file, form)
    yield written
    written.finish()


@contextmanager
def file(out: Path, form: Format, request: str) -> Iterator[Destination]:
    """Blocks become the file ``out`` when the ``with`` block ends without an exception; until then it is as it was.

    Raises: UserError if it cannot be written, or another process writes it.
    """
    files.require_file_name(out)
    with _hidden_folder(out, form, request, None) as written:
        yield written
        written.finish()
        written.close()
        with files.no_place_named(out):
            written.path(0).replace(out)


@contextmanager
def folder(out: Path, form: Format, request: str) -> Iterator[Destination]:
    """As ``file``, of a folder of files of BLOCKS_PER_PART blocks; it takes the place of an earlier one.

    Raises: UserError, too, if there is anything else in the folder.
    """
    if out.name in ("", ".."):
        raise UserError(f"{out}: expected the name of a folder to write; name it from the folder above")
    files.restore(out)
    files.require_own_folder(out, f"{FIRST_PART}.{form.name}")
    with _hidden_folder(out, form, request, BLOCKS_PER_PART) as written:
        yield written
        written.finish()
        written.close()
        files.replace_folder(written.parts, out)


def hidden_folder(out: Path) -> Path:
    """Where ``out`` lies while it is written."""
    return out.with_name(f".{out.name}.part")


@contextmanager
def _hidden_folder(out: Path, form: Format, request: str, blocks_per_file: int | None) -> Iterator[_Journaled]:
    """What was written stays where a process is killed or interrupted; after an error nothing does."""
    place = hidden_folder(out)
    with files.full_disk_named(out), files.no_place_named(out):
        place.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(place / _LOCK)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            raise UserError(f"{out}: another predict writes it now; wait for its end, or write to another") from None
    is_needed = False
    try:
        with files.full_disk_named(out):
            written = _Journaled(place, form, request, blocks_per_file)
            try:
                yield written
            except BaseException as error:
                if not isinstance(error, Exception) or isinstance(error, workers.LostWorkerError):
                    written.flush()
                    is_needed = written.totals[0] > 0
                raise
            finally:
                written.close()
    finally:
        lock.release()
        if not is_needed:
            files.remove_folder(place)


def rows_on_disk(out: Path) -> int:
    """The rows that an interrupted run left for the next one of the same request."""
    return rows_written(hidden_folder(out) / _JOURNAL)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

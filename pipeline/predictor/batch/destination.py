"""Where a table of predictions goes: a file or a folder of them, with a journal, or a stream that cannot be taken back.

While they are written, files lie in a hidden folder beside their place, ``.NAME.part``, with the journal. They take
their place, whole, at the end.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from pipeline import files
from pipeline.errors import UserError
from pipeline.parallel import workers
from pipeline.predictor.batch import hidden_folder
from pipeline.predictor.batch.formats import EncodedBlock, Format
from pipeline.predictor.batch.journal import rows_written
from pipeline.predictor.batch.journaled_files import JournaledFiles, file_name

# A folder has files of so many blocks, about a million rows.
BLOCKS_PER_FILE = 16


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


class _Stream:
    """A stream of bytes, such as standard output: nothing is there, and nothing can be kept."""

    done = 0

    def __init__(self, file: IO[bytes], form: Format) -> None:
        self._file, self._form = file, form
        self.totals = (0, 0)
        self._blocks: list[tuple[int, bytes]] = []

    def append(self, block: EncodedBlock, rows: int, without_interval: int) -> None:
        if not self._blocks:
            self._file.write(self._form.head())
        self._file.write(block.data)
        self._blocks.append((len(block.data), block.footer))
        before = self.totals
        self.totals = (before[0] + rows, before[1] + without_interval)

    def finish(self) -> None:
        self._file.write(self._form.tail(self._blocks))


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
    with _written(out, form, request, None) as written:
        yield written
        written.finish()
        written.close()
        with files.no_place_named(out):
            written.path(0).replace(out)


@contextmanager
def folder(out: Path, form: Format, request: str) -> Iterator[Destination]:
    """As ``file``, of a folder of files of BLOCKS_PER_FILE blocks; it takes the place of an earlier one.

    Raises: UserError, too, if there is anything else in the folder.
    """
    if out.name in ("", ".."):
        raise UserError(f"{out}: expected the name of a folder to write; name it from the folder above")
    files.restore(out)
    files.require_own_folder(out, file_name(0, form))
    with _written(out, form, request, BLOCKS_PER_FILE) as written:
        yield written
        written.finish()
        written.close()
        files.replace_folder(written.folder, out)


@contextmanager
def _written(out: Path, form: Format, request: str, blocks_per_file: int | None) -> Iterator[JournaledFiles]:
    """Files that stay where a process is killed or interrupted; after an error nothing does."""
    with hidden_folder.locked(out) as place:
        is_needed = False
        try:
            with files.full_disk_named(out):
                written = JournaledFiles(place, form, request, blocks_per_file)
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
            if not is_needed:
                files.remove_folder(place)


def rows_on_disk(out: Path) -> int:
    """The rows that an interrupted run left for the next one of the same request."""
    return rows_written(hidden_folder.path(out) / hidden_folder.JOURNAL)

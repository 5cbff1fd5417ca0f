"""Columns of files as they were parsed, kept between runs, so that a file that was read before is not parsed again.

A file is known by its bytes: its name and time do not count. Of each the last reading is kept. What was kept by other
code, or does not match its digest, is not used. No result depends on the folder; it may be deleted between runs.
"""

import contextlib
import hashlib
import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.dataset.columns import ColumnType
from pipeline.errors import UserError, listed
from pipeline.parallel import threads
from pipeline.table.cached_file import CachedFile, first_change, packed, piece_path, settings_of, usable
from pipeline.table.sources import File, Source

# A fourth of what is free is never taken, nor more than this; what was used longest ago goes first.
MOST_BYTES = 20 << 30

_UNFINISHED = "new"


@dataclass
class CacheWriter:
    """An entry that is being made; pieces are added by any thread. Without room for one there will be no entry."""

    entry: CachedFile
    room: "ParseCache"
    digests: dict[int, str] = field(default_factory=dict)
    is_given_up: bool = False

    def add(self, number: int, table: Any) -> None:
        """Keep the parsed columns of one piece."""
        if self.is_given_up:
            return
        data = packed(table)
        try:
            if not self.room.takes(len(data)):
                raise OSError
            piece_path(self.entry.folder, number).write_bytes(data)
            self.digests[number] = hashlib.sha256(data).hexdigest()
        except OSError:
            # A full disk is no reason to fail: the columns are only parsed again.
            self.is_given_up = True


class ParseCache:
    """The cache for the files of one source, for one run.

    ``digests``: SHA-256 by the file's address. Entries that the run makes join the folder with ``commit``, which the
    caller does once the source is known not to have changed while it was read.
    """

    def __init__(self, folder: Path, digests: Mapping[str, str], most: int = MOST_BYTES) -> None:
        self._folder = folder
        self._digests = digests
        self._new: dict[str, CachedFile] = {}
        self._reused: dict[str, bool] = {}
        self._changes: dict[str, str] = {}
        self._intact: set[Path] = set()
        self._lock = threading.Lock()
        entries = sorted(usable(folder), key=lambda entry: entry.folder.stat().st_mtime)
        self._entries = {entry.content: entry for entry in entries if entry.content in digests.values()}
        self._idle = [entry for entry in entries if entry.content not in digests.values()]
        taken = sum(_size(entry.folder) for entry in entries)
        self._room = min(most, shutil.disk_usage(folder).free // 4 + taken) - taken

    def known(self, file: File, types: Mapping[str, ColumnType], missing_values: Sequence[str]) -> CachedFile | None:
        """The kept columns of a file, if there are any of these types."""
        content, how = self._digests[file.address], settings_of(file, missing_values)
        new, earlier = self._new.get(content), self._entries.get(content)
        if new is not None and new.holds(how, types):
            return new
        self._reused[file.address] = earlier is not None and earlier.holds(how, types) and self._is_intact(earlier)
        if earlier is None:
            return None
        if not self._reused[file.address]:
            self._changes[file.address] = first_change(earlier, how, types)
            return None
        with contextlib.suppress(OSError):
            os.utime(earlier.folder)
        return earlier

    def _is_intact(self, entry: CachedFile) -> bool:
        if entry.folder not in self._intact and entry.is_intact():
            self._intact.add(entry.folder)
        return entry.folder in self._intact

    def fresh(self, file: File, types: Mapping[str, ColumnType], missing_values: Sequence[str]) -> CacheWriter | None:
        """A new entry to fill for a file; None if the folder cannot be written."""
        content = self._digests[file.address]
        folder = self._folder / _UNFINISHED / hashlib.sha256(file.address.encode()).hexdigest()
        self._new.pop(content, None)
        self._drop(folder)
        try:
            folder.mkdir(parents=True)
        except OSError:
            return None
        how = settings_of(file, missing_values)
        return CacheWriter(CachedFile(folder=folder, content=content, how=how, types=dict(types), pieces=[]), self)

    def finish(self, fresh: CacheWriter) -> None:
        """Take in an entry all of whose pieces were added, for the rest of this run."""
        if fresh.is_given_up:
            self._drop(fresh.entry.folder)
            return
        entry = fresh.entry
        pieces = [fresh.digests[number] for number in range(len(fresh.digests))]
        self._new[entry.content] = entry.model_copy(update={"pieces": pieces})

    def takes(self, size: int) -> bool:
        """Whether there is room for so many bytes more, which are then taken; entries of other sources make it."""
        with self._lock:
            while self._room < size and self._idle:
                self._drop(self._idle.pop(0).folder)
            if self._room < size:
                return False
            self._room -= size
            return True

    def _drop(self, folder: Path) -> None:
        if folder.is_dir():
            self._room += _size(folder)
            shutil.rmtree(folder, ignore_errors=True)

    def commit(self) -> None:
        """Keep for later runs what this one made."""
        with contextlib.suppress(OSError, UserError):
            for entry in self._new.values():
                files.write_json(entry.folder / "index.json", entry.model_dump(exclude={"folder"}))
                shutil.rmtree(self._folder / entry.content, ignore_errors=True)
                entry.folder.replace(self._folder / entry.content)

    def report(self) -> list[str]:
        """A line on the files that were not parsed again, and on those that were because the schema has changed."""
        reused, all_files = sum(self._reused.values()), len(self._reused)
        changes = list(dict.fromkeys(change for name, change in self._changes.items() if not self._reused[name]))
        if not reused and not changes:
            return []
        parsed = f"{all_files - reused:,} parsed now, all encoded anew"
        line = f"re-used   {reused:,} of {all_files:,} files as parsed before; {parsed}"
        if changes:
            line += f"\n          the schema has changed: {listed(changes, 3, str, '; ')}"
        return [line]


@contextlib.contextmanager
def opened(folder: Path | None, source: Source) -> Iterator[ParseCache | None]:
    """Open the cache under ``folder`` for the files of ``source``; None where there is no folder, or it is in use.

    Raises: UserError for a file that cannot be read.
    """
    if folder is None:
        yield None
        return
    from filelock import FileLock, Timeout

    lock = FileLock(folder / "lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(blocking=False)
    except (OSError, Timeout):
        yield None
        return
    try:
        shutil.rmtree(folder / _UNFINISHED, ignore_errors=True)
        digests = threads.in_order(File.digest, source.files, threads.reading_thread_count())
        yield ParseCache(folder, dict(zip((file.address for file in source.files), digests, strict=True)))
    finally:
        shutil.rmtree(folder / _UNFINISHED, ignore_errors=True)
        lock.release()


def _size(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir())

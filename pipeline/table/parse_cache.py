"""Columns of files as they were parsed, kept between runs, so that a file that was read before is not parsed again.

    FOLDER/<SHA-256 of the file>/index.json         how the file was read; digests of the pieces
    FOLDER/<SHA-256 of the file>/00000.arrow ...    the pieces in order: Arrow streams, packed with LZ4

A file is known by its bytes: its name and time do not count. Of each the last reading is kept. What was kept by other
code, or does not match its digest, is not used. No result depends on the folder; it may be deleted between runs.
"""

import contextlib
import hashlib
import io
import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import files
from pipeline.dataset.columns import ColumnType
from pipeline.documents import json_documents
from pipeline.documents.json_documents import Digest, Form
from pipeline.errors import UserError, listed
from pipeline.parallel import threads
from pipeline.table.sources import File, Source

# A fourth of what is free is never taken, nor more than this; what was used longest ago goes first.
MOST_BYTES = 20 << 30

_UNFINISHED = "new"


@dataclass(frozen=True)
class ReadSettings:
    """Settings of a reading that parsed columns depend on, beside the bytes of the file."""

    separator: str
    encoding: str
    missing_values: Sequence[str]
    code: str


class _SettingsForm(Form):
    separator: str
    encoding: str
    missing_values: list[str]
    code: str


class _IndexForm(Form):
    folder: str
    content: Digest
    how: _SettingsForm
    kinds: dict[str, ColumnType]
    pieces: list[Digest]


@dataclass(frozen=True)
class CachedFile:
    """The columns of one file in ``folder``; ``pieces`` are the digests of its pieces, in order."""

    folder: Path
    content: str
    how: ReadSettings
    kinds: Mapping[str, ColumnType]
    pieces: Sequence[str]

    def paths(self) -> list[Path]:
        return [_piece(self.folder, number) for number in range(len(self.pieces))]

    def is_intact(self) -> bool:
        """Whether every piece is there and has its digest."""
        try:
            return all(files.sha256_file(path) == sha for path, sha in zip(self.paths(), self.pieces, strict=True))
        except OSError:
            return False

    def holds(self, how: ReadSettings, kinds: Mapping[str, ColumnType]) -> bool:
        """Whether columns of these kinds, read in this way, are among those that were kept."""
        return self.how == how and kinds.items() <= self.kinds.items()


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
        data = _packed(table)
        try:
            if not self.room.takes(len(data)):
                raise OSError
            _piece(self.entry.folder, number).write_bytes(data)
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
        entries = sorted(_usable(folder), key=lambda entry: entry.folder.stat().st_mtime)
        self._entries = {entry.content: entry for entry in entries if entry.content in digests.values()}
        self._idle = [entry for entry in entries if entry.content not in digests.values()]
        taken = sum(_size(entry.folder) for entry in entries)
        self._room = min(most, shutil.disk_usage(folder).free // 4 + taken) - taken

    def known(self, file: File, kinds: Mapping[str, ColumnType], missing_values: Sequence[str]) -> CachedFile | None:
        """The kept columns of a file, if there are any of these kinds."""
        content, how = self._digests[file.address], _settings(file, missing_values)
        new, earlier = self._new.get(content), self._entries.get(content)
        if new is not None and new.holds(how, kinds):
            return new
        self._reused[file.address] = earlier is not None and earlier.holds(how, kinds) and self._is_intact(earlier)
        if earlier is None:
            return None
        if not self._reused[file.address]:
            self._changes[file.address] = _change(earlier, how, kinds)
            return None
        with contextlib.suppress(OSError):
            os.utime(earlier.folder)
        return earlier

    def _is_intact(self, entry: CachedFile) -> bool:
        if entry.folder not in self._intact and entry.is_intact():
            self._intact.add(entry.folder)
        return entry.folder in self._intact

    def fresh(self, file: File, kinds: Mapping[str, ColumnType], missing_values: Sequence[str]) -> CacheWriter | None:
        """A new entry to fill for a file; None if the folder cannot be written."""
        content = self._digests[file.address]
        folder = self._folder / _UNFINISHED / hashlib.sha256(file.address.encode()).hexdigest()
        self._new.pop(content, None)
        self._drop(folder)
        try:
            folder.mkdir(parents=True)
        except OSError:
            return None
        return CacheWriter(CachedFile(folder, content, _settings(file, missing_values), dict(kinds), ()), self)

    def finish(self, fresh: CacheWriter) -> None:
        """Take in an entry all of whose pieces were added, for the rest of this run."""
        if fresh.is_given_up:
            self._drop(fresh.entry.folder)
            return
        entry = fresh.entry
        pieces = [fresh.digests[number] for number in range(len(fresh.digests))]
        self._new[entry.content] = CachedFile(entry.folder, entry.content, entry.how, entry.kinds, pieces)

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
                files.write_json(entry.folder / "index.json", asdict(entry) | {"folder": ""})
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


def load(path: Path, columns: Sequence[str]) -> Any:
    """The table of ``columns`` that ``CacheWriter.add`` kept as a piece."""
    try:
        data = path.read_bytes()
    except OSError:
        raise UserError(f"{path}: was removed while it was being read; run again") from None
    ipc: Any = pa.ipc
    try:
        positions = {name: position for position, name in enumerate(ipc.open_stream(data).schema.names)}
        options = ipc.IpcReadOptions(included_fields=[positions[name] for name in columns], use_threads=False)
        return ipc.open_stream(data, options=options).read_all()
    except (pa.ArrowInvalid, KeyError, OSError):
        raise UserError(
            f"{path}: expected columns as they were parsed, got others; remove {path.parent.parent}"
        ) from None


def _packed(table: Any) -> bytes:
    out = io.BytesIO()
    ipc: Any = pa.ipc
    options = ipc.IpcWriteOptions(compression="lz4", use_threads=False)
    with ipc.new_stream(out, table.schema, options=options) as writer:
        writer.write_table(table)
    return out.getvalue()


def _size(folder: Path) -> int:
    """Bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir())


def _piece(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.arrow"


def _settings(file: File, missing_values: Sequence[str]) -> ReadSettings:
    return ReadSettings(file.separator, file.encoding, list(missing_values), _code())


@cache
def _code() -> str:
    """A digest of all code that parses."""
    digest = hashlib.sha256(pa.__version__.encode())
    package = Path(__file__).parent.parent
    for path in sorted([*package.glob("table/*.py"), package / "dataset" / "columns.py"]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _usable(folder: Path) -> Iterator[CachedFile]:
    """The entries that this code made; others are of no use any more, and removed."""
    for path in folder.glob("*/index.json"):
        entry = _entry(path)
        if entry is not None and entry.how.code == _code():
            yield entry
        else:
            shutil.rmtree(path.parent, ignore_errors=True)


def _entry(index: Path) -> CachedFile | None:
    try:
        form = _IndexForm.model_validate(json_documents.decoded(index.read_bytes()))
    except (OSError, ValueError):
        return None
    return CachedFile(index.parent, form.content, ReadSettings(**dict(form.how)), form.kinds, form.pieces)


def _change(entry: CachedFile, how: ReadSettings, kinds: Mapping[str, ColumnType]) -> str:
    """The first difference between an entry and what is asked for."""
    for name in ("separator", "encoding", "missing_values"):
        if getattr(entry.how, name) != getattr(how, name):
            return f"{name} {getattr(how, name)!r} was {getattr(entry.how, name)!r}"
    for name, kind in kinds.items():
        if name not in entry.kinds:
            return f"column {name} was not read"
        if entry.kinds[name] != kind:
            return f"column {name} is {kind}, was {entry.kinds[name]}"
    return "what was kept is damaged"

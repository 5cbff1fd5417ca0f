"""The journal of a table that is being written: which of its blocks are safely on disk, for a run after a kill.

Each line seals itself and all before it, and the first the request, so that a line that was cut short, edited or taken
from another run ends what is trusted. A block is trusted only if its bytes have the digest of its line.
"""

import base64
import hashlib
import json
import os
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.predictor.batch.formats import EncodedBlock


@dataclass(frozen=True)
class Entry:
    """A block that was written: its rows, its bytes and their SHA-256, its footer packed as text.

    ``without_interval``: rows that the inference fit knows nothing of.
    """

    rows: int
    size: int
    sha256: str
    footer: str
    without_interval: int

    @classmethod
    def of(cls, block: EncodedBlock, rows: int, without_interval: int) -> "Entry":
        """The entry of a block of so many rows."""
        footer = base64.b85encode(zlib.compress(block.footer)).decode() if block.footer else ""
        return cls(rows, len(block.data), block.sha256.hex(), footer, without_interval)

    def unpacked_footer(self) -> bytes:
        """The footer of its block."""
        return zlib.decompress(base64.b85decode(self.footer)) if self.footer else b""


class Journal:
    """The file with a line a block; ``entries`` are those of an earlier run of the same request, in order."""

    def __init__(self, path: Path, request: str) -> None:
        """``request`` is a digest of everything that decides the bytes."""
        self._seals = [request]
        self.entries: list[Entry] = []
        self._ends = [0]
        self._file: BinaryIO = path.open("a+b")
        self._read()

    def _read(self) -> None:
        self._file.seek(0)
        for line in self._file:
            entry = _entry(line, self._seals[-1])
            if entry is None:
                break
            self.entries.append(entry)
            self._seals.append(_seal(self._seals[-1], entry))
            self._ends.append(self._ends[-1] + len(line))

    def keep(self, count: int) -> None:
        """Forget all entries but the first ``count``, and whatever follows them in the file."""
        del self.entries[count:], self._seals[count + 1 :], self._ends[count + 1 :]
        self._file.truncate(self._ends[-1])

    def append(self, entries: Iterable[Entry]) -> None:
        """Write entries, whose blocks are on disk, and wait until they are there themselves."""
        seal = self._seals[-1]
        for entry in entries:
            seal = _seal(seal, entry)
            self._file.write(_line(entry, seal))
        self._seals = [seal]
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def rows_written(path: Path) -> int:
    """The rows that a journal tells of, as far as lines can be read; 0 without one."""
    try:
        lines = path.read_bytes().splitlines()
        return sum(json.loads(line)["rows"] for line in lines)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0


def _line(entry: Entry, seal: str) -> bytes:
    return json.dumps(asdict(entry) | {"seal": seal}, sort_keys=True).encode() + b"\n"


def _seal(before: str, entry: Entry) -> str:
    return hashlib.sha256(before.encode() + json.dumps(asdict(entry), sort_keys=True).encode()).hexdigest()


def _entry(line: bytes, before: str) -> Entry | None:
    """The entry of a line that follows the seal ``before``; None if it is not the line that was written."""
    if not line.endswith(b"\n"):
        return None
    try:
        document: Any = json.loads(line)
        seal = document.pop("seal")
        entry = Entry(**document)
        return entry if seal == _seal(before, entry) else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None

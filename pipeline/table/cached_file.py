"""One file of the parse cache: the columns of a file as they were parsed, in a folder of its own.

FOLDER/<SHA-256 of the file>/index.json         settings of the reading, digests of the pieces
FOLDER/<SHA-256 of the file>/00000.arrow ...    the pieces in order: Arrow streams, packed with LZ4
"""

import hashlib
import io
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import files
from pipeline.dataset.columns import ColumnType
from pipeline.documents import json_documents
from pipeline.documents.json_documents import Digest, Form
from pipeline.errors import UserError
from pipeline.table.sources import File


class ReadSettings(Form):
    """Settings of a reading that parsed columns depend on, beside the bytes of the file."""

    separator: str
    encoding: str
    missing_values: list[str]
    code: str


class CachedFile(Form):
    """The columns of one file in ``folder``; ``pieces`` are the digests of its pieces, in order."""

    folder: Path
    content: Digest
    how: ReadSettings
    types: dict[str, ColumnType]
    pieces: list[Digest]

    def paths(self) -> list[Path]:
        return [piece_path(self.folder, number) for number in range(len(self.pieces))]

    def is_intact(self) -> bool:
        """Whether every piece is there and has its digest."""
        try:
            return all(files.sha256_file(path) == sha for path, sha in zip(self.paths(), self.pieces, strict=True))
        except OSError:
            return False

    def holds(self, how: ReadSettings, types: Mapping[str, ColumnType]) -> bool:
        """Whether columns of these types, read in this way, are among those that were kept."""
        return self.how == how and types.items() <= self.types.items()


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


def packed(table: Any) -> bytes:
    out = io.BytesIO()
    ipc: Any = pa.ipc
    options = ipc.IpcWriteOptions(compression="lz4", use_threads=False)
    with ipc.new_stream(out, table.schema, options=options) as writer:
        writer.write_table(table)
    return out.getvalue()


def piece_path(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.arrow"


def settings_of(file: File, missing_values: Sequence[str]) -> ReadSettings:
    return ReadSettings(
        separator=file.separator, encoding=file.encoding, missing_values=[*missing_values], code=_code()
    )


@cache
def _code() -> str:
    """A digest of all code that parses."""
    digest = hashlib.sha256(pa.__version__.encode())
    package = Path(__file__).parent.parent
    for path in sorted([*package.glob("table/*.py"), package / "dataset" / "columns.py"]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def usable(folder: Path) -> Iterator[CachedFile]:
    """The entries that this code made; others are of no use any more, and removed."""
    for path in folder.glob("*/index.json"):
        entry = _entry(path)
        if entry is not None and entry.how.code == _code():
            yield entry
        else:
            shutil.rmtree(path.parent, ignore_errors=True)


def _entry(index: Path) -> CachedFile | None:
    try:
        return CachedFile.model_validate({**json_documents.decoded(index.read_bytes()), "folder": index.parent})
    except (OSError, ValueError, TypeError):
        return None


def first_change(entry: CachedFile, how: ReadSettings, types: Mapping[str, ColumnType]) -> str:
    """The first difference between an entry and what is asked for."""
    for name in ("separator", "encoding", "missing_values"):
        if getattr(entry.how, name) != getattr(how, name):
            return f"{name} {getattr(how, name)!r} was {getattr(entry.how, name)!r}"
    for name, column_type in types.items():
        if name not in entry.types:
            return f"column {name} was not read"
        if entry.types[name] != column_type:
            return f"column {name} is {column_type}, was {entry.types[name]}"
    return "what was kept is damaged"

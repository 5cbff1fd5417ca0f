"""The prepared format: a folder of safetensors shards and readable JSON, written whole, then memory-mapped.

    schema.json encoder.json         the table as found, the fitted encoder
    prepared.json                    format, rows and digests
    train-00000.safetensors ...      at most 4 blocks of one split, rows in the order of the source

Tensors of a shard with n rows: numbers (n, p) float32, codes (n, c) uint8, int16 or int32, labels (n,) int32, rows (n,)
int64 = 1-based data row in the source, and weights (n,) float64 if rows have any. Digests are of content only.
"""

import hashlib
import json
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from pipeline import files
from pipeline.encoding import Encoder
from pipeline.errors import UserError
from pipeline.numerics import workers
from pipeline.numerics.kept import Kept

FORMAT = "softmax-prepared/1"
BLOCK_ROWS = 16_384
SHARD_ROWS = 4 * BLOCK_ROWS

_WRITERS = 2

_DTYPES = {"F32": "<f4", "F64": "<f8", "U8": "u1", "I16": "<i2", "I32": "<i4", "I64": "<i8"}


@dataclass(frozen=True)
class Shard:
    """Rows of one split, at most SHARD_ROWS; arrays that were read lie in the file and cannot be written."""

    numbers: NDArray[np.float32]
    codes: NDArray[np.integer[Any]]
    labels: NDArray[np.int32]
    rows: NDArray[np.int64]
    weights: NDArray[np.float64] | None = None

    def tensors(self) -> dict[str, NDArray[Any]]:
        """The arrays that are there, by name."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: array for name, array in named.items() if array is not None}

    def part(self, start: int, stop: int | None = None) -> "Shard":
        """Rows from ``start`` to before ``stop``."""
        return Shard(**{name: array[start:stop] for name, array in self.tensors().items()})


@dataclass(frozen=True)
class Split:
    """All rows of one split, in the order of the source; ``shard_rows`` counts those of each shard."""

    rows: int
    shards: Sequence[Shard]
    shard_rows: Sequence[int]


@dataclass(frozen=True)
class Prepared:
    """Prepared data, opened. ``splits`` always has "train" and further splits if they have rows."""

    digest: str
    schema: dict[str, Any]
    encoder: Encoder
    splits: dict[str, Split]


class Writer:
    """Fills an empty folder with shards: ``add`` rows in order, then ``finish`` once; two threads write the files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: dict[str, list[Shard]] = {}
        self._splits: dict[str, dict[str, Any]] = {}
        self._pool = ThreadPoolExecutor(_WRITERS)
        self._writing: deque[Future[None]] = deque()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def add(self, split: str, rows: Shard) -> None:
        """Append rows, any number, to a split."""
        if not len(rows.rows):
            return
        waiting = self._waiting.setdefault(split, [])
        waiting.append(rows)
        if sum(len(part.rows) for part in waiting) >= SHARD_ROWS:
            whole = _joined(waiting)
            full = len(whole.rows) - len(whole.rows) % SHARD_ROWS
            for start in range(0, full, SHARD_ROWS):
                self._write(split, whole.part(start, start + SHARD_ROWS))
            self._waiting[split] = [whole.part(full)]

    def _write(self, split: str, shard: Shard) -> None:
        entry = self._splits.setdefault(split, {"rows": 0, "shards": []})
        name = f"{split}-{len(entry['shards']):05d}.safetensors"
        listed: dict[str, Any] = {"file": name, "rows": len(shard.rows)}
        entry["rows"] += len(shard.rows)
        entry["shards"].append(listed)
        # What waits to be written lies in memory: no more than a few shards may.
        while len(self._writing) > _WRITERS:
            self._writing.popleft().result()
        self._writing.append(self._pool.submit(self._save, shard, listed))

    def _save(self, shard: Shard, listed: dict[str, Any]) -> None:
        data = save(shard.tensors())
        files.write_bytes(self._folder / listed["file"], data)
        listed["sha256"] = hashlib.sha256(data).hexdigest()

    def finish(self, schema: Mapping[str, Any], encoder: Encoder) -> str:
        """Write what still waits and the JSON documents; returns the digest of the prepared data."""
        for split, waiting in self._waiting.items():
            rest = _joined(waiting)
            if len(rest.rows):
                self._write(split, rest)
        for writing in self._writing:
            writing.result()
        self._pool.shutdown()
        files.write_json(self._folder / "schema.json", dict(schema))
        files.write_json(self._folder / "encoder.json", encoder.to_json())
        content = {
            "format": FORMAT,
            "block_rows": BLOCK_ROWS,
            "schema": files.sha256_file(self._folder / "schema.json"),
            "encoder": files.sha256_file(self._folder / "encoder.json"),
            "splits": self._splits,
        }
        digest = files.sha256_text(files.canonical_json(content))
        files.write_json(self._folder / "prepared.json", content | {"digest": digest})
        return digest


def _joined(parts: list[Shard]) -> Shard:
    if len(parts) == 1:
        return parts[0]
    columns = [part.tensors() for part in parts]
    return Shard(**{name: np.concatenate([tensors[name] for tensors in columns]) for name in columns[0]})


def open_prepared(folder: Path) -> Prepared:
    """Open a folder that prepare wrote, verifying every digest; arrays are memory-mapped.

    Of many workers each verifies and maps its own shards here, and another one when it first asks for it.
    Raises: UserError that names the file that is missing, damaged or edited.
    """
    files.restore(folder)
    content = _json(folder / "prepared.json")
    if content.get("format") != FORMAT:
        came = content.get("format")
        raise UserError(f"{folder}/prepared.json: expected format {FORMAT}, got {came!r}; run `dvc repro`")
    digest = content.pop("digest", None)
    if digest != files.sha256_text(files.canonical_json(content)):
        raise _damaged(folder / "prepared.json")
    _verify(folder / "schema.json", content["schema"])
    _verify(folder / "encoder.json", content["encoder"])
    splits = {name: _open_split(folder, entry) for name, entry in content["splits"].items()}
    encoder = Encoder.from_json(_json(folder / "encoder.json"))
    return Prepared(digest=digest, schema=_json(folder / "schema.json"), encoder=encoder, splits=splits)


def _open_split(folder: Path, entry: Mapping[str, Any]) -> Split:
    listed = entry["shards"]

    def opened(place: int) -> Shard:
        path = folder / listed[place]["file"]
        _verify(path, listed[place]["sha256"])
        return Shard(**_mapped(path))

    shards = Kept(opened, len(listed))
    mine = workers.own(len(listed))
    shards[mine.start : mine.stop]  # opened by being asked for
    return Split(rows=entry["rows"], shards=shards, shard_rows=[shard["rows"] for shard in listed])


def _mapped(path: Path) -> dict[str, NDArray[Any]]:
    """Tensors of a safetensors file as views of the mapped file; the library's own reader copies them.

    Layout: 8 bytes little-endian length, that many bytes of JSON header, then the data that its offsets point into.
    """
    raw: NDArray[np.uint8] = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
    start = 8 + int(raw[:8].view("<u8")[0])
    header = json.loads(bytes(raw[8:start]))
    header.pop("__metadata__", None)
    return {name: _view(raw[start:], entry) for name, entry in header.items()}


def _view(data: NDArray[np.uint8], entry: Mapping[str, Any]) -> NDArray[Any]:
    begin, end = entry["data_offsets"]
    return data[begin:end].view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])


def _json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: no such file; run `dvc repro` to prepare the data") from None
    except ValueError:
        raise _damaged(path) from None
    if not isinstance(document, dict):
        raise _damaged(path)
    return document


def _verify(path: Path, sha256: str) -> None:
    try:
        found = files.sha256_file(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` to prepare the data") from None
    if found != sha256:
        raise _damaged(path)


def _damaged(path: Path) -> UserError:
    return UserError(f"{path}: digest does not match its content: the file was cut short or edited; run `dvc repro`")

"""The prepared format: a folder of safetensors shards and readable JSON, written whole, then memory-mapped.

    schema.json encoder.json         the table as found, the fitted encoder
    prepared.json                    format, rows and digests
    train-00000.safetensors ...      at most 4 blocks of one split, rows in the order of the source

Tensors of a shard with n rows: numbers (n, p) float32, codes (n, c) uint8, int16 or int32, labels (n,) int32, rows (n,)
int64 = 1-based data row in the source, and weights (n,) float64 if rows have any. Digests are of content only.
"""

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from pipeline import documents, files, values
from pipeline.documents import Digest, Form
from pipeline.encoding import Encoder
from pipeline.errors import UserError, listed, quoted
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
        name = _file_name(split, len(entry["shards"]))
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


def _file_name(split: str, position: int) -> str:
    return f"{split}-{position:05d}.safetensors"


def _joined(parts: list[Shard]) -> Shard:
    if len(parts) == 1:
        return parts[0]
    columns = [part.tensors() for part in parts]
    return Shard(**{name: np.concatenate([tensors[name] for tensors in columns]) for name in columns[0]})


class _ShardForm(Form):
    """A shard as prepared.json lists it."""

    file: str
    rows: Annotated[int, Field(ge=1, le=SHARD_ROWS)]
    sha256: Digest


class _SplitForm(Form):
    rows: int
    shards: Annotated[list[_ShardForm], Field(min_length=1)]


class _PreparedForm(Form):
    """What prepared.json holds beside its digest."""

    model_config = ConfigDict(protected_namespaces=())

    format: str
    block_rows: Literal[16_384]
    schema_digest: Annotated[Digest, Field(alias="schema")]
    encoder: Digest
    splits: dict[str, _SplitForm]


@dataclass(frozen=True)
class Contents:
    """What a folder of prepared data says of itself: its digest, rows by split, and the encoder."""

    digest: str
    rows: dict[str, int]
    encoder: Encoder


def contents(folder: Path) -> Contents:
    """Read prepared.json and encoder.json alone; no row need be there. The errors are those of ``open_prepared``."""
    digest, form = _index(folder)
    return Contents(digest, {name: split.rows for name, split in form.splits.items()}, _encoder(folder, form))


def open_prepared(folder: Path) -> Prepared:
    """Open a folder that prepare wrote, verifying every digest and value; arrays are memory-mapped.

    Of many workers each verifies and maps its own shards here, and another one when it first asks for it.
    Raises: UserError that names the file that is missing, damaged, edited, or forged: its digest matches, but it is
    not what prepare writes.
    """
    files.restore(folder)
    digest, form = _index(folder)
    _verify(folder / "schema.json", form.schema_digest)
    encoder = _encoder(folder, form)
    is_weighted = _is_weighted(folder, form)
    splits = {name: _open_split(folder, split, encoder, is_weighted) for name, split in form.splits.items()}
    schema = documents.read(folder / "schema.json", _REMEDY, _MISSING)
    return Prepared(digest=digest, schema=schema, encoder=encoder, splits=splits)


def _index(folder: Path) -> tuple[str, _PreparedForm]:
    """The digest of the prepared data, and the rest of prepared.json."""
    path = folder / "prepared.json"
    sealed = documents.read(path, _REMEDY, _MISSING)
    content = documents.unsealed(sealed, FORMAT, path, _REMEDY, "run `dvc repro`")
    with documents.faults_named(path, _REMEDY):
        form = _PreparedForm.model_validate(content)
        for name, split in form.splits.items():
            _require_names_and_rows(name, split)
        if "train" not in form.splits or not form.splits.keys() <= {"train", "validation", "test"}:
            raise ValueError(f"splits: expected train, and maybe validation and test, got {listed(form.splits)}")
    return sealed["digest"], form


def _encoder(folder: Path, form: _PreparedForm) -> Encoder:
    path = folder / "encoder.json"
    _verify(path, form.encoder)
    described = documents.read(path, _REMEDY, _MISSING)
    with documents.faults_named(path, _REMEDY):
        return Encoder.from_json(described)


def _require_names_and_rows(name: str, split: _SplitForm) -> None:
    """Check that the shards are called as prepare calls them, so that none lies elsewhere or counts twice."""
    for position, shard in enumerate(split.shards):
        if shard.file != _file_name(name, position):
            raise ValueError(f"shard: expected {_file_name(name, position)}, got {quoted(shard.file)}")
    if any(shard.rows != SHARD_ROWS for shard in split.shards[:-1]):
        raise ValueError(f"{name}: expected {SHARD_ROWS} rows in every shard but the last, got fewer")
    rows = sum(shard.rows for shard in split.shards)
    if rows != split.rows:
        raise ValueError(f"{name}: expected {rows} rows, as its shards have together, got {split.rows}")


def _is_weighted(folder: Path, form: _PreparedForm) -> bool:
    """Whether rows have weights: all have, or none, so the first shard tells."""
    path = folder / form.splits["train"].shards[0].file
    return "weights" in _header(path)[0]


def _open_split(folder: Path, split: _SplitForm, encoder: Encoder, is_weighted: bool) -> Split:
    entries = split.shards

    def opened(place: int) -> Shard:
        path = folder / entries[place].file
        _verify(path, entries[place].sha256)
        shard = _mapped(path, entries[place].rows, encoder, is_weighted)
        values.require(shard, encoder, path)
        return shard

    shards = Kept(opened, len(entries))
    mine = workers.own(len(entries))
    shards[mine.start : mine.stop]  # opened by being asked for
    return Split(rows=split.rows, shards=shards, shard_rows=[shard.rows for shard in entries])


def _mapped(path: Path, rows: int, encoder: Encoder, is_weighted: bool) -> Shard:
    """Tensors of a safetensors file as views of the mapped file; the library's own reader copies them."""
    header, start = _header(path)
    _require_tensors(path, header, rows, encoder, is_weighted)
    raw: NDArray[np.uint8] = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
    return Shard(**{name: _view(raw[start:], entry) for name, entry in header.items()})


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The tensors that a safetensors file lists, and where its data begins.

    Layout: 8 bytes little-endian length, that many bytes of JSON header, then the data that its offsets point into.
    The library is asked first, since it checks length, types, shapes and offsets against the file.
    Raises: UserError for a file that is not there, or that the library refuses.
    """
    documents.require_file(path, _MISSING)
    try:
        with safe_open(path, framework="numpy"), path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = documents.parse(file.read(length), path, _REMEDY)
    except SafetensorError:
        raise UserError(f"{path}: expected safetensors, got something else: {_REMEDY}") from None
    header.pop("__metadata__", None)
    return header, 8 + length


def _require_tensors(path: Path, header: Mapping[str, Any], rows: int, encoder: Encoder, is_weighted: bool) -> None:
    """Check that a shard has the tensors of the format, of its types and shapes."""
    expected = {
        "numbers": (("F32",), [rows, encoder.number_count]),
        "codes": (("U8", "I16", "I32"), [rows, len(encoder.categories)]),
        "labels": (("I32",), [rows]),
        "rows": (("I64",), [rows]),
        **({"weights": (("F64",), [rows])} if is_weighted else {}),
    }
    if header.keys() != expected.keys():
        raise UserError(f"{path}: expected the tensors {', '.join(expected)}, got {listed(sorted(header))}: {_REMEDY}")
    for name, (types, shape) in expected.items():
        if header[name]["dtype"] not in types or header[name]["shape"] != shape:
            came = f"{quoted(header[name]['dtype'])} {quoted(header[name]['shape'])}"
            raise UserError(f"{path}: tensor {name}: expected {' or '.join(types)} {shape}, got {came}: {_REMEDY}")


def _view(data: NDArray[np.uint8], entry: Mapping[str, Any]) -> NDArray[Any]:
    begin, end = entry["data_offsets"]
    return data[begin:end].view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])


def _verify(path: Path, sha256: str) -> None:
    documents.require_file(path, _MISSING)
    if files.sha256_file(path) != sha256:
        raise UserError(f"{path}: digest does not match its content: {_REMEDY}")


_MISSING = "run `dvc repro` to prepare the data"
_REMEDY = "the file was cut short or edited; run `dvc repro`"

"""The prepared format: a folder of safetensors shards and readable JSON, written whole, then memory-mapped.

    schema.json encoder.json         the table as found, the fitted encoder
    prepared.json                    format, rows and digests
    train-00000.safetensors ...      at most 4 blocks of one split, rows in the order of the source

Tensors of a shard with n rows: numbers (n, p) of the encoder's dtype, codes (n, c) uint8, int16 or int32, labels (n,)
int32, rows (n,) int64 = 1-based data row in the source; if rows have any, weights (n,) float64, groups (n,) uint64,
digests of the key whose equal values stay together, and kept (n, m) uint64, digests of the values of the m columns that
prepared.json names as `kept`: equal where a column's values are, no value being one too; `kept_values` has the texts of
some columns. Other digests are of content only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from safetensors import SafetensorError, safe_open

from pipeline import files
from pipeline.dataset import values
from pipeline.dataset.encoder import DType, Encoder
from pipeline.dataset.shard import FORMAT, SHARD_ROWS, SPLITS, Shard, file_name
from pipeline.documents import json_documents
from pipeline.documents.json_documents import Digest, Form
from pipeline.errors import UserError, listed, quoted
from pipeline.output_files import ENCODER_FILE, PREPARED_FILE, SCHEMA_FILE
from pipeline.parallel import workers
from pipeline.parallel.lazy import CachedSequence

_DTYPES = {"F32": "<f4", "F64": "<f8", "U8": "u1", "I16": "<i2", "I32": "<i4", "I64": "<i8", "U64": "<u8"}

_NUMBERS: Mapping[DType, str] = {"float32": "F32", "float64": "F64"}
_OPTIONAL = {"weights": "F64", "groups": "U64"}

# Tensors that the shards of a dataset have beside those of all: the type, and the shape behind the rows.
_Optional = dict[str, tuple[str, list[int]]]


@dataclass(frozen=True)
class SplitRows:
    """All rows of one split, in the order of the source; ``shard_rows`` counts those of each shard."""

    rows: int
    shards: Sequence[Shard]
    shard_rows: Sequence[int]


@dataclass(frozen=True)
class Dataset:
    """Prepared data, opened. ``splits`` always has "train" and further splits if they have rows.

    ``kept`` names the columns of each shard's ``kept``, in order, ``kept_values`` the text of each digest in some of
    these columns; None is no value.
    """

    digest: str
    schema: dict[str, Any]
    encoder: Encoder
    splits: dict[str, SplitRows]
    kept: tuple[str, ...] = ()
    kept_values: Mapping[str, Mapping[int, str | None]] = field(default_factory=dict)


_HexDigest = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]


class _ShardForm(Form):
    """A shard as prepared.json lists it."""

    file: str
    rows: Annotated[int, Field(ge=1, le=SHARD_ROWS)]
    sha256: Digest


class _SplitForm(Form):
    rows: int
    shards: Annotated[list[_ShardForm], Field(min_length=1)]


class _PreparedForm(Form):
    """prepared.json without its digest."""

    model_config = ConfigDict(protected_namespaces=())

    format: str
    block_rows: Literal[16_384]
    schema_digest: Annotated[Digest, Field(alias="schema")]
    encoder: Digest
    splits: dict[str, _SplitForm]
    kept: Annotated[list[str], Field(min_length=1, default_factory=list)]
    kept_values: dict[str, dict[_HexDigest, str | None]] = Field(default_factory=dict)


@dataclass(frozen=True)
class Summary:
    """A folder of prepared data without its rows: its digest, rows by split, and the encoder."""

    digest: str
    rows: dict[str, int]
    encoder: Encoder


def contents(folder: Path) -> Summary:
    """Read prepared.json and encoder.json alone; no row need be there. The errors are those of ``open_prepared``."""
    digest, form = _index(folder)
    return Summary(digest, {name: split.rows for name, split in form.splits.items()}, _encoder(folder, form))


def open_dataset(folder: Path) -> Dataset:
    """Open a folder that prepare wrote, verifying every digest and value; arrays are memory-mapped.

    Of many workers each verifies and maps its own shards here, and another one when it first asks for it.
    Raises: UserError that names the file that is missing, damaged, edited, or forged: its digest matches, but it is
    not what prepare writes.
    """
    files.restore(folder)
    digest, form = _index(folder)
    _verify(folder / SCHEMA_FILE, form.schema_digest)
    encoder = _encoder(folder, form)
    # All rows have weights and groups, or none: the first shard tells.
    there = _header(folder / form.splits["train"].shards[0].file)[0]
    optional: _Optional = {name: (dtype, []) for name, dtype in _OPTIONAL.items() if name in there}
    if form.kept:
        optional["kept"] = ("U64", [len(form.kept)])
    splits = {name: _open_split(folder, split, encoder, optional) for name, split in form.splits.items()}
    schema = json_documents.read(folder / SCHEMA_FILE, _REMEDY, _MISSING)
    return Dataset(
        digest=digest,
        schema=schema,
        encoder=encoder,
        splits=splits,
        kept=tuple(form.kept),
        kept_values={
            name: {int(digest, 16): text for digest, text in texts.items()} for name, texts in form.kept_values.items()
        },
    )


def _index(folder: Path) -> tuple[str, _PreparedForm]:
    """The digest of the prepared data, and the rest of prepared.json."""
    path = folder / PREPARED_FILE
    sealed = json_documents.read(path, _REMEDY, _MISSING)
    content = json_documents.unsealed(sealed, FORMAT, path, _REMEDY, "run `dvc repro`")
    with json_documents.faults_named(path, _REMEDY):
        form = _PreparedForm.model_validate(content)
        for name, split in form.splits.items():
            _require_names_and_rows(name, split)
        if len({*form.kept}) < len(form.kept):
            raise ValueError(f"kept: expected each name once, got {listed(form.kept)}")
        if not form.kept_values.keys() <= {*form.kept}:
            raise ValueError(f"kept_values: expected columns of kept, got {listed(form.kept_values)}")
        if "train" not in form.splits or not form.splits.keys() <= {*SPLITS}:
            raise ValueError(f"splits: expected train, and maybe validation and test, got {listed(form.splits)}")
    return sealed["digest"], form


def _encoder(folder: Path, form: _PreparedForm) -> Encoder:
    path = folder / ENCODER_FILE
    _verify(path, form.encoder)
    described = json_documents.read(path, _REMEDY, _MISSING)
    with json_documents.faults_named(path, _REMEDY):
        return Encoder.from_json(described)


def _require_names_and_rows(name: str, split: _SplitForm) -> None:
    """Check that the shards are called as prepare calls them, so that none lies elsewhere or counts twice."""
    for position, shard in enumerate(split.shards):
        if shard.file != file_name(name, position):
            raise ValueError(f"shard: expected {file_name(name, position)}, got {quoted(shard.file)}")
    if any(shard.rows != SHARD_ROWS for shard in split.shards[:-1]):
        raise ValueError(f"{name}: expected {SHARD_ROWS} rows in every shard but the last, got fewer")
    rows = sum(shard.rows for shard in split.shards)
    if rows != split.rows:
        raise ValueError(f"{name}: expected {rows} rows, as its shards have together, got {split.rows}")


def _open_split(folder: Path, split: _SplitForm, encoder: Encoder, optional: _Optional) -> SplitRows:
    entries = split.shards

    def opened(place: int) -> Shard:
        path = folder / entries[place].file
        _verify(path, entries[place].sha256)
        shard = _mapped(path, entries[place].rows, encoder, optional)
        values.require(shard, encoder, path)
        return shard

    shards = CachedSequence(opened, len(entries))
    mine = workers.local_range(len(entries))
    shards[mine.start : mine.stop]  # opened by being asked for
    return SplitRows(rows=split.rows, shards=shards, shard_rows=[shard.rows for shard in entries])


def _mapped(path: Path, rows: int, encoder: Encoder, optional: _Optional) -> Shard:
    """Tensors of a safetensors file as views of the mapped file; the library's own reader copies them."""
    header, start = _header(path)
    _require_tensors(path, header, rows, encoder, optional)
    raw: NDArray[np.uint8] = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
    return Shard(**{name: _view(raw[start:], entry) for name, entry in header.items()})


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The tensors that a safetensors file lists, and where its data begins.

    Layout: 8 bytes little-endian length, that many bytes of JSON header, then the data that its offsets point into.
    The library is asked first, since it checks length, types, shapes and offsets against the file.
    Raises: UserError for a file that is not there, or that the library refuses.
    """
    json_documents.require_file(path, _MISSING)
    try:
        with safe_open(path, framework="numpy"), path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json_documents.parse(file.read(length), path, _REMEDY)
    except SafetensorError:
        raise UserError(f"{path}: expected safetensors, got something else: {_REMEDY}") from None
    header.pop("__metadata__", None)
    return header, 8 + length


def _require_tensors(path: Path, header: Mapping[str, Any], rows: int, encoder: Encoder, optional: _Optional) -> None:
    """Check that a shard has the tensors of the format, of its types and shapes."""
    expected = {
        "numbers": ((_NUMBERS[encoder.dtype],), [rows, encoder.number_count]),
        "codes": (("U8", "I16", "I32"), [rows, len(encoder.categories)]),
        "labels": (("I32",), [rows]),
        "rows": (("I64",), [rows]),
        **{name: ((dtype,), [rows, *shape]) for name, (dtype, shape) in optional.items()},
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
    json_documents.require_file(path, _MISSING)
    if files.sha256_file(path) != sha256:
        raise UserError(f"{path}: digest does not match its content: {_REMEDY}")


_MISSING = "run `dvc repro` to prepare the data"
_REMEDY = "the file was cut short or edited; run `dvc repro`"

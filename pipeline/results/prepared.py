"""What prepare says of the table: its columns, and the rows of each split."""

import hashlib
from dataclasses import dataclass
from typing import Any

from pydantic import Field, FiniteFloat, NonNegativeInt

from pipeline.dataset.columns import is_date, part_name
from pipeline.dataset.shard import FORMAT, SPLITS
from pipeline.documents import json_documents
from pipeline.documents.json_documents import Digest
from pipeline.errors import UserError
from pipeline.results.checks import REMEDY, OpenForm


class _Split(OpenForm):
    rows: NonNegativeInt


class _Prepared(OpenForm):
    schema_digest: Digest = Field(alias="schema")
    splits: dict[str, _Split]


@dataclass(frozen=True)
class PreparedIndex:
    """prepared.json in short: the digest of the data, that of schema.json, and the rows of each split."""

    digest: str
    schema_digest: str
    rows: dict[str, int]


def parse_prepared(content: bytes, place: object) -> PreparedIndex:
    """prepared.json. Raises: UserError that names ``place``."""
    sealed = json_documents.parse(content, place, REMEDY)
    document = json_documents.unsealed(sealed, FORMAT, place, REMEDY, "run `dvc repro`")
    with json_documents.faults_named(place, REMEDY):
        form = _Prepared.model_validate(document)
    rows = {split: form.splits[split].rows for split in SPLITS if split in form.splits}
    return PreparedIndex(str(sealed["digest"]), form.schema_digest, rows)


class _Level(OpenForm):
    level: str
    rows: NonNegativeInt


class _Content(OpenForm):
    """Moments of a number, or of a part of a date."""

    minimum: FiniteFloat | None = None
    maximum: FiniteFloat | None = None
    mean: FiniteFloat | None = None
    standard_deviation: FiniteFloat | None = None


class _Column(_Content):
    name: str
    role: str = ""
    kind: str
    count: NonNegativeInt = 0
    missing: NonNegativeInt = 0
    levels: list[_Level] | None = None
    parts: dict[str, _Content] | None = None


class _Schema(OpenForm):
    rows: NonNegativeInt
    rows_without_label: NonNegativeInt = 0
    straddling_rows: NonNegativeInt | None = None
    columns: list[_Column]
    ignored: list[str] = Field(default_factory=list)


def parse_schema(content: bytes, place: object, digest: str) -> dict[str, Any]:
    """schema.json, whose SHA-256 prepared.json has as ``digest``; ``ignored`` is a list. Raises: UserError."""
    if hashlib.sha256(content).hexdigest() != digest:
        raise UserError(f"{place}: SHA-256 is not the one in prepared.json: {REMEDY}")
    document = json_documents.parse(content, place, REMEDY)
    with json_documents.faults_named(place, REMEDY):
        _Schema.model_validate(document)
    return {"ignored": [], "rows_without_label": 0, "straddling_rows": None} | document


def standard_deviations(schema: dict[str, Any]) -> dict[str, float]:
    """The standard deviation of each number column and part of a date, from a document of ``parse_schema``."""
    deviations: dict[str, float] = {}
    for column in schema["columns"]:
        parts = column.get("parts") or {} if is_date(column["kind"]) else {}
        described = {part_name(column["name"], part): content for part, content in parts.items()}
        for name, content in (described or {column["name"]: column}).items():
            if content.get("standard_deviation") is not None:
                deviations[name] = float(content["standard_deviation"])
    return deviations

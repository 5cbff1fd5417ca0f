"""The ranges of a model's numbers: the least and the largest of each column, over all rows of the prepared table.

ranges.json carries them to where the table is not: it belongs to one table by the digest of its data.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import FiniteFloat

from pipeline import files
from pipeline.documents import json_documents
from pipeline.documents.json_documents import Digest, Form

Ranges = Mapping[str, tuple[float, float]]

FORMAT = "softmax-ranges/1"


class _Document(Form):
    """ranges.json without its digest."""

    format: str
    data_digest: Digest
    ranges: dict[str, tuple[FiniteFloat, FiniteFloat]]


def ranges_of(schema: Mapping[str, Any]) -> Ranges:
    """The ranges in a document of schema.json."""
    return {
        column["name"]: (float(column["minimum"]), float(column["maximum"]))
        for column in schema.get("columns", ())
        if column.get("minimum") is not None and column.get("maximum") is not None
    }


def content(ranges: Ranges, data_digest: str) -> bytes:
    """ranges.json, sealed, of the table whose prepared data has this digest."""
    document = {
        "format": FORMAT,
        "data_digest": data_digest,
        "ranges": {name: [*bounds] for name, bounds in ranges.items()},
    }
    return files.canonical_json(document | {"digest": files.sha256_text(files.canonical_json(document))}).encode()


def parse(data: bytes, place: object, data_digest: str) -> Ranges | None:
    """The ranges of ranges.json; None if they are of other data. Raises: UserError if it is damaged or forged."""
    sealed = json_documents.parse(data, place, _REMEDY)
    document = json_documents.unsealed(sealed, FORMAT, place, _REMEDY, _REMEDY)
    with json_documents.faults_named(place, _REMEDY):
        form = _Document.model_validate(document | {"ranges": _as_tuples(document.get("ranges"))})
    return form.ranges if form.data_digest == data_digest else None


def _as_tuples(ranges: Any) -> Any:
    """JSON has lists where a strict form has pairs."""
    if not isinstance(ranges, dict):
        return ranges
    return {name: tuple(bounds) if isinstance(bounds, list) else bounds for name, bounds in ranges.items()}


_REMEDY = "download the model again"

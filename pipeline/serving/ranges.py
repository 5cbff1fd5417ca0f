"""Where the ranges of a served model's numbers come from: beside it, or the prepared data that it was trained on."""

from pathlib import Path

from pipeline.errors import UserError
from pipeline.model import Model
from pipeline.output_files import PREPARED_FILE, RANGES_FILE, SCHEMA_FILE
from pipeline.predictor import ranges
from pipeline.predictor.ranges import Ranges
from pipeline.results.prepared import parse_prepared, parse_schema
from pipeline.serving.models import StoredModel


def find(stored: StoredModel, model: Model, prepared: Path) -> Ranges | None:
    """From ranges.json beside the model, else schema.json in the folder ``prepared``; None if neither is of its data.

    A damaged file says nothing of the model, which needs none of them.
    """
    try:
        beside = stored.contents.get(RANGES_FILE)
        known = None if beside is None else ranges.parse(beside, stored.place / RANGES_FILE, model.data_digest)
        return _of_prepared(prepared, model) if known is None else known
    except UserError:
        return None


def _of_prepared(folder: Path, model: Model) -> Ranges | None:
    index, schema = _read(folder / PREPARED_FILE), _read(folder / SCHEMA_FILE)
    if index is None or schema is None:
        return None
    prepared = parse_prepared(index, folder / PREPARED_FILE)
    if prepared.digest != model.data_digest:
        return None
    return ranges.ranges_of(parse_schema(schema, folder / SCHEMA_FILE, prepared.schema_digest))


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None

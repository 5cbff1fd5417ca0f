"""The ranges of a model's numbers: from schema.json of the data that it was trained on, which its digest names."""

from pathlib import Path

from pipeline.errors import UserError
from pipeline.model import Model
from pipeline.output_files import PREPARED_FILE, SCHEMA_FILE
from pipeline.results.prepared import parse_prepared, parse_schema
from pipeline.serving.models import StoredModel
from pipeline.serving.observations import Ranges, ranges_of


def find(stored: StoredModel, model: Model, prepared: Path) -> Ranges | None:
    """From prepared.json and schema.json beside the model, else in the folder ``prepared``; None if neither has those.

    They are of all rows that were prepared: training, validation and test.
    """
    beside = stored.contents.get
    known = _ranges(beside(PREPARED_FILE), beside(SCHEMA_FILE), stored.place, model)
    if known is not None:
        return known
    return _ranges(_read(prepared / PREPARED_FILE), _read(prepared / SCHEMA_FILE), prepared, model)


def _ranges(index: bytes | None, schema: bytes | None, place: Path, model: Model) -> Ranges | None:
    if index is None or schema is None:
        return None
    try:
        prepared = parse_prepared(index, place / PREPARED_FILE)
        if prepared.digest != model.data_digest:
            return None
        return ranges_of(parse_schema(schema, place / SCHEMA_FILE, prepared.schema_digest))
    except UserError:  # a damaged file says nothing of the model, which needs none of them
        return None


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None

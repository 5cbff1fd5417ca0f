"""MLflow's scoring protocol: POST /invocations, as its own server of release 3.17 reads and answers it.

Source: mlflow/pyfunc/scoring_server/__init__.py.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from pipeline.dataset.columns import Chunk
from pipeline.errors import UserError, listed, quoted, shortened
from pipeline.serving import json_bodies
from pipeline.serving.limits import Limits
from pipeline.serving.models import ServedModel
from pipeline.serving.requests import JSON, Request, RequestError, Response

_FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_CSV = b"text/csv"
# Others would be unpacked by whoever reads tables, to any size.
_PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1")

# By status, of mlflow/protos/databricks.proto.
_CODES = {
    400: "BAD_REQUEST",
    404: "ENDPOINT_NOT_FOUND",
    413: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def error(status: int, sentence: str) -> bytes:
    """The body of an answer to what cannot be answered."""
    return orjson.dumps({"error_code": _CODES.get(status, "BAD_REQUEST"), "message": sentence})


def answer(request: Request, model: ServedModel, limits: Limits) -> Response:
    """The predictions, with what the rows hold that the model has not seen.

    Raises: RequestError; UserError for rows that do not fit the model.
    """
    kind = _media_type(request.headers)
    chunk = (_read_csv if kind == _CSV else _read_json)(request.body, model, limits)
    if chunk is None:
        return Response(200, _document(model, [], [], None if model.ranges is None else []))
    scored = model.scorer.score(chunk)
    observed = model.observer.observe(chunk)
    body = _document(model, model.writer.rows(scored), observed.unseen, observed.beyond_range)
    return Response(200, body, rows=chunk.rows)


def is_small(request: Request) -> bool:
    """Whether reading takes no longer than the body's size says: a table is read through a file."""
    return not request.headers.get(b"content-type", b"").lower().startswith(_CSV)


def _document(model: ServedModel, rows: Any, unseen: list[Any], beyond: list[Any] | None) -> bytes:
    notes = b"" if not unseen and beyond == [] else orjson.dumps({"unseen": unseen, "beyond_range": beyond})[1:-1]
    return b'{"predictions":[%b],"model_key":"%b",%b}' % (
        ",".join(rows).encode(),
        model.key.encode(),
        notes or b'"unseen":[],"beyond_range":[]',
    )


def _media_type(headers: Mapping[bytes, bytes]) -> bytes:
    """JSON or CSV, in UTF-8. Raises: RequestError (415) for any other."""
    given = headers.get(b"content-type", b"")
    if given == JSON:
        return JSON
    kind, *parameters = (part.strip() for part in given.lower().split(b";"))
    if kind not in (JSON, _CSV):
        shown = quoted(given.decode("latin-1")) if given else "none"
        raise RequestError(415, f"expected the content type application/json or text/csv, got {shown}")
    for parameter in filter(None, parameters):
        name, _, value = parameter.partition(b"=")
        if name.strip() != b"charset" or value.strip(b' "') not in (b"utf-8", b"utf8"):
            raise RequestError(415, f"expected charset=utf-8 or nothing, got {quoted(parameter.decode('latin-1'))}")
    return kind


def _read_json(body: bytes, model: ServedModel, limits: Limits) -> Chunk | None:
    document = json_bodies.parse(body)
    given = [name for name in _FORMATS if name in document]
    if len(given) != 1:
        came = listed([*document]) or "none"
        raise RequestError(400, f"expected one of {listed(_FORMATS)}, got the keys {came}")
    (name,), content = given, document[given[0]]
    if name == "dataframe_split":
        columns = _of_split(content, limits)
    elif name == "inputs" and type(content) is dict:
        columns = _of_columns(content, limits)
    else:
        columns = _of_records(name, content, model, limits)
    return model.reader.chunk_of(columns) if columns is not None else None


def _of_split(content: Any, limits: Limits) -> Mapping[str, Sequence[Any]] | None:
    if type(content) is not dict or type(content.get("columns")) is not list or type(content.get("data")) is not list:
        raise RequestError(400, "dataframe_split: expected an object with the lists columns and data")
    names, rows = content["columns"], content["data"]
    limits.require_rows(len(rows))
    if not all(type(name) is str for name in names):
        raise RequestError(400, "dataframe_split: expected texts as columns")
    twice = json_bodies.repeated(names)
    if twice is not None:
        raise RequestError(400, f"dataframe_split: expected every column once, got {quoted(twice)} twice")
    for place, row in enumerate(rows, 1):
        if type(row) is not list or len(row) != len(names):
            came = f"{len(row)} values" if type(row) is list else shortened(type(row).__name__)
            raise RequestError(400, f"row {place}: expected a list of {len(names)} values, one a column, got {came}")
    return dict(zip(names, zip(*rows, strict=True), strict=True)) or _without_columns(rows) if rows else None


def _of_columns(content: dict[str, Any], limits: Limits) -> Mapping[str, Sequence[Any]] | None:
    for name, values in content.items():
        if type(values) is not list:
            raise RequestError(400, f"inputs: column {quoted(name)}: expected a list of values, one a row")
    rows = max(map(len, content.values()), default=0)
    limits.require_rows(rows)
    return content if rows else None


def _of_records(name: str, rows: Any, model: ServedModel, limits: Limits) -> Mapping[str, Sequence[Any]] | None:
    if type(rows) is not list:
        raise RequestError(400, f"{name}: expected a list of rows, each an object with its columns")
    limits.require_rows(len(rows))
    if not rows:
        return None
    try:
        columns: dict[str, Sequence[Any]] = {column: [row[column] for row in rows] for column in model.columns}
    except (KeyError, TypeError, IndexError):
        raise _misfit(name, rows, model) from None
    return columns or _without_columns(rows)


def _without_columns(rows: list[Any]) -> Mapping[str, Sequence[Any]]:
    """A column that no model knows: rows of a model without features are rows all the same."""
    return {"": [None] * len(rows)}


def _misfit(name: str, rows: list[Any], model: ServedModel) -> RequestError:
    for place, row in enumerate(rows, 1):
        if type(row) is not dict:
            return RequestError(
                400, f"{name}: row {place}: expected an object with the names of columns, got {quoted(row)}"
            )
        missing = [column for column in model.columns if column not in row]
        if missing:
            columns = "column" if len(missing) == 1 else "columns"
            came = listed([*row]) or "none"
            return RequestError(400, f"row {place}: expected {columns} {listed(missing)}, got {came}; null is no value")
    raise AssertionError("some row lacks a column")


def _read_csv(body: bytes, model: ServedModel, limits: Limits) -> Chunk | None:
    """The rows as `predict` reads them from a file."""
    # Here, since it takes long to load, and few send tables.
    from pipeline.table import stream
    from pipeline.table.sources import File

    if body.startswith(_PACKED):
        raise RequestError(400, "expected CSV as text, got a packed file or Parquet; send its text")
    if not body.strip():
        raise RequestError(400, "expected CSV with a header line, got an empty body")
    encoder = model.scorer.model.encoder
    with tempfile.TemporaryDirectory(prefix="serve-") as folder:
        path = Path(folder, "body.csv")
        path.write_bytes(body)
        # One piece: the body is in memory, and so are its columns.
        options = stream.ReadOptions(chunk_bytes=len(body) + 1, threads=1)
        chunks = [*stream.read(File(str(path), name="the body"), encoder.types, encoder.missing_values, options)]
    if not chunks:
        return None
    limits.require_rows(sum(chunk.rows for chunk in chunks))
    if len(chunks) > 1:
        raise UserError("the body: expected a table that is read in one piece; send it in smaller ones")
    return chunks[0]

"""OpenAPI 3.1 of what is served, with the columns of the model: its types, levels and ranges."""

from typing import Any

from pipeline.dataset.columns import class_text, is_date, is_number
from pipeline.dataset.encoder import MISSING, OTHER, UNSEEN, Encoder
from pipeline.serving.inference_protocol import PREFIX
from pipeline.serving.models import ServedModel

# A list of more levels helps nobody.
_MOST_LEVELS = 100

_ERROR = {"type": "object", "required": ["error_code", "message"]} | {
    "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}}
}
_ERROR_V2 = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}


def document(model: ServedModel, version: str) -> dict[str, Any]:
    """The document; ``version`` is that of this project."""
    return {
        "openapi": "3.1.0",
        "info": {"title": model.name, "version": version, "description": f"Softmax regression, model key {model.key}."},
        "paths": {
            "/invocations": {"post": _invocations()},
            f"{PREFIX}{{name}}/infer": {"post": _infer(["name"])},
            f"{PREFIX}{{name}}/versions/{{version}}/infer": {"post": _infer(["name", "version"])},
            "/v2": {"get": _get("The server")},
            "/v2/health/live": {"get": _get("Whether the server runs")},
            "/v2/health/ready": {"get": _get("Whether a model is in service")},
            f"{PREFIX}{{name}}": {"get": _get("The model's tensors", ["name"])},
            f"{PREFIX}{{name}}/ready": {"get": _get("Whether the model is in service", ["name"])},
            "/ping": {"get": _get("Whether a model is in service")},
            "/metrics": {"get": _get("What Prometheus reads", kind="text/plain")},
        },
        "components": {
            "schemas": {
                "Row": _row(model),
                "Prediction": _prediction(model),
                "Tensor": _TENSOR,
                "Error": _ERROR,
                "ErrorV2": _ERROR_V2,
            }
        },
    }


def _row(model: ServedModel) -> dict[str, Any]:
    encoder = model.scorer.model.encoder
    levels = levels_of(encoder)
    properties = {name: _column(model, name, kind, levels.get(name, [])) for name, kind in encoder.types.items()}
    return {"type": "object", "required": [*properties], "properties": properties}


def _column(model: ServedModel, name: str, kind: str, levels: list[str]) -> dict[str, Any]:
    """A column's values; null is no value. What lies beyond minimum and maximum is scored, and noted in the answer."""
    if kind == "boolean":
        return {"type": ["boolean", "null"]}
    if kind == "number":
        low, high = (model.ranges or {}).get(name, (None, None))
        seen = {} if low is None else {"description": f"The table that was prepared has {low:g} to {high:g}."}
        bounds = {} if low is None else {"x-minimum": low, "x-maximum": high}
        return {"type": ["number", "null"]} | seen | bounds
    if is_number(kind):
        return {"type": ["string", "null"], "description": f"A number, written as {kind.removeprefix('number ')}."}
    if is_date(kind):
        form = kind.removeprefix("date").strip() or "ISO 8601"
        return {"type": ["string", "null"], "description": f"A date, written as {form}."}
    return {"type": ["string", "null"]} | _levels(levels)


def _levels(levels: list[str]) -> dict[str, Any]:
    if len(levels) > _MOST_LEVELS:
        return {"description": f"{len(levels):,} levels; others are scored as {UNSEEN}."}
    return {"examples": levels, "description": f"Others than the examples are scored as {UNSEEN}, and noted."}


def levels_of(encoder: Encoder) -> dict[str, list[str]]:
    """The levels of each category as a table has them."""
    return {
        category.name: [level for level in category.levels if level not in (MISSING, OTHER, UNSEEN)]
        for category in encoder.categories
    }


def _prediction(model: ServedModel) -> dict[str, Any]:
    classes = [*map(class_text, model.scorer.model.classes)]
    decision = model.scorer.decision
    number, whole, name = {"type": ["number", "null"]}, {"type": "integer"}, {"type": "string", "enum": classes}
    properties: dict[str, Any] = {"predicted": name}
    for prefix, kind in (("probability", number), ("logit", number), ("rank", whole)):
        properties |= {f"{prefix}_{each}": kind for each in classes}
    if decision.policy is not None:
        properties["decision"] = {"type": ["string", "null"], "enum": [*classes, None]}
    if decision.sets is not None:
        properties |= {f"in_set_{each}": {"type": "integer", "enum": [0, 1]} for each in classes} | {"set_size": whole}
    return {"type": "object", "properties": properties}


_TENSOR = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        "datatype": {"type": "string"},
        "data": {"type": "array"},
    },
}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _list_of(name: str) -> dict[str, Any]:
    return {"type": "array", "items": _reference(name)}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _answers(schema: dict[str, Any], error: str) -> dict[str, Any]:
    reasons = {
        "400": "The body is no such JSON, or a value does not fit its column",
        "404": "There is no such path or model",
        "413": "The body has too many bytes or rows",
        "415": "The content type is another",
        "503": "Too many large requests at once",
        "504": "The answer took too long",
    }
    refusals = {
        status: {"description": reason, "content": _json(_reference(error))} for status, reason in reasons.items()
    }
    return {"200": {"description": "The predictions", "content": _json(schema)}} | refusals


def _invocations() -> dict[str, Any]:
    split = {
        "type": "object",
        "required": ["columns", "data"],
        "properties": {
            "columns": {"type": "array", "items": {"type": "string"}},
            "data": {"type": "array", "items": {"type": "array"}},
        },
    }
    records, columns = _list_of("Row"), {"type": "object", "additionalProperties": {"type": "array"}}
    forms = {"dataframe_split": split, "dataframe_records": records, "instances": records}
    body: dict[str, Any] = {
        "oneOf": [
            {"type": "object", "required": [name], "properties": {name: schema}}
            for name, schema in (forms | {"inputs": {"anyOf": [columns, records]}}).items()
        ]
    }
    notes = {"type": "array", "items": {"type": "object"}}
    answer = {
        "type": "object",
        "required": ["predictions", "model_key", "unseen", "beyond_range"],
        "properties": {
            "predictions": _list_of("Prediction"),
            "model_key": {"type": "string"},
            "unseen": notes,
            "beyond_range": {"anyOf": [notes, {"type": "null"}]},
        },
    }
    content = _json(body) | {"text/csv": {"schema": {"type": "string"}}}
    return {
        "summary": "Score rows, by MLflow's scoring protocol",
        "requestBody": {"required": True, "content": content},
        "responses": _answers(answer, "Error"),
    }


def _infer(names: list[str]) -> dict[str, Any]:
    body = {"type": "object", "required": ["inputs"], "properties": {"inputs": _list_of("Tensor")}}
    answer = {"type": "object", "required": ["outputs"], "properties": {"outputs": _list_of("Tensor")}}
    return {
        "summary": "Score rows, by the Open Inference Protocol",
        "parameters": _in_path(names),
        "requestBody": {"required": True, "content": _json(body)},
        "responses": _answers(answer, "ErrorV2"),
    }


def _get(summary: str, names: list[str] | None = None, kind: str = "application/json") -> dict[str, Any]:
    answer = {"description": summary, "content": {kind: {}}}
    return {"summary": summary, "parameters": _in_path(names or []), "responses": {"200": answer}}


def _in_path(names: list[str]) -> list[dict[str, Any]]:
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]

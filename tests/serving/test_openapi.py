"""The description of the interface is valid OpenAPI 3.1, and real requests and answers fit it."""

import json
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from tests.serving import models
from tests.serving.server import Server

pytestmark = pytest.mark.slow

ROW = models.values(["9", "1", "1.000,0", "true", "2026-01-01", "Mars"])
SPLIT = {"columns": models.COLUMNS, "data": [ROW]}


def test_it_is_valid_and_true(server: Server) -> None:
    """By the specification's own schema; of each path that it names there is an answer, which it describes."""
    document = json.loads(server.get("/openapi.json").body)
    validate(document, cls=OpenAPIV31SpecValidator)
    row = document["components"]["schemas"]["Row"]
    assert row["required"] == models.COLUMNS
    assert row["properties"]["x 1"]["x-maximum"] == 3.0
    assert row["properties"]['colour"<b>']["examples"] == list(models.LEVELS)

    def check(value: Any, schema: Any) -> None:
        jsonschema.Draft202012Validator(schema | {"components": document["components"]}).validate(value)

    post = document["paths"]["/invocations"]["post"]
    for body in ({"dataframe_split": SPLIT}, {"instances": [dict(zip(models.COLUMNS, ROW, strict=True))]}):
        check(body, post["requestBody"]["content"]["application/json"]["schema"])
        answer = json.loads(server.post("/invocations", body).body)
        check(answer, post["responses"]["200"]["content"]["application/json"]["schema"])
    for path, methods in document["paths"].items():
        if "get" in methods:
            assert server.get(path.replace("{name}", "softmax")).status == 200, path


def test_metrics_tell_what_was_asked(server: Server) -> None:
    """Requests by protocol and status, rows, the model in service."""
    server.post("/invocations", {"dataframe_split": SPLIT})
    server.post("/v2/models/softmax/infer", b"{")
    text = server.get("/metrics").body.decode()
    for part in ('serve_requests_total{protocol="v2",status="400"}', "serve_rows_total", 'serve_model_info{key="'):
        assert part in text

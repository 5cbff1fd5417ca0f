"""Models at the edge of what there is: without features, of one class, of many, of float64."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import model as model_files
from pipeline.dataset.encoder import UNSEEN, CategoryColumn, Encoder, NumberColumn
from pipeline.model import Model
from pipeline.output_files import METADATA_FILE, WEIGHTS_FILE
from pipeline.serving import inference_protocol, invocations, openapi, page
from pipeline.serving.limits import Limits
from pipeline.serving.models import ServedModel, StoredModel, served
from pipeline.serving.requests import Request

NUMBER = NumberColumn("x", "number", 0.0, 0.0, 1.0, indicator=False)
CATEGORY = CategoryColumn("k", ("a", UNSEEN))
ENCODER = Encoder(numbers=(), categories=(), target="t", classes=("a", "b"), missing_values=("",))


def model_of(folder: Path, **parts: Any) -> ServedModel:
    """A model whose encoder has these parts, of drawn weights."""
    encoder = dataclasses.replace(ENCODER, **parts)
    random = np.random.default_rng(0)
    k, d = len(encoder.classes), len(encoder.features)
    trained = Model(random.normal(size=(k, d)), random.normal(size=k), encoder, {}, "a" * 64, {"status": "converged"})
    model_files.save(folder, trained)
    contents = {name: (folder / name).read_bytes() for name in (METADATA_FILE, WEIGHTS_FILE)}
    return served("softmax", StoredModel(folder, contents), lambda *_: None)


def predictions(model: ServedModel, body: Any, kind: bytes = b"application/json") -> list[dict[str, Any]]:
    """The rows of the answer to a body."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = invocations.answer(Request("/invocations", {b"content-type": kind}, content), model, Limits())
    rows: list[dict[str, Any]] = json.loads(answer.body)["predictions"]
    assert len(rows) == answer.rows
    return rows


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": [], "data": [[], []]}},
        {"dataframe_split": {"columns": ["z"], "data": [[1], [2]]}},
        {"dataframe_records": [{}, {}]},
        {"instances": [{"z": 1}, {"z": 2}]},
        {"inputs": {"z": [1, 2]}},
    ],
)
def test_a_model_without_features(body: Any, tmp_path: Path) -> None:
    """Each row that comes has an answer, the same one, however few columns it has."""
    model = model_of(tmp_path)
    first, second = predictions(model, body)
    assert first == second
    assert first["probability_a"] + first["probability_b"] == pytest.approx(1, abs=1e-15)
    assert predictions(model, b"z\n1\n2\n", b"text/csv") == [first, second]


@pytest.mark.parametrize("parts", [{}, {"dtype": "float64"}, {"classes": ("only",)}, {"classes": tuple(range(1000))}])
@pytest.mark.parametrize("columns", [{"numbers": (NUMBER,)}, {"categories": (CATEGORY,)}, {}])
def test_every_document_of_an_odd_model(parts: dict[str, Any], columns: dict[str, Any], tmp_path: Path) -> None:
    """Its answers, its page and its descriptions can be written, and agree on what there is."""
    model = model_of(tmp_path, **parts, **columns)
    (row,) = predictions(model, {"inputs": {"x": [0.1], "k": ["a"]}})
    document = openapi.document(model, "1")["components"]["schemas"]
    assert [*row] == [*document["Prediction"]["properties"]]
    assert [*document["Row"]["properties"]] == [*model.columns]
    assert [each["name"] for each in json.loads(inference_protocol.metadata(model))["inputs"]] == [*model.columns]
    assert page.html(model).count("<label") == len(model.columns)

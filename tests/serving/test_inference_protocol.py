"""The Open Inference Protocol, as its specification has it and as Triton's client speaks it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from pipeline.dataset.encoder import Encoder, NumberColumn
from pipeline.model import Model, save
from pipeline.predictor import scorer
from pipeline.predictor.values import ValueReader
from tests.serving import models
from tests.serving.server import Server, serving

pytestmark = pytest.mark.slow

ROWS = 40
TYPES = {"x 1": "FP64", "100%": "INT64", "price": "BYTES", "alive": "BOOL", "day": "BYTES", 'colour"<b>': "BYTES"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of every kind of column."""
    folder = tmp_path_factory.mktemp("project")
    models.write(folder)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """One server for all tests."""
    with serving(folder, "--max-rows", "100") as running:
        yield running


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[triton.InferenceServerClient]:
    """Triton's client of it."""
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}", concurrency=2) as connected:
        yield connected


def columns() -> dict[str, list[Any]]:
    """Rows without gaps, which most types of the protocol cannot hold, by column."""
    rows = [row for row in models.drawn_rows(4 * ROWS) if "NA" not in row and "" not in row][:ROWS]
    assert len(rows) == ROWS
    return dict(zip(models.COLUMNS, zip(*map(models.values, rows), strict=True), strict=True))  # type: ignore[arg-type]


def inputs(binary: bool) -> list[triton.InferInput]:
    """The same rows as tensors, every second of shape [n, 1]."""
    tensors = []
    for place, (name, values) in enumerate(columns().items()):
        kind = {"FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_}[TYPES[name]]
        array = np.array(values, dtype=kind).reshape((ROWS, 1) if place % 2 else (ROWS,))
        tensor = triton.InferInput(name, list(array.shape), TYPES[name])
        tensor.set_data_from_numpy(array, binary_data=binary)
        tensors.append(tensor)
    return tensors


@pytest.mark.parametrize("binary_in", [False, True])
@pytest.mark.parametrize("binary_out", [False, True])
def test_a_client_of_triton_gets_the_bits(
    folder: Path, client: triton.InferenceServerClient, binary_in: bool, binary_out: bool
) -> None:
    """Of every output, as JSON and as bytes."""
    loaded = scorer.load(folder / "models")
    expected = loaded.score(ValueReader(loaded.model.encoder).chunk_of(columns()))
    names = ["predicted", "probability", "logit", "rank", "decision", "in_set", "set_size", "unseen", "beyond_range"]
    outputs = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in names]
    result = client.infer("softmax", inputs(binary_in), outputs=outputs, request_id="7")
    for name, values in (
        ("probability", expected.probabilities),
        ("logit", expected.logits),
        ("rank", expected.ranks),
        ("in_set", expected.contained),
    ):
        np.testing.assert_array_equal(result.as_numpy(name), values, strict=True)
    texts = [text.decode() if isinstance(text, bytes) else text for text in result.as_numpy("predicted")]
    assert texts == [models.CLASSES[place] for place in expected.predicted]
    assert result.get_response()["id"] == "7"
    assert result.get_response()["model_version"] == loaded.model.key


def test_health_and_metadata(client: triton.InferenceServerClient) -> None:
    """Alive, ready, and which tensors there are."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("softmax")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("softmax")
    assert [tensor["name"] for tensor in metadata["inputs"]] == models.COLUMNS
    assert json.loads(metadata["parameters"]["classes"]) == list(models.CLASSES)
    (version,) = metadata["versions"]
    assert client.is_model_ready("softmax", version)
    answer = client.infer("softmax", inputs(True), model_version=version)
    # Without a list of outputs the client asks for all, as bytes.
    assert [output["name"] for output in answer.get_response()["outputs"]] == [
        tensor["name"] for tensor in metadata["outputs"]
    ]


def test_it_refuses_with_the_error_of_the_protocol(client: triton.InferenceServerClient) -> None:
    """A model or version that is not there, and a tensor that is missing."""
    for name, version in (("other", ""), ("softmax", "1")):
        with pytest.raises(InferenceServerException, match="expected the") as refused:
            client.infer(name, inputs(False), model_version=version)
        assert refused.value.status() == "404"
        assert not client.is_model_ready(name, version)
    with pytest.raises(InferenceServerException, match="expected column") as refused:
        client.infer("softmax", inputs(False)[1:])
    assert refused.value.status() == "400"


def tensor(name: str = "x 1", **changes: Any) -> dict[str, Any]:
    """A tensor of a row."""
    return {"name": name, "shape": [1], "datatype": "FP64", "data": [1.0]} | changes


BAD: list[tuple[Any, int, str]] = [
    ({}, 400, "inputs: expected a list of tensors"),
    ({"inputs": [1]}, 400, "inputs: expected a list of tensors"),
    ({"inputs": [tensor(name=1)]}, 400, "expected a text as name"),
    ({"inputs": [tensor(datatype="FP128")]}, 400, "input 'x 1': expected a datatype of BOOL"),
    ({"inputs": [tensor(shape=[-1])]}, 400, "expected a shape such as"),
    ({"inputs": [tensor(shape=[1, 1, 1])]}, 400, "expected a shape of one or two dimensions"),
    ({"inputs": [tensor(shape=[2])]}, 400, "expected 2 values of shape [2], got 1"),
    ({"inputs": [tensor(data=[[[1.0]]])]}, 400, "deeper or mixed lists"),
    ({"inputs": [tensor(data="1")]}, 400, "expected a list as data"),
    ({"inputs": [tensor(shape=[1, 3], data=[1, 2, 3])]}, 400, "expected a tensor of shape [n] or [n, 1] for each"),
    ({"inputs": [tensor(), tensor()]}, 400, "expected every tensor once"),
    ({"inputs": [tensor(shape=[0], data=[])]}, 400, "expected a row or more"),
    ({"inputs": [tensor(shape=[101], data=[1.0] * 101)]}, 413, "expected at most 100 rows"),
    ({"inputs": [tensor(parameters={"binary_data_size": 8})]}, 400, "expected 8 bytes behind the JSON, got 0"),
]


@pytest.mark.parametrize(("body", "status", "part"), BAD)
def test_bad_tensors(server: Server, body: Any, status: int, part: str) -> None:
    """Each with its name, and what was expected of it."""
    answer = server.post("/v2/models/softmax/infer", body)
    assert (answer.status, part in answer.sentence) == (status, True), answer.sentence
    assert {*answer.json} == {"error"}


@pytest.mark.parametrize(
    ("length", "tail", "part"),
    [
        ("9999", b"", "Inference-Header-Content-Length: expected at most"),
        ("x", b"", "Inference-Header-Content-Length: expected at most"),
        (None, b"12345678", "expected 0 bytes behind the JSON, as the tensors say, got 8"),
    ],
)
def test_bad_bytes(server: Server, length: str | None, tail: bytes, part: str) -> None:
    """Bytes that are not what the JSON says of them."""
    document = json.dumps({"inputs": [tensor()]}).encode()
    headers = {"content-type": "application/octet-stream"}
    headers["inference-header-content-length"] = str(len(document)) if length is None else length
    answer = server.post("/v2/models/softmax/infer", document + tail, headers)
    assert (answer.status, part in answer.sentence) == (400, True), answer.sentence


def test_cut_texts(server: Server) -> None:
    """A length that leads beyond the bytes, and bytes that are no UTF-8."""
    for content, part in ((b"\xff\xff\xff\xff", "end within one"), (b"\x01\x00\x00\x00\xff", "texts in UTF-8")):
        described = tensor(datatype="BYTES", parameters={"binary_data_size": len(content)})
        document = json.dumps({"inputs": [described]}).encode()
        headers = {"inference-header-content-length": str(len(document))}
        answer = server.post("/v2/models/softmax/infer", document + content, headers)
        assert (answer.status, part in answer.sentence) == (400, True), answer.sentence


def test_one_tensor_of_all_numbers(tmp_path: Path) -> None:
    """As servers of scikit-learn's models take it; NaN among bytes is no value."""
    numbers = tuple(NumberColumn(name, "number", 1.0, 0.0, 1.0, indicator=False) for name in ("a", "b"))
    encoder = Encoder(numbers, (), "y", ("p", "q"), ("",))
    save(tmp_path / "models", Model(np.eye(2), np.zeros(2), encoder, {}, "0" * 64, {"status": "converged"}))
    array = np.array([[1.5, 2.0], [np.nan, 3.0]])
    with serving(tmp_path) as server, triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        given = triton.InferInput("input-0", [2, 2], "FP64").set_data_from_numpy(array)
        logits = client.infer("softmax", [given]).as_numpy("logit")
    np.testing.assert_array_equal(logits, [[1.5, 2.0], [1.0, 3.0]])

"""The Open Inference Protocol, version 2, over HTTP: what clients of KServe and Triton speak.

A column of the table is a tensor of its name, of shape [n] or [n, 1]; a model of numbers alone takes one tensor [n, d]
of all of them, too, in the order of its metadata. Sources as in ``tensors``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from pipeline.dataset.columns import class_text, is_number
from pipeline.errors import listed, quoted
from pipeline.predictor.scorer import ScoredRows
from pipeline.scoring import predictions
from pipeline.scoring.costs import NO_DECISION
from pipeline.serving import json_bodies, tensors
from pipeline.serving.limits import Limits
from pipeline.serving.models import ServedModel
from pipeline.serving.observations import Observations, by_row
from pipeline.serving.requests import JSON, Request, RequestError, Response
from pipeline.serving.tensors import Output, Tensor

_BINARY = b"application/octet-stream"
_LENGTH = b"inference-header-content-length"

PREFIX = "/v2/models/"


def error(_status: int, sentence: str) -> bytes:
    """The body of an answer to what cannot be answered."""
    return orjson.dumps({"error": sentence})


def require_model(model: ServedModel, name: str, version: str | None) -> None:
    """Raises: RequestError (404) for a name or version that is not in service."""
    if name != model.name:
        raise RequestError(404, f"expected the model {quoted(model.name)}, got {quoted(name)}")
    if version not in (None, model.key, model.version):
        known = quoted(model.key) if model.version is None else f"{quoted(model.key)}, or {model.version}"
        raise RequestError(404, f"expected the version {known} of {quoted(model.name)}, got {quoted(version)}")


def answer(request: Request, model: ServedModel, limits: Limits) -> Response:
    """The tensors that a request asks for.

    Raises: RequestError; UserError for rows that do not fit the model.
    """
    _require_addressed(request.path, model)
    document, binary = _parts(request)
    columns = _columns(document, binary, model, limits)
    if columns is None:
        raise RequestError(400, "inputs: expected a row or more, got none")
    chunk = model.reader.chunk_of(columns)
    outputs = _outputs(model, model.scorer.score(chunk), model.observer.observe(chunk))
    head: dict[str, Any] = {"model_name": model.name, "model_version": model.key}
    if type(document.get("id")) is str:
        head["id"] = document["id"]
    return _response(head, _asked(document, outputs), chunk.rows)


def _require_addressed(path: str, model: ServedModel) -> None:
    """Of /v2/models/NAME[/versions/VERSION]/infer."""
    name, *rest = path.removeprefix(PREFIX).removesuffix("/infer").split("/")
    if rest and (len(rest) != 2 or rest[0] != "versions"):
        raise RequestError(404, "expected /v2/models/NAME/infer or /v2/models/NAME/versions/VERSION/infer")
    require_model(model, name, rest[1] if rest else None)


def _parts(request: Request) -> tuple[dict[str, Any], memoryview]:
    """The JSON of a request, and the bytes behind it."""
    # Triton's client names no content type; curl's own is that of a form. A page of another site could leave it out,
    # too, and its browser would send the request without asking, but with the header Origin.
    unnamed = b"" if b"origin" in request.headers else JSON
    kind = request.headers.get(b"content-type", unnamed).lower().split(b";")[0].strip()
    given = request.headers.get(_LENGTH)
    if kind not in (JSON, _BINARY) or (kind == _BINARY and given is None):
        shown = quoted(kind.decode("latin-1")) if kind else "none"
        wants = "application/json, or application/octet-stream with Inference-Header-Content-Length"
        raise RequestError(415, f"expected the content type {wants}, got {shown}")
    if given is None:
        return json_bodies.parse(request.body), memoryview(b"")
    if not given.isdigit() or len(given) > 18 or int(given) > len(request.body):
        came = quoted(given.decode("latin-1"))
        raise RequestError(400, f"Inference-Header-Content-Length: expected at most {len(request.body)}, got {came}")
    return json_bodies.parse(request.body[: int(given)]), memoryview(request.body)[int(given) :]


def _columns(
    document: dict[str, Any], binary: memoryview, model: ServedModel, limits: Limits
) -> Mapping[str, Sequence[Any]] | None:
    inputs = document.get("inputs")
    if type(inputs) is not list or not inputs or not all(type(each) is dict for each in inputs):
        raise RequestError(400, "inputs: expected a list of tensors, each with name, shape, datatype and data")
    read, start = [], 0
    for each in inputs:
        tensor, start = tensors.read(each, binary, start)
        limits.require_rows(tensor.shape[0])
        read.append(tensor)
    if start != len(binary):
        raise RequestError(400, f"expected {start} bytes behind the JSON, as the tensors say, got {len(binary)}")
    if len(read) == 1 and len(read[0].shape) == 2 and read[0].shape[1] > 1:
        return _of_matrix(read[0], model)
    columns: dict[str, Sequence[Any]] = {}
    for tensor in read:
        if tensor.name in columns:
            raise RequestError(400, f"inputs: expected every tensor once, got {quoted(tensor.name)} twice")
        if len(tensor.shape) == 2 and tensor.shape[1] != 1:
            raise RequestError(
                400, f"input {quoted(tensor.name)}: expected shape [n] or [n, 1], got {list(tensor.shape)}"
            )
        columns[tensor.name] = tensor.values
    return columns if read[0].shape[0] else None


def _of_matrix(tensor: Tensor, model: ServedModel) -> Mapping[str, Sequence[Any]] | None:
    """The columns of a tensor [n, d] of all columns."""
    types = model.scorer.model.encoder.types
    if not all(map(is_number, types.values())) or tensor.shape[1] != len(types):
        raise RequestError(
            400,
            f"input {quoted(tensor.name)}: expected a tensor of shape [n] or [n, 1] for each of {listed(types)}, got "
            f"one of shape {list(tensor.shape)}",
        )
    d = len(types)
    return {name: tensor.values[place::d] for place, name in enumerate(types)} if tensor.shape[0] else None


def _outputs(model: ServedModel, scored: ScoredRows, observed: Observations) -> dict[str, Output]:
    """All that predictions.csv says of the rows, and what they hold that the model has not seen."""
    classes, n = model.scorer.model.classes, len(scored.rows)
    outputs = [
        Output("predicted", "BYTES", predictions.class_names(classes, scored.predicted).tolist()),
        Output("probability", "FP64", scored.probabilities),
        Output("logit", "FP64", scored.logits),
        Output("rank", "INT64", scored.ranks),
    ]
    if scored.decided is not None:
        # Texts have no null: an empty one, as the empty cell of predictions.csv, is no decision.
        names = [*map(class_text, classes), ""]
        assert NO_DECISION == -1
        outputs.append(Output("decision", "BYTES", [names[place] for place in scored.decided.tolist()]))
    if scored.contained is not None:
        outputs.append(Output("in_set", "BOOL", scored.contained))
        outputs.append(Output("set_size", "INT64", np.count_nonzero(scored.contained, axis=1)))
    outputs.append(Output("unseen", "BYTES", by_row(observed.unseen, n)))
    if observed.beyond_range is not None:
        outputs.append(Output("beyond_range", "BYTES", by_row(observed.beyond_range, n)))
    return {output.name: output for output in outputs}


def _asked(document: dict[str, Any], outputs: Mapping[str, Output]) -> list[tuple[Output, bool]]:
    """The tensors that a request names, all if it names none; and whether it wants each as bytes."""
    parameters = document.get("parameters")
    as_bytes = type(parameters) is dict and parameters.get("binary_data_output") is True
    asked = document.get("outputs")
    if asked is None or asked == []:
        return [(output, as_bytes) for output in outputs.values()]
    if type(asked) is not list or not all(type(each) is dict for each in asked):
        raise RequestError(400, "outputs: expected a list of objects, each with a name")
    result = []
    for each in asked:
        name, of_output = each.get("name"), each.get("parameters")
        if type(name) is not str or name not in outputs:
            raise RequestError(400, f"outputs: expected some of {listed(outputs, 20)}, got {quoted(name)}")
        settings = of_output if type(of_output) is dict else {}
        if settings.get("classification"):
            raise RequestError(400, f"output {quoted(name)}: expected no classification: ask for rank and probability")
        result.append((outputs[name], settings.get("binary_data", as_bytes) is True))
    return result


def _response(head: dict[str, Any], asked: list[tuple[Output, bool]], rows: int) -> Response:
    written, binary = [], []
    for output, as_bytes in asked:
        if as_bytes:
            description, content = output.as_bytes()
            written.append(description)
            binary.append(content)
        else:
            written.append(output.as_json())
    document = b'%b,"outputs":[%b]}' % (orjson.dumps(head)[:-1], b",".join(written))
    if not binary:
        return Response(200, document, rows=rows)
    length = ((b"inference-header-content-length", str(len(document)).encode()),)
    return Response(200, b"".join([document, *binary]), _BINARY, length, rows)


def metadata(model: ServedModel) -> bytes:
    """What the protocol says of a model: its inputs, one a column of the table, and its outputs."""
    encoder, decision, k = model.scorer.model.encoder, model.scorer.decision, len(model.scorer.model.classes)
    inputs = [_tensor(name, _datatype(kind), [-1]) for name, kind in encoder.types.items()]
    outputs = [_tensor("predicted", "BYTES", [-1])]
    outputs += [_tensor(name, kind, [-1, k]) for name, kind in _BY_CLASS]
    if decision.policy is not None:
        outputs.append(_tensor("decision", "BYTES", [-1]))
    if decision.sets is not None:
        outputs += [_tensor("in_set", "BOOL", [-1, k]), _tensor("set_size", "INT64", [-1])]
    outputs.append(_tensor("unseen", "BYTES", [-1]))
    if model.ranges is not None:
        outputs.append(_tensor("beyond_range", "BYTES", [-1]))
    document = {
        "name": model.name,
        "versions": [model.key],
        "platform": "softmax-pipeline",
        "inputs": inputs,
        "outputs": outputs,
        "parameters": {"classes": orjson.dumps([*map(class_text, model.scorer.model.classes)]).decode()},
    }
    return orjson.dumps(document)


_BY_CLASS = (("probability", "FP64"), ("logit", "FP64"), ("rank", "INT64"))


def _tensor(name: str, datatype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape}


def _datatype(kind: str) -> str:
    if kind == "boolean":
        return "BOOL"
    return "FP64" if kind == "number" else "BYTES"

"""A model as ONNX: operators of ai.onnx alone, float64 throughout but for the rounding of an encoder of float32.

N is the number of rows, p of numbers, k of classes. Inputs are the columns by name, each (N, 1): numbers and booleans
as double, NaN for no value; parts of dates as numbers of their own ("day month"); categories as string, with the texts
of ``missing_texts`` for no value. Outputs are ``probabilities`` (N, k), as `decide` scales them, and ``label`` (N,).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.columns import is_number
from pipeline.errors import UserError, quoted
from pipeline.export.columns import CategoryWeights, categories, labels, missing_numbers, missing_texts, require_columns
from pipeline.predictor.scorer import Scorer
from pipeline.scoring.scaling import LEAST_LOG_PROBABILITY, Scaling

OPSET = 19  # Equal of strings
_IR_VERSION = 9  # the oldest that has it: runtimes since 2023 read it

PROBABILITIES, LABEL = "probabilities", "label"


def onnx_bytes(scorer: Scorer) -> bytes:
    """The ONNX model; the same scorer gives the same bytes. Raises: UserError where no graph can have its columns."""
    import onnx

    model = scorer.model
    require_columns(model)
    names = [*(column.name for column in model.encoder.numbers), *(each.name for each in model.encoder.categories)]
    for name in names:
        if name in (PROBABILITIES, LABEL):
            raise UserError(f"column {quoted(name)}: an output of the ONNX model has this name; rename the column")
    graph = _Graph(names)
    logits = _logits(graph, scorer)
    scaled = logits if scorer.decision.scaling is None else _scaled(graph, logits, scorer.decision.scaling)
    exponentials = graph.add("Exp", _shifted(graph, scaled))
    graph.add("Div", exponentials, graph.add("ReduceSum", exponentials, _columns(graph)), out=PROBABILITIES)
    classes = labels(model.classes)
    kind = onnx.TensorProto.STRING if isinstance(classes[0], str) else onnx.TensorProto.INT64
    # The first of equals, as numpy's argmax.
    place = graph.add("ArgMax", scaled, axis=1, keepdims=0)
    graph.add(
        "Gather",
        graph.constant(np.array(classes, dtype=object if isinstance(classes[0], str) else np.int64)),
        place,
        out=LABEL,
    )
    value = onnx.helper.make_tensor_value_info
    inputs = [value(column.name, onnx.TensorProto.DOUBLE, ["N", 1]) for column in model.encoder.numbers]
    inputs += [value(column.name, onnx.TensorProto.STRING, ["N", 1]) for column in model.encoder.categories]
    outputs = [
        value(PROBABILITIES, onnx.TensorProto.DOUBLE, ["N", len(model.classes)]),
        value(LABEL, kind, ["N"]),
    ]
    onnx_model = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, "softmax", inputs, outputs, graph.constants),
        producer_name="softmax-pipeline",
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
    )
    texts = {"model_key": model.key, "target": model.encoder.target}
    onnx.helper.set_model_props(onnx_model, texts)
    onnx.checker.check_model(onnx_model, full_check=True)
    content: bytes = onnx_model.SerializeToString(deterministic=True)
    return content


class _Graph:
    """Nodes in order, and the constants that they take; names of values never are those of columns."""

    def __init__(self, taken: list[str]) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._prefix = "v"
        while any(name.startswith(self._prefix) for name in taken):
            self._prefix += "_"

    def _name(self) -> str:
        return f"{self._prefix}{len(self.nodes) + len(self.constants)}"

    def add(self, operator: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        """A node of one output; the output's name."""
        from onnx import helper

        out = out or self._name()
        self.nodes.append(helper.make_node(operator, inputs, [out], **attributes))
        return out

    def constant(self, array: NDArray[Any]) -> str:
        """A tensor; its name."""
        from onnx import TensorProto, helper, numpy_helper

        name = self._name()
        if array.dtype == object:
            texts = [text.encode() for text in array.ravel().tolist()]
            self.constants.append(helper.make_tensor(name, TensorProto.STRING, array.shape, texts))
        else:
            self.constants.append(numpy_helper.from_array(array, name))
        return name


def _columns(graph: _Graph) -> str:
    """The axis of the classes, for sums; largest values take it so, too, since opset 18."""
    return graph.constant(np.array([1]))


def _logits(graph: _Graph, scorer: Scorer) -> str:
    model = scorer.model
    terms = []
    if model.encoder.numbers:
        numbers = _numbers(graph, scorer)
        weights = np.ascontiguousarray(model.weights[:, : model.encoder.number_count].T)
        terms.append(graph.add("MatMul", numbers, graph.constant(weights)))
    missing = missing_texts(model.encoder.missing_values)
    terms += [_level_weights(graph, category, missing) for category in categories(model)]
    total = graph.constant(model.bias[np.newaxis])
    for term in terms:
        total = graph.add("Add", total, term)
    return total


def _numbers(graph: _Graph, scorer: Scorer) -> str:
    """Numbers (N, p) as the encoder has them, then indicators."""
    encoder = scorer.model.encoder
    values = graph.add("Concat", *(column.name for column in encoder.numbers), axis=1)
    missing = graph.add("IsNaN", values)
    for number in missing_numbers(encoder.missing_values):
        # NaN equals nothing: a part of a date or a boolean that is 0 is no gap.
        gaps = np.array([[number if is_number(column.kind) else np.nan for column in encoder.numbers]])
        missing = graph.add("Or", missing, graph.add("Equal", values, graph.constant(gaps)))
    mean, shift, scale = (
        graph.constant(np.array([[getattr(column, name) for column in encoder.numbers]]))
        for name in ("mean", "shift", "scale")
    )
    filled = graph.add("Where", missing, mean, values)
    standardised = graph.add("Div", graph.add("Sub", filled, shift), scale)
    encoded = standardised
    if encoder.dtype == "float32":
        encoded = graph.add("Cast", graph.add("Cast", standardised, to=1), to=11)
    if not encoder.indicators:
        return encoded
    places = [place for place, column in enumerate(encoder.numbers) if column.indicator]
    indicated = graph.add("Gather", missing, graph.constant(np.array(places)), axis=1)
    return graph.add("Concat", encoded, graph.add("Cast", indicated, to=11), axis=1)


def _level_weights(graph: _Graph, category: CategoryWeights, missing: list[str]) -> str:
    """The weights (N, k) of a category's levels: of the row in a table of them, so that none is multiplied."""
    texts = [*category.levels, *missing]
    of_missing = np.repeat(category.of_missing[np.newaxis], len(missing), axis=0)
    rows = np.concatenate([category.weights, of_missing, category.of_others[np.newaxis]])
    equal = graph.add("Equal", category.name, graph.constant(np.array([texts], dtype=object)))
    bits = graph.add("Cast", equal, to=2)  # uint8, an eighth of the memory of numbers
    place = graph.add("ArgMax", bits, axis=1, keepdims=0, select_last_index=1)
    is_known = graph.add("Cast", graph.add("ReduceMax", bits, _columns(graph), keepdims=0), to=9)
    known = graph.add("Where", is_known, place, graph.constant(np.array(len(texts))))
    return graph.add("Gather", graph.constant(rows), known, axis=0)


def _shifted(graph: _Graph, logits: str) -> str:
    return graph.add("Sub", logits, graph.add("ReduceMax", logits, _columns(graph)))


def _scaled(graph: _Graph, logits: str, scaling: Scaling) -> str:
    shifted = _shifted(graph, logits)
    total = graph.add("ReduceSum", graph.add("Exp", shifted), _columns(graph))
    log_p = graph.add("Sub", shifted, graph.add("Log", total))
    log_p = graph.add("Max", log_p, graph.constant(np.array(LEAST_LOG_PROBABILITY)))
    operator = "MatMul" if scaling.method == "matrix" else "Mul"
    weights = graph.constant(np.ascontiguousarray(scaling.weights.T))
    return graph.add("Add", graph.add(operator, log_p, weights), graph.constant(scaling.bias[np.newaxis]))

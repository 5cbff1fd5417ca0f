"""The ONNX model, run by onnxruntime, gives our probabilities within rounding, whatever columns and classes are."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from pipeline.errors import UserError
from pipeline.export import distance
from pipeline.export.made_rows import made_rows
from pipeline.export.onnx_graph import onnx_bytes
from pipeline.predictor.scorer import Scorer
from tests.export.problems import HOSTILE, bound, scorer

MODELS = {
    "plain": scorer(),
    "two classes": scorer(classes=(True, False)),
    "integers": scorer(classes=(-3, 7, 2**63 - 1)),
    "integers beyond 64 bits": scorer(classes=(1, 2**70)),
    "hostile names": scorer(classes=HOSTILE, levels=HOSTILE, names=(*HOSTILE[:5], "v")),
    "temperature": scorer(scaling="temperature"),
    "vector": scorer(scaling="vector"),
    "matrix": scorer(scaling="matrix"),
    "far apart": scorer(size=300.0),
    "float64": scorer(dtype="float64"),
}


@pytest.mark.parametrize("name", MODELS)
def test_probabilities_are_ours_within_rounding(name: str) -> None:
    """On rows with every level, gaps, unseen texts, dates and values far away; the class is the same."""
    made = MODELS[name]
    measured = distance.of_onnx(onnx_bytes(made), made, [made_rows(made.model.encoder)])
    assert measured.rows >= 1_000
    assert measured.largest <= bound(made)
    assert measured.other_classes == 0


@pytest.mark.parametrize("name", MODELS)
def test_the_graph_is_of_ai_onnx_alone_and_double(name: str) -> None:
    """The checker passes; inputs are the columns, in order; float32 occurs only between two casts, or not at all."""
    made = MODELS[name]
    content = onnx_bytes(made)
    assert content == onnx_bytes(made)
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert [each.domain for each in model.opset_import] == [""]
    assert {node.domain for node in model.graph.node} == {""}
    encoder = made.model.encoder
    columns = [*(column.name for column in encoder.numbers), *(column.name for column in encoder.categories)]
    assert [each.name for each in model.graph.input] == columns
    assert not any(each.data_type == onnx.TensorProto.FLOAT for each in model.graph.initializer)
    singles = [
        node for node in model.graph.node if node.op_type == "Cast" and node.attribute[0].i == onnx.TensorProto.FLOAT
    ]
    assert len(singles) == (1 if encoder.dtype == "float32" else 0)
    assert {each.key: each.value for each in model.metadata_props}["model_key"] == made.model.key


def run(made: Scorer, **inputs: Any) -> tuple[Any, Any]:
    session = onnxruntime.InferenceSession(onnx_bytes(made), providers=["CPUExecutionProvider"])
    columns = {each.name: np.array([[0.5]]) for each in made.model.encoder.numbers}
    columns |= {each.name: np.array([["l0"]], dtype=object) for each in made.model.encoder.categories}
    probabilities, label = session.run(["probabilities", "label"], columns | inputs)
    return probabilities, label


def test_no_value_is_nan_the_empty_text_or_a_text_that_means_none() -> None:
    """As -999 is in numbers here; a flag of 0 is a value, though 0 means none in numbers."""
    made = scorer()
    by_nan, by_number = (run(made, gappy=np.array([[value]]))[0] for value in (np.nan, -999.0))
    np.testing.assert_array_equal(by_nan, by_number)
    empty, word, other = (run(made, g=np.array([[text]], dtype=object))[0] for text in ("", "NA", "<missing>"))
    np.testing.assert_array_equal(empty, word)
    assert (empty != other).any()
    off, none = (run(made, flag=np.array([[value]]))[0] for value in (0.0, np.nan))
    assert (off != none).any()


def test_the_empty_text_is_a_value_where_another_means_none() -> None:
    """As in a table whose prepare.missing_values leave it out; a table's gaps are the text that is listed."""
    made = scorer(levels=("", "l0"))
    made = replace(made, model=replace(made.model, encoder=replace(made.model.encoder, missing_values=("NA",))))
    empty, missing = (run(made, g=np.array([[text]], dtype=object))[0] for text in ("", "NA"))
    assert (empty != missing).any()
    rows = [made_rows(made.model.encoder)]
    assert distance.of_onnx(onnx_bytes(made), made, rows).largest <= bound(made)


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_a_batch_has_any_number_of_rows(rows: int) -> None:
    made = scorer()
    inputs = distance.onnx_inputs(made.model.encoder, made_rows(made.model.encoder).rows_of(0, rows))
    session = onnxruntime.InferenceSession(onnx_bytes(made), providers=["CPUExecutionProvider"])
    assert [each.shape for each in session.run(["probabilities", "label"], inputs)] == [(rows, 3), (rows,)]


def test_labels_are_integers_where_classes_are() -> None:
    assert run(scorer(classes=(-3, 7)))[1].dtype == np.int64
    assert run(scorer(classes=(True, False)))[1][0] in ("true", "false")


def test_ten_thousand_levels_take_no_more_than_their_weights() -> None:
    """Their texts and the weights of each class: under three times those bytes."""
    levels = tuple(f"level {number:05}" for number in range(10_000))
    made = scorer(levels=levels)
    content = onnx_bytes(made)
    assert len(content) < 3 * (len("".join(levels)) + made.model.weights.nbytes)
    assert distance.of_onnx(content, made, [made_rows(made.model.encoder)]).largest <= bound(made)


@pytest.mark.parametrize("name", ["probabilities", "label"])
def test_a_column_that_is_named_as_an_output_is_refused(name: str) -> None:
    made = scorer(names=("plain", "gappy", "flag", "day", name, "h"))
    with pytest.raises(UserError, match=f"column '{name}': an output of the ONNX model has this name"):
        onnx_bytes(made)


def test_numbers_beyond_float32_are_no_probabilities(tmp_path: Path) -> None:
    """Where we refuse the row, the graph cannot: it says NaN."""
    assert tmp_path.exists()
    assert np.isnan(run(scorer(), plain=np.array([[1e300]]))[0]).all()

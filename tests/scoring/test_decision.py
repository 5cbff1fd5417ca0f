"""decision.json: written and read back, and refused where it is damaged, forged, or of another model."""

import copy
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import files
from pipeline.dataset.encoder import Encoder, NumberColumn
from pipeline.errors import UserError
from pipeline.model import Model
from pipeline.scoring import decision, predictions
from pipeline.scoring.costs import NO_DECISION
from pipeline.scoring.decision import NO_CHANGE, CalibrationForm, CostsForm, DecisionForm, SetsForm
from pipeline.scoring.probabilities import softmax

ENCODER = Encoder((NumberColumn("x", "number", 0.0, 0.0, 1.0, indicator=False),), (), "y", ("a", "b"), ("",))
MODEL = Model(np.array([[1.0], [-1.0]]), np.zeros(2), ENCODER, {}, "0" * 64, {"status": "converged"})
LOGITS = np.array([[1.0, 0.0], [0.0, 0.3]])

FORM = DecisionForm(
    format=decision.FORMAT,
    model=MODEL.key,
    settings={"calibration": "vector"},
    calibration=CalibrationForm(
        method="vector", applied=True, reason="a sentence", weights=[2.0, 2.0], bias=[0.0, 0.0], bound=0.0
    ),
    sets=SetsForm(method="lac", coverage=0.9, by_class=True, reason="a sentence", quantiles=[0.4, None], rows=23),
    costs=CostsForm(classes=["a", "b"], matrix=[[0, 1], [1, 0]], abstain=0.3),
)


def loaded(folder: Path, form: DecisionForm) -> decision.Decision:
    """What the document says after it was written and read."""
    decision.save(folder / "decision.json", form)
    return decision.load(folder, MODEL)


def forged(folder: Path, *place: str, value: Any) -> Path:
    """The document with another value, sealed again."""
    content = copy.deepcopy(json.loads(json.dumps(FORM.model_dump())))
    part = content
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    text = json.dumps(content)
    content = json.loads(text)
    digest = files.sha256_text(json.dumps(content, sort_keys=True, indent=2, ensure_ascii=False) + "\n")
    (folder / "decision.json").write_text(json.dumps(content | {"digest": digest}), encoding="utf-8")
    return folder


def test_what_is_written_is_what_is_applied(tmp_path: Path) -> None:
    """Scaling by 2 in log p, class b in every set, no decision where being wrong is likelier than 0.3."""
    read = loaded(tmp_path, FORM)
    shown = read.scaled_logits(LOGITS)
    p = softmax(shown)
    assert p == pytest.approx(softmax(2 * LOGITS))
    contained = read.contain(LOGITS)
    assert contained is not None
    assert contained.tolist() == [[True, True], [False, True]]
    decided = read.decide(p)
    assert decided is not None
    assert decided.tolist() == [0, NO_DECISION]
    columns = predictions.decision_columns(["a", "b"], decided, contained)
    assert {name: values.tolist() for name, values in columns.items()} == {
        "decision": ["a", None],
        "in_set_a": [1, 0],
        "in_set_b": [1, 1],
        "set_size": [2, 1],
    }


def test_a_folder_without_the_file_changes_nothing(tmp_path: Path) -> None:
    """As models of earlier versions have none."""
    read = decision.load(tmp_path, MODEL)
    assert read is NO_CHANGE
    assert read.scaled_logits(LOGITS) is LOGITS
    assert (read.contain(LOGITS), read.decide(LOGITS)) == (None, None)
    assert predictions.decision_columns(["a", "b"], None, None) == {}


@pytest.mark.skipif(sys.platform == "win32", reason="a link takes a privilege there")
def test_a_link_that_leads_nowhere_is_a_lost_file(tmp_path: Path) -> None:
    """DVC with cache.type symlink leaves one when its cache is cleared; predictions without what it said would lie."""
    (tmp_path / "decision.json").symlink_to(tmp_path / "cache" / "gone")
    with pytest.raises(UserError, match=r"decision\.json: no such file; run `dvc repro`"):
        decision.load(tmp_path, MODEL)


def test_what_is_not_applied_changes_nothing(tmp_path: Path) -> None:
    """The numbers stand in the file, with the reason."""
    calibration = FORM.calibration.model_copy(update={"applied": False})
    read = loaded(tmp_path, FORM.model_copy(update={"calibration": calibration}))
    assert read.scaled_logits(LOGITS) is LOGITS


def test_another_models_decision_is_refused(tmp_path: Path) -> None:
    """Its numbers are of other probabilities."""
    with pytest.raises(UserError, match=r"decision of the model beside it, got another's; run `dvc repro`"):
        loaded(tmp_path, FORM.model_copy(update={"model": "1" * 64}))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """Cut short, edited, of another format, no JSON, a folder."""
    path = tmp_path / "decision.json"
    decision.save(path, FORM)
    text = path.read_text(encoding="utf-8")
    for wrong, sentence in (
        (text[:-40], "expected JSON"),
        (text.replace("0.4", "0.5"), "digest does not match"),
        (text.replace("softmax-decision/1", "softmax-decision/2"), "expected format softmax-decision/1"),
        ("[]", "expected a JSON object"),
    ):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(UserError, match=sentence):
            decision.load(tmp_path, MODEL)
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match="expected a regular file"):
        decision.load(tmp_path, MODEL)


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (("calibration", "weights"), [2.0], "calibration.weights: expected numbers of shape (2,), got (1,)"),
        (("calibration", "weights"), [[2.0], [1.0, 3.0]], "got lists of unequal length"),
        (("calibration", "weights"), None, "calibration: expected weights and bias where it is applied, got none"),
        (("calibration", "weights"), [1e200, 1.0], "calibration.weights."),
        (("calibration", "bias"), [0.0], "calibration.bias: expected numbers of shape (2,)"),
        (("calibration", "method"), "temperature", "calibration.weights: expected numbers of shape ()"),
        (("calibration",), {}, "calibration.method: expected a value, got none"),
        (("sets", "quantiles"), [0.4], "sets.quantiles: expected one, or one a class by class, got 1"),
        (("sets", "quantiles"), [-0.4, 0.1], "greater than or equal to 0"),
        (("sets", "rows"), -1, "sets.rows"),
        (("sets", "method"), "none", "sets.quantiles: expected null where sets.method is none"),
        (("sets", "coverage"), 1.5, "less than 1"),
        (("costs", "matrix"), [[0, 1]], "costs.matrix: expected numbers of shape (2, 2), got (1, 2)"),
        (("costs", "matrix"), [[0, -1], [1, 0]], "greater than or equal to 0"),
        (("costs", "matrix"), [[0, "a"], [1, 0]], "expected a valid number"),
        (("costs", "thresholds"), [0.5, 0.5], "costs: expected thresholds with the costs that they are"),
        (("costs", "classes"), ["a", "c"], "costs.classes: expected those of the model, got others"),
        (("costs", "classes"), ["b", "a"], "costs.classes: expected those of the model, got others"),
        (("costs", "abstain"), True, "costs.abstain: expected"),
        (("costs", "extra"), 1, "expected no such key"),
        (("model",), "abc", "expected a text of the form"),
    ],
)
def test_a_forged_file_is_refused(tmp_path: Path, place: tuple[str, ...], value: Any, sentence: str) -> None:
    """The digest is right, what it is of is not."""
    with pytest.raises(UserError) as refused:
        decision.load(forged(tmp_path, *place, value=value), MODEL)
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_forged_temperature_of_0_is_refused(tmp_path: Path) -> None:
    """And so is one below."""
    for scale in (0.0, -1.0):
        calibration = CalibrationForm(method="temperature", applied=True, reason="", weights=scale, bias=[0.0, 0.0])
        with pytest.raises(UserError, match=r"calibration.weights: expected a number > 0"):
            loaded(tmp_path, FORM.model_copy(update={"calibration": calibration}))


def test_not_a_number_is_no_json(tmp_path: Path) -> None:
    """Python would read NaN; the document is refused as a whole."""
    path = forged(tmp_path, "calibration", "bound", value=0.5) / "decision.json"
    path.write_text(path.read_text(encoding="utf-8").replace("0.5", "NaN"), encoding="utf-8")
    with pytest.raises(UserError, match="expected JSON"):
        decision.load(tmp_path, MODEL)

"""What lies between a model's logits and what a person does, as `decide` left it: scaling, prediction sets, costs.

decision.json is sealed as softmax.json is, and belongs to one model by its key. A folder without it gives a decision
that changes nothing. k is the number of classes.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat, JsonValue, NonNegativeFloat, NonNegativeInt

from pipeline import files
from pipeline.dataset.columns import Class
from pipeline.documents import json_documents
from pipeline.documents.json_documents import Digest, Form
from pipeline.errors import UserError
from pipeline.model import Model
from pipeline.output_files import DECISION_FILE
from pipeline.scoring import prediction_sets
from pipeline.scoring.costs import LEAST_THRESHOLD, MOST_COST, Policy, missing
from pipeline.scoring.prediction_sets import PredictionSets
from pipeline.scoring.probabilities import softmax
from pipeline.scoring.scaling import Scaling

FORMAT = "softmax-decision/1"

# Beyond these, products with log-probabilities and costs would overflow.
_Weight = Annotated[float, Field(ge=-1e100, le=1e100)]
_Cost = Annotated[float, Field(ge=0, le=MOST_COST)]
_Threshold = Annotated[float, Field(ge=LEAST_THRESHOLD, lt=1)]

_REMEDY = "the file was cut short or edited; run `dvc repro`"


@dataclass(frozen=True)
class Decision:
    """What is done with a row's logits; None is nothing.

    ``level`` is the coverage of the sets, ``set_rows`` the rows, or their weights, that the quantile is of if there is
    one for all classes.
    """

    scaling: Scaling | None = None
    sets: PredictionSets | None = None
    policy: Policy | None = None
    set_rows: float | None = None
    level: float | None = None

    def scaled_logits(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logits (n, k) whose softmax are the probabilities that are shown, from the model's (n, k)."""
        return logits if self.scaling is None else self.scaling.logits(logits)

    def contain(self, logits: NDArray[np.float64]) -> NDArray[np.bool_] | None:
        """The prediction sets (n, k) of rows with the model's logits (n, k), from its own probabilities."""
        return None if self.sets is None else self.sets.contain(softmax(logits))

    def decide(self, probabilities: NDArray[np.float64]) -> NDArray[np.int64] | None:
        """Class indices (n,), NO_DECISION for none, from the probabilities that are shown."""
        return None if self.policy is None else self.policy.decide(probabilities)


NO_CHANGE = Decision()


class JudgedForm(Form):
    """The log loss before and after scaling, in nats, and the 95 % interval of after less before."""

    split: str
    rows: Annotated[int, Field(ge=1)]
    before: FiniteFloat
    after: FiniteFloat
    difference: FiniteFloat
    low: FiniteFloat | None
    high: FiniteFloat | None


class CalibrationForm(Form):
    """``weights`` is a number, k or k x k numbers by method; ``bound`` is how far the objective is from its least."""

    method: Literal["none", "temperature", "vector", "matrix"]
    applied: bool
    reason: str
    notes: list[str] = Field(default_factory=list)
    rows: int | None = None
    weights: _Weight | list[_Weight] | list[list[_Weight]] | None = None
    bias: list[_Weight] | None = None
    bound: NonNegativeFloat | None = None
    judged: JudgedForm | None = None


class SetsForm(Form):
    """``quantiles`` has one entry, or one a class; null puts the class into every set. ``rows`` may be weights."""

    method: Literal["none", "lac", "aps"]
    coverage: Annotated[float, Field(gt=0, lt=1)]
    by_class: bool
    reason: str
    notes: list[str] = Field(default_factory=list)
    quantiles: list[NonNegativeFloat | None] | None = None
    rows: NonNegativeInt | NonNegativeFloat | None = None


class CostsForm(Form):
    """``matrix`` has the true classes as rows; thresholds, if any, are what it follows from."""

    classes: list[int | str | bool]
    matrix: list[list[_Cost]]
    thresholds: list[_Threshold] | None = None
    abstain: _Cost | None = None


class DecisionForm(Form):
    """decision.json without its digest."""

    format: str
    model: Digest
    settings: dict[str, JsonValue]
    calibration: CalibrationForm
    sets: SetsForm
    costs: CostsForm | None = None


def save(path: Path, form: DecisionForm) -> None:
    """Write the document, sealed with the digest of its content."""
    content = json.loads(json.dumps(form.model_dump()))
    files.write_json(path, content | {"digest": files.sha256_text(files.canonical_json(content))})


def load(folder: Path, model: Model) -> Decision:
    """What the folder of ``model`` has of `decide`; nothing without the file, as in folders of earlier versions.

    Raises: UserError if the file is damaged, forged, or of another model.
    """
    path = folder / DECISION_FILE
    if not os.path.lexists(path):  # a link to DVC's cache that leads nowhere is a file that is lost
        return NO_CHANGE
    return parse(json_documents.read_bytes(path, "run `dvc repro`"), model, path)


def parse_form(content: bytes, place: object) -> DecisionForm:
    """decision.json as it is written. Raises: UserError that names ``place``, where the file is damaged or forged."""
    sealed = json_documents.parse(content, place, _REMEDY)
    document = json_documents.unsealed(sealed, FORMAT, place, _REMEDY, "run `dvc repro`")
    with json_documents.faults_named(place, _REMEDY):
        return DecisionForm.model_validate(document)


def parse(content: bytes, model: Model, path: Path) -> Decision:
    """The decision that the content of decision.json is; the errors are those of ``load``."""
    form = parse_form(content, path)
    if form.model != model.key:
        raise UserError(f"{path}: expected the decision of the model beside it, got another's; run `dvc repro`")
    with json_documents.faults_named(path, _REMEDY):
        return _decision(form, model.classes)


def _decision(form: DecisionForm, classes: list[Class]) -> Decision:
    """Raises: ValueError where shapes or numbers contradict one another."""
    scaling = _scaling(form.calibration, len(classes))
    sets = _sets(form.sets, len(classes))
    policy = None if form.costs is None else _policy(form.costs, classes)
    return Decision(scaling, sets, policy, None if form.sets.by_class else form.sets.rows, form.sets.coverage)


def _scaling(form: CalibrationForm, classes: int) -> Scaling | None:
    if form.weights is None or form.bias is None or form.method == "none":
        if form.applied:
            raise ValueError("calibration: expected weights and bias where it is applied, got none")
        return None
    shape = {"temperature": (), "vector": (classes,), "matrix": (classes, classes)}[form.method]
    weights = _array("calibration.weights", form.weights, shape)
    if form.method == "temperature" and not weights > 0:
        raise ValueError(f"calibration.weights: expected a number > 0, got {float(weights)}")
    scaling = Scaling(form.method, weights, _array("calibration.bias", form.bias, (classes,)))
    return scaling if form.applied else None


def _sets(form: SetsForm, classes: int) -> PredictionSets | None:
    if form.quantiles is None:
        return None
    if form.method == "none":
        raise ValueError("sets.quantiles: expected null where sets.method is none, got quantiles")
    if len(form.quantiles) != (classes if form.by_class else 1):
        raise ValueError(f"sets.quantiles: expected one, or one a class by class, got {len(form.quantiles)}")
    method: prediction_sets.Method = form.method
    return PredictionSets(method, np.array([np.inf if each is None else each for each in form.quantiles]))


def _policy(form: CostsForm, classes: list[Class]) -> Policy:
    if [*map(repr, form.classes)] != [*map(repr, classes)]:
        raise ValueError("costs.classes: expected those of the model, got others")
    matrix, thresholds = _array("costs.matrix", form.matrix, (len(classes), len(classes))), None
    if form.thresholds is not None:
        thresholds = _array("costs.thresholds", form.thresholds, (len(classes),))
        if form.abstain is not None or not np.array_equal(matrix, missing(1 / thresholds)):
            raise ValueError("costs: expected thresholds with the costs that they are, got others beside them")
    return Policy(matrix, thresholds, form.abstain)


def _array(place: str, values: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The numbers as an array. Raises: ValueError for another shape, ragged lists among them."""
    try:
        array = np.array(values, dtype=np.float64)
    except ValueError:
        raise ValueError(f"{place}: expected numbers of shape {shape}, got lists of unequal length") from None
    if array.shape != shape:
        raise ValueError(f"{place}: expected numbers of shape {shape}, got {array.shape}")
    return array

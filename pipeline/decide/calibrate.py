"""Scaling fitted on the validation rows, and applied only if the test rows show that it helps."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.decide import temperature
from pipeline.decide.optimum import Fitted, NoFitError
from pipeline.decide.params import DecideParams
from pipeline.decide.rows import SplitBlocks
from pipeline.errors import listed
from pipeline.model import Model
from pipeline.scoring.decision import CalibrationForm, JudgedForm
from pipeline.scoring.probabilities import log_softmax
from pipeline.scoring.scaling import Scaling, log_probabilities

ROWS_A_NUMBER = 10

# Of matrix scaling; a Hessian of its 1,056 numbers takes 9 MB and 0.4 s to factor.
MOST_CLASSES = 32

# Squares of larger ones would leave float64.
_LARGEST = 1e100

_AS_THEY_ARE = "so the probabilities stay as they are"


def calibrate(params: DecideParams, model: Model, validation: SplitBlocks, test: SplitBlocks) -> CalibrationForm:
    """The scaling that decide.calibration asks for, whether it is applied, and the sentence why."""
    form = CalibrationForm(method=params.calibration, applied=False, reason="", notes=[*_notes(model, validation)])
    if params.calibration == "none":
        return form.model_copy(update={"reason": "decide.calibration is none", "notes": []})
    try:
        _require_rows(params, model, validation)
        fitted = _fit(params, model, validation)
    except NoFitError as error:
        return form.model_copy(update={"reason": f"not fitted: {error}"})
    judged = _judge(fitted.scaling, test) if test.rows else None
    applied, reason = _verdict(judged)
    return form.model_copy(
        update={
            "applied": applied,
            "reason": reason,
            "rows": validation.rows,
            "weights": fitted.scaling.weights.tolist(),
            "bias": fitted.scaling.bias.tolist(),
            "bound": fitted.bound,
            "judged": judged,
        }
    )


def _notes(model: Model, validation: SplitBlocks) -> Iterator[str]:
    if note := watched_note(model, validation):
        yield note


def watched_note(model: Model, validation: SplitBlocks) -> str | None:
    """The sentence where training has looked at the validation rows, which are then not as new to the model."""
    early_stopping = model.params.get("early_stopping")
    if validation.rows and isinstance(early_stopping, dict) and early_stopping.get("patience"):
        return "early stopping has used the validation rows, too, so they are not quite as new ones are"
    return None


def _require_rows(params: DecideParams, model: Model, validation: SplitBlocks) -> None:
    """Raises: NoFitError where the rows cannot decide on so many numbers."""
    k = len(model.classes)
    if not validation.rows:
        raise NoFitError("there are no validation rows (prepare.split)")
    if k == 1:
        raise NoFitError("the model has one class, whose probability is 1")
    if params.calibration == "matrix" and k > MOST_CLASSES:
        raise NoFitError(
            f"{k * k + k:,} numbers of {k:,} classes are too many; vector and temperature scaling have fewer"
        )
    numbers = {"temperature": 1, "vector": 2 * k, "matrix": k * k + k}[params.calibration]
    if validation.rows < ROWS_A_NUMBER * numbers:
        raise NoFitError(
            f"{validation.rows:,} validation rows are too few for {numbers:,} numbers; it takes "
            f"{ROWS_A_NUMBER * numbers:,}"
        )
    absent = [label for label, total in zip(model.classes, validation.totals, strict=True) if not total]
    if absent and params.calibration != "temperature":
        raise NoFitError(
            f"no validation row is of class {listed(absent)}, which {params.calibration} scaling would make ever less "
            "probable; temperature scaling does not"
        )
    if any(np.abs(log_probabilities(block.logits)).max() > _LARGEST for block in validation):
        raise NoFitError("a validation row gives a class an infinite log-probability")


def _fit(params: DecideParams, model: Model, validation: SplitBlocks) -> Fitted:
    if params.calibration == "temperature":
        return temperature.fit(validation, len(model.classes))
    from pipeline.decide import softmax_fit

    return softmax_fit.fit(validation, len(model.classes), params.calibration_l2, params.calibration)


def _judge(scaling: Scaling, test: SplitBlocks) -> JudgedForm:
    """The test rows' log loss before and after, with the interval of the difference; rows are what varies."""
    from pipeline.resampling.mean_difference import mean_difference  # loads scipy, which the rest does without

    parts = []
    for block in test:
        own = np.arange(len(block.labels)), block.labels
        before = -log_probabilities(block.logits)[own]
        after = -log_softmax(scaling.logits(block.logits))[own]
        parts.append((block.units, block.weights, before, after))
    units, weights, before, after = (np.concatenate(column) for column in zip(*parts, strict=True))
    result = mean_difference(units, weights, before, after)
    return JudgedForm(
        split="test",
        rows=len(weights),
        before=_mean(before, weights),
        after=_mean(after, weights),
        difference=result.difference,
        low=result.low,
        high=result.high,
    )


def _mean(losses: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    return math.fsum((weights * losses).tolist()) / math.fsum(weights.tolist())


def _verdict(judged: JudgedForm | None) -> tuple[bool, str]:
    """Whether the scaling is applied, and the sentence why."""
    if judged is None:
        return False, f"there are no test rows to judge it on, {_AS_THEY_ARE}"
    change = f"log loss on test changes by {judged.difference:+.4f}"
    if judged.low is None or judged.high is None:
        return False, f"{change}: too few test rows for an interval, {_AS_THEY_ARE}"
    change += f" ({judged.low:+.4f} to {judged.high:+.4f})"
    if judged.high < 0:
        return True, f"{change}: the rows show a gain, so the probabilities are scaled"
    return False, f"{change}: no gain that the rows can show, {_AS_THEY_ARE}"

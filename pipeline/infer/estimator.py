"""What a table of coefficients is of: which fit the training and the params lead to."""

import math
from typing import Literal

from pipeline.errors import UserError, quoted
from pipeline.infer.params import InferParams
from pipeline.infer.refusal import RefusalError
from pipeline.model import Model

Estimator = Literal["maximum likelihood", "firth", "l2"]


def estimator_of(model: Model, params: InferParams) -> Estimator:
    """The fit that is asked for. Raises: RefusalError where nothing is known of its errors."""
    l1 = _train_param("l1", model.params.get("l1", 0.0))
    if l1 and not params.refit:
        raise RefusalError("the spread of coefficients under train.l1 is not known; set infer.refit to true")
    if l1 and params.columns == "all":
        raise RefusalError(
            "train.l1 chose the columns on the same rows, which breaks the p-values of a refit; fix columns beforehand "
            "by infer.columns, or train with l2"
        )
    if params.firth:
        return "firth"
    if not params.refit and model.params.get("class_weight", "none") != "none":
        raise RefusalError(
            "train.class_weight counts rows of some classes more often than they are, so the spread of the model's own "
            "coefficients is of no likelihood; set infer.refit to true"
        )
    return "l2" if not params.refit and l2_of(model) > 0 else "maximum likelihood"


def l2_of(model: Model) -> float:
    """The penalty of the training, the one that was chosen where l2 is auto."""
    return _train_param("l2", model.result.get("l2", model.params.get("l2", 0.0)))


def _train_param(name: str, value: object) -> float:
    """A penalty as the model has it. Raises: UserError where the model was forged."""
    if not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise UserError(f"softmax.json: params: {name}: expected a number >= 0, got {quoted(value)}; run `dvc repro`")
    return float(value)

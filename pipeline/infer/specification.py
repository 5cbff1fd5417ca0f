"""What a table is to be of, as far as it is known before anything is fitted; none of it needs torch."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.encoder import Encoder
from pipeline.dataset.reader import Dataset
from pipeline.errors import UserError, listed, quoted
from pipeline.infer import requirements
from pipeline.infer.estimator import Estimator, estimator_of
from pipeline.infer.params import InferParams
from pipeline.infer.refusal import RefusalError
from pipeline.infer.terms import INTERCEPT, Term, chosen, require_categories, terms_of
from pipeline.model import Model
from pipeline.training_rows.class_totals import class_totals


@dataclass(frozen=True)
class Specification:
    """Data, trained model and params, and what follows from them: columns of the table, reference class, fit.

    ``class_totals`` (k,) are the training rows of each class, or their weights.
    """

    dataset: Dataset
    model: Model
    params: InferParams
    terms: list[Term]
    reference: int
    estimator: Estimator
    class_totals: NDArray[np.float64]

    @property
    def encoder(self) -> Encoder:
        """That of the dataset."""
        return self.dataset.encoder

    @property
    def intercept(self) -> bool:
        """Whether the trained model has b; then so has the table."""
        return bool(self.model.params.get("intercept", True))


def specify(dataset: Dataset, model: Model, params: InferParams) -> Specification:
    """Look at params and rows, without a pass over these for every coefficient; all workers take part.

    Raises: UserError for a param that does not fit the data; RefusalError where the data has no such table.
    """
    if not params.enabled:
        raise RefusalError("infer.enabled is false in params.yaml")
    if INTERCEPT in dataset.encoder.features:
        raise RefusalError(f"a column is called {INTERCEPT}, as b is in the tables; rename it")
    terms = chosen(terms_of(dataset.encoder), params.columns)
    require_categories(terms, list(params.base_levels or {}), "base_levels")
    if params.effects_by is not None:
        require_categories(terms, [params.effects_by], "effects_by")
    totals = class_totals(dataset)
    reference, estimator = _reference(params, model, totals), estimator_of(model, params)
    specification = Specification(dataset, model, params, terms, reference, estimator, totals)
    requirements.require_classes(model, totals)
    size = requirements.most_coefficients(dataset.encoder, terms, specification.intercept, estimator == "l2")
    requirements.require_memory(size, params)
    if estimator == "maximum likelihood":
        requirements.require_overlap(dataset, terms, specification.intercept)
    return specification


def _reference(params: InferParams, model: Model, totals: NDArray[np.float64]) -> int:
    """The class that infer.reference names, else the first of most weight."""
    if params.reference is None:
        return int(np.argmax(totals))
    for position, label in enumerate(model.classes):
        if type(label) is type(params.reference) and label == params.reference:
            return position
    raise UserError(
        f"params.yaml: infer.reference: expected a class ({listed(model.classes, 5)}), got {quoted(params.reference)}"
    )

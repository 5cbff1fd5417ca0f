"""How a training ended, as softmax.json has it: the part ``result``."""

from typing import Any

from pydantic import Field, FiniteFloat, NonNegativeInt

from pipeline.documents import json_documents
from pipeline.results.checks import REMEDY, OpenForm

# What needs no look: the optimum was reached, or the validation rows ended the training.
TRUSTED = ("converged", "converged_unproven", "stopped_early")
FIRST_ORDER = ("sgd", "adam")


class _Search(OpenForm):
    reason: str = ""


class _Outcome(OpenForm):
    status: str
    meaning: str = ""
    method: str = ""
    reason: str = ""
    epochs: NonNegativeInt = 0
    passes: NonNegativeInt = 0
    best_epoch: NonNegativeInt | None = None
    cost: FiniteFloat | None = None
    objective: FiniteFloat | None = None
    gradient_norm: FiniteFloat | None = None
    bound: FiniteFloat | None = None
    relative_bound: FiniteFloat | None = None
    probability_bound: FiniteFloat | None = None
    nonzero_weights: NonNegativeInt | None = None
    l2: FiniteFloat | None = None
    l2_search: _Search | None = None
    findings: list[str] = Field(default_factory=list)


def parse_outcome(result: dict[str, Any], place: object) -> dict[str, Any]:
    """The part ``result`` with every key, None where this training has no such number. Raises: UserError."""
    with json_documents.faults_named(f"{place}: result", REMEDY):
        return _Outcome.model_validate(result).model_dump()

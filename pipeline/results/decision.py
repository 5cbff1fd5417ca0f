"""decision.json: what is made of a model's probabilities, scaled or not: sets of classes, and decisions at a cost."""

from typing import Any

from pydantic import Field, FiniteFloat, NonNegativeFloat

from pipeline.dataset.columns import Class
from pipeline.documents import json_documents
from pipeline.results.checks import REMEDY, OpenForm

_Number = FiniteFloat | None


class _Judged(OpenForm):
    split: str
    before: _Number = None
    after: _Number = None
    difference: _Number = None
    low: _Number = None
    high: _Number = None
    rows: NonNegativeFloat | None = None


class _Calibration(OpenForm):
    method: str
    applied: bool
    reason: str = ""
    judged: _Judged | None = None


class _Sets(OpenForm):
    method: str | None = None
    coverage: _Number = None
    by_class: bool = False
    rows: NonNegativeFloat | None = None
    reason: str | None = None
    quantiles: list[_Number] | None = None


class _Costs(OpenForm):
    classes: list[Class]
    matrix: list[list[FiniteFloat]]
    abstain: _Number = None


class _Decision(OpenForm):
    model_key: str = Field(alias="model", default="")
    calibration: _Calibration | None = None
    sets: _Sets | None = None
    costs: _Costs | None = None


def parse_decision(content: bytes, place: object) -> dict[str, Any]:
    """decision.json, each part None where the run has none. Raises: UserError that names ``place``."""
    sealed = json_documents.parse(content, place, REMEDY)
    document = json_documents.unsealed(sealed, str(sealed.get("format")), place, REMEDY, REMEDY)
    with json_documents.faults_named(place, REMEDY):
        return _Decision.model_validate(document).model_dump(by_alias=True)

"""The lists in metrics.json beside its numbers: of classes, intervals, prediction sets, decisions.

Earlier runs lack some of them, and some of their keys.
"""

from typing import Annotated, Any

from pydantic import Field, FiniteFloat, NonNegativeFloat, NonNegativeInt

from pipeline.dataset.columns import Class
from pipeline.documents import json_documents
from pipeline.results.checks import REMEDY, OpenForm

_Number = FiniteFloat | None
_Share = Annotated[float, Field(ge=0, le=1)] | None


class _OfClass(OpenForm):
    split: str
    label: Class = Field(alias="class")
    precision: _Number = None
    recall: _Number = None
    f1: _Number = None
    support: NonNegativeFloat | None = None


class _Interval(OpenForm):
    split: str
    label: Class | None = Field(alias="class", default=None)
    metric: str
    low: _Number
    high: _Number


class _Undefined(OpenForm):
    split: str
    of: str
    label: Class | None = Field(alias="class", default=None)
    metric: str
    reason: str


class _SetSize(OpenForm):
    size: NonNegativeInt
    rows: NonNegativeFloat


class _SetsOfClass(OpenForm):
    label: Class = Field(alias="class")
    rows: NonNegativeFloat
    covered: _Share = None
    mean_size: _Number = None


class _PredictionSets(OpenForm):
    split: str
    coverage: FiniteFloat
    rows: NonNegativeFloat
    covered: _Share
    low: _Number = None
    high: _Number = None
    expected_low: _Number = None
    expected_high: _Number = None
    mean_size: _Number = None
    sizes: list[_SetSize] = Field(default_factory=list)
    per_class: list[_SetsOfClass] = Field(default_factory=list)


class _Decision(OpenForm):
    split: str
    policy: str
    expected_cost: _Number = None
    realised_cost: _Number = None
    difference: _Number = None
    low: _Number = None
    high: _Number = None
    no_decision: _Number = None


class _Lists(OpenForm):
    baseline: list[dict[str, FiniteFloat | str | None]] = Field(default_factory=list)
    per_class: list[_OfClass] = Field(default_factory=list)
    intervals: list[_Interval] = Field(default_factory=list)
    undefined: list[_Undefined] = Field(default_factory=list)
    prediction_sets: list[_PredictionSets] = Field(default_factory=list)
    decisions: list[_Decision] = Field(default_factory=list)


def with_lists(metrics: dict[str, Any], place: object) -> dict[str, Any]:
    """The document of ``reports.parse_metrics`` with every list, empty where the run has none, and every key of each.

    Raises: UserError that names ``place``.
    """
    with json_documents.faults_named(place, REMEDY):
        lists = _Lists.model_validate(metrics)
    return metrics | lists.model_dump(by_alias=True, include=set(_Lists.model_fields))

"""Metrics, a sweep, and the types of columns."""

from typing import Annotated, Any

from pydantic import Field, FiniteFloat, NonNegativeFloat, NonNegativeInt, PositiveFloat, model_validator

from pipeline.dataset.columns import Class
from pipeline.documents import json_documents
from pipeline.results.checks import REMEDY, OpenForm

_Numbers = dict[str, FiniteFloat | None]


class _Baseline(OpenForm):
    split: str
    log_loss: FiniteFloat | None = None
    accuracy: FiniteFloat | None = None


class _OfClass(OpenForm):
    split: str
    label: Annotated[Class, Field(alias="class")]
    f1: FiniteFloat | None = None
    support: NonNegativeFloat | None = None


class _Interval(OpenForm):
    split: str
    label: Annotated[Class, Field(alias="class")] = ""  # of a metric of all classes there is none
    metric: str
    low: FiniteFloat
    high: FiniteFloat


class _Metrics(OpenForm):
    train: _Numbers
    validation: _Numbers = Field(default_factory=dict)
    test: _Numbers = Field(default_factory=dict)
    baseline: list[_Baseline] = Field(default_factory=list)
    per_class: list[_OfClass] = Field(default_factory=list)
    intervals: list[_Interval] = Field(default_factory=list)


def parse_metrics(content: bytes, place: object) -> dict[str, Any]:
    """metrics.json, with the lists ``baseline``, ``per_class`` and ``intervals`` whether or not it has them.

    Raises: UserError that names ``place``.
    """
    document = json_documents.parse(content, place, REMEDY)
    with json_documents.faults_named(place, REMEDY):
        _Metrics.model_validate(document)
    return {"baseline": [], "per_class": [], "intervals": []} | document


class _Fit(OpenForm):
    log_loss: FiniteFloat


class _Line(OpenForm):
    l2: PositiveFloat
    log_loss: FiniteFloat
    standard_error: FiniteFloat
    training_log_loss: FiniteFloat
    passes: NonNegativeInt
    relative_bound: FiniteFloat
    status: str
    folds: Annotated[list[_Fit], Field(min_length=1)]


class _SweepParams(OpenForm):
    folds: NonNegativeInt


class _Sweep(OpenForm):
    chosen_l2: PositiveFloat
    lowest_l2: PositiveFloat
    rule: str
    sweep: _SweepParams
    lines: Annotated[list[_Line], Field(min_length=1)]

    @model_validator(mode="after")
    def _choices_are_lines(self) -> "_Sweep":
        tried = [line.l2 for line in self.lines]
        if len(set(tried)) != len(tried):
            raise ValueError("lines with another l2 each")
        for l2 in (self.chosen_l2, self.lowest_l2):
            if l2 not in tried:
                raise ValueError(f"chosen_l2 and lowest_l2 among the l2 of lines, of which none is {l2!r}")
        return self


def parse_sweep(content: bytes, place: object) -> dict[str, Any]:
    """sweep.json. Raises: UserError that names ``place``."""
    document = json_documents.parse(content, place, REMEDY)
    with json_documents.faults_named(place, REMEDY):
        _Sweep.model_validate(document)
    return document


class _Column(OpenForm):
    name: str
    kind: str


class _Schema(OpenForm):
    columns: list[_Column] = Field(default_factory=list)


def parse_column_types(content: bytes, place: object) -> dict[str, str]:
    """The type of each column from schema.json. Raises: UserError that names ``place``."""
    document = json_documents.parse(content, place, REMEDY)
    with json_documents.faults_named(place, REMEDY):
        return {column.name: column.kind for column in _Schema.model_validate(document).columns}

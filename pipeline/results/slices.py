"""slices.json: how well the model does on parts of the rows, and where classes are treated unlike."""

from typing import Any

from pydantic import Field, FiniteFloat, NonNegativeFloat

from pipeline.dataset.columns import Class
from pipeline.documents import json_documents
from pipeline.results.checks import REMEDY, OpenForm

_Number = FiniteFloat | None


class _Rates(OpenForm):
    label: Class = Field(alias="class")
    true_positive_rate: _Number = None
    true_positive_rate_low: _Number = None
    true_positive_rate_high: _Number = None
    false_positive_rate: _Number = None
    false_positive_rate_low: _Number = None
    false_positive_rate_high: _Number = None
    selection_rate: _Number = None
    selection_rate_low: _Number = None
    selection_rate_high: _Number = None


class _Slice(OpenForm):
    split: str
    column: str
    value: str
    rows: NonNegativeFloat
    log_loss: _Number = None
    log_loss_low: _Number = None
    log_loss_high: _Number = None
    accuracy: _Number = None
    accuracy_low: _Number = None
    accuracy_high: _Number = None
    expected_calibration_error: _Number = None
    cost: _Number = None
    p_value: _Number = None
    adjusted_p_value: _Number = None
    per_class: list[_Rates] = Field(default_factory=list)


class _Disparity(OpenForm):
    split: str
    column: str
    label: Class | None = Field(alias="class", default=None)
    measure: str
    ratio: _Number = None
    low: _Number = None
    high: _Number = None
    lowest: str | None = None
    highest: str | None = None


class _LeftOut(OpenForm):
    column: str
    reason: str


class _Slices(OpenForm):
    slices: list[_Slice]
    disparities: list[_Disparity] = Field(default_factory=list)
    left_out: list[_LeftOut] = Field(default_factory=list)


def parse_slices(content: bytes, place: object) -> dict[str, Any]:
    """slices.json with every list, and every key of their records. Raises: UserError that names ``place``."""
    document = json_documents.parse(content, place, REMEDY)
    with json_documents.faults_named(place, REMEDY):
        return _Slices.model_validate(document).model_dump(by_alias=True)

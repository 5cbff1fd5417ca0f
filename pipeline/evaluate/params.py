"""Section `evaluate` of params.yaml."""

from pydantic import Field, field_validator

from pipeline.errors import listed
from pipeline.params import Section


class EvaluateParams(Section):
    """How a model is judged."""

    # Each takes a number of every replicate of the bootstrap.
    calibration_bins: int = Field(
        default=10,
        ge=1,
        le=10_000,
        description="equal-width bins of the predicted probability; integer, 1 to 10000",
    )
    slices: list[str] = Field(
        default=[],
        description="columns in whose values metrics are told apart: features, parts of dates, or of "
        "prepare.keep_values; numbers are cut at quartiles",
    )

    @field_validator("slices")
    @classmethod
    def _each_column_stands_once(cls, columns: list[str]) -> list[str]:
        if len({*columns}) < len(columns):
            raise ValueError(f"each column once, got [{listed(columns, len(columns))}]")
        return columns

"""Section `evaluate` of params.yaml."""

from pydantic import Field, PositiveInt

from pipeline.params import Section


class EvaluateParams(Section):
    """How a model is judged."""

    calibration_bins: PositiveInt = Field(
        default=10, description="equal-width bins of the predicted probability; integer >= 1"
    )

"""Section `evaluate` of params.yaml."""

from pydantic import PositiveInt

from pipeline.params import Section


class EvaluateParams(Section):
    """The knobs under ``evaluate:``; params.yaml tells each one's meaning, unit and range."""

    calibration_bins: PositiveInt

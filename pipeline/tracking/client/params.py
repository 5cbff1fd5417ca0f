"""Section `tracking` of params.yaml, and the variable of the environment that switches tracking off."""

import os
from pathlib import Path

from pydantic import Field, NonNegativeFloat, PositiveFloat

from pipeline import params
from pipeline.errors import UserError, quoted
from pipeline.params import Section

TRACKING_VARIABLE = "PIPELINE_TRACKING"

AUTO = "auto"  # of the experiment


class TrackingParams(Section):
    """Settings of the recording of runs in MLflow.

    A training shorter than ``live_after_s`` becomes a run when it ends, so that a kill leaves nothing behind; a longer
    one is there to look at meanwhile. ``timeout_s`` bounds the wait for MLflow at the end of a stage, and every wait
    for a database file that another process holds.
    """

    experiment: str = Field(
        default=AUTO,
        min_length=1,
        max_length=500,
        pattern=r"\S",
        description="name of the MLflow experiment; auto: that of the data set",
    )
    required: bool = Field(
        default=False,
        description="true: no run without MLflow; false: a warning, and the files are complete",
    )
    live_after_s: NonNegativeFloat = Field(
        default=10.0,
        description="seconds after which a training still running is shown in MLflow; >= 0",
    )
    timeout_s: PositiveFloat = Field(
        default=60.0,
        description="seconds to wait: a stage at its end for MLflow, a command for a locked database; > 0",
    )


def timeout_s(root: Path) -> float:
    """``tracking.timeout_s`` of the project at ``root``; the default where its params.yaml cannot be read."""
    try:
        return params.load(root / params.PARAMS_FILE, "tracking", TrackingParams).timeout_s
    except UserError:
        return TrackingParams().timeout_s


def is_switched_off(params: TrackingParams) -> bool:
    """Whether the environment says that stages leave no run: ``PIPELINE_TRACKING=off``, in place of ``on``.

    Where ``params.required``, tracking stays on. Raises: UserError if the variable says something else.
    """
    setting = os.environ.get(TRACKING_VARIABLE, "on")
    if setting not in ("on", "off"):
        raise UserError(
            f"{TRACKING_VARIABLE}: expected on or off, got {quoted(setting)}; without it stages are tracked"
        )
    return setting == "off" and not params.required

"""The knobs of tracking."""

from pathlib import Path

from pydantic import Field, NonNegativeFloat, PositiveFloat

from pipeline import params
from pipeline.errors import UserError
from pipeline.params import Section


class Params(Section):
    """The knobs under ``tracking:``; params.yaml tells each one's meaning, unit and range.

    A training shorter than ``live_after_s`` becomes a run when it ends, so that a kill leaves nothing behind; a longer
    one is there to look at meanwhile. ``timeout_s`` bounds the wait for MLflow at the end of a stage, and every wait
    for a database file that another process holds.
    """

    experiment: str = Field(default="softmax", min_length=1, max_length=500, pattern=r"\S")
    required: bool = False
    live_after_s: NonNegativeFloat = 10.0
    timeout_s: PositiveFloat = 60.0


def timeout_s(root: Path) -> float:
    """``tracking.timeout_s`` of the project at ``root``; the default where its params.yaml cannot be read."""
    try:
        return params.load(root / "params.yaml", "tracking", Params).timeout_s
    except UserError:
        return Params().timeout_s

"""Section `sweep` of params.yaml."""

from typing import Annotated

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pipeline.commands.sweep import selection
from pipeline.params import Section


class Penalties(Section):
    """The values of l2 to try: ``values``, or where there are none ``count`` evenly on a logarithmic scale."""

    strongest: PositiveFloat = 1.0
    weakest: PositiveFloat = 1e-6
    count: PositiveInt = 13
    values: list[float] = Field(default_factory=list)

    @model_validator(mode="after")
    def _penalties_are_positive(self) -> "Penalties":
        wrong = [value for value in self.values if value <= 0]
        if wrong:
            raise ValueError(f"values > 0 in sweep.l2.values, since only a penalty gives a proof, got {wrong[0]:g}")
        if self.weakest > self.strongest:
            raise ValueError(f"sweep.l2.weakest at most sweep.l2.strongest {self.strongest:g}, got {self.weakest:g}")
        return self

    def descending(self) -> list[float]:
        """Strong to weak, each once; those of a scale have three digits, so that they can be typed."""
        scale = np.geomspace(self.strongest, self.weakest, self.count)
        return sorted(set(self.values or (float(f"{value:.3g}") for value in scale)), reverse=True)


class SweepParams(Section):
    """The knobs under ``sweep:``; params.yaml tells each one's meaning, unit and range."""

    l2: Penalties = Penalties()
    folds: Annotated[int, Field(ge=2)] = 5
    seed: NonNegativeInt = 0
    rule: selection.Rule = "one_standard_error"

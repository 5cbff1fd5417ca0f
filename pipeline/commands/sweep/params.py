"""Section `sweep` of params.yaml."""

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pipeline.params import Section
from pipeline.train.cross_validation import penalties, selection


class Penalties(Section):
    """The values of l2 to try: ``values``, or where there are none ``count`` evenly on a logarithmic scale."""

    strongest: PositiveFloat = Field(default=penalties.STRONGEST, description="> 0")
    weakest: PositiveFloat = Field(default=penalties.WEAKEST, description="> 0")
    count: PositiveInt = Field(
        default=penalties.COUNT,
        description="of values, evenly on a logarithmic scale, rounded to 3 digits; integer >= 1",
    )
    values: list[float] = Field(default=[], description="these values > 0 instead: [0.1, 0.01]")

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
        return sorted(set(self.values or penalties.on_scale(self.strongest, self.weakest, self.count)), reverse=True)


class SweepParams(Section):
    """The penalties to try, and the rule by which one is chosen."""

    l2: Penalties = Field(default=Penalties(), description="the values to try, from strong to weak")
    folds: int = Field(default=penalties.FOLDS, ge=2, description="of the cross-validation; integer >= 2")
    seed: NonNegativeInt = Field(default=0, description="of the cut into folds, which goes by content; integer >= 0")
    rule: selection.Rule = Field(
        default="one_standard_error",
        description="the strongest l2 within one standard error of the lowest log loss | best: the lowest",
    )

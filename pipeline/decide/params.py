"""Section `decide` of params.yaml."""

from typing import Any, Literal

from pydantic import Field, PositiveFloat, field_validator, model_validator

from pipeline.decide.given_costs import require_costs, require_thresholds
from pipeline.params import Section
from pipeline.scoring.costs import MOST_COST

ClassName = str | int | bool


class DecideParams(Section):
    """What is done with the probabilities of a model before a person acts on them."""

    calibration: Literal["none", "temperature", "vector", "matrix"] = Field(
        default="temperature",
        description="scaling of the probabilities, fitted on validation rows, applied if the test rows show that it "
        "helps\n"
        "temperature: 1 number | vector: 2 a class | matrix: one a pair of classes and one a class",
    )
    calibration_l2: PositiveFloat = Field(
        default=1e-3,
        description="vector, matrix: adds l2/2 * (||W - I||^2 + ||b||^2) to the mean log loss, which pulls towards "
        "leaving the probabilities as they are; > 0",
    )
    sets: Literal["none", "lac", "aps"] = Field(
        default="lac",
        description="prediction sets from validation rows: lac: the smallest on average | aps: larger where the model "
        "is unsure",
    )
    coverage: float = Field(
        default=0.9, gt=0, lt=1, description="share of rows whose set holds their class, at least; 0 < coverage < 1"
    )
    sets_by_class: bool = Field(
        default=False, description="true: in the rows of each class by themselves, which takes more validation rows"
    )
    costs: list[list[float]] | dict[ClassName, float | dict[ClassName, float]] | None = Field(
        default=None,
        description="of decisions: {actual: {decided: cost}}, {actual: cost of any other decision}, or a list of rows "
        "(actual), of columns (decided)\n"
        "what is not named costs 0 where it is right and 1 where it is wrong; >= 0",
    )
    thresholds: dict[ClassName, float] | None = Field(
        default=None,
        description="instead of costs, {class: t}: decided is the class of largest p / t; 0 < t < 1\n"
        "every class, or one of two: the other's is 1 - t",
    )
    abstain: float | None = Field(
        default=None,
        ge=0,
        le=MOST_COST,
        description="cost of no decision, taken where every class is expected to cost more; without costs those are 0 "
        "and 1; >= 0",
    )

    @field_validator("costs", mode="before")
    @classmethod
    def _costs_are_costs(cls, value: Any) -> Any:
        require_costs(value)
        return value

    @field_validator("thresholds", mode="before")
    @classmethod
    def _thresholds_are_probabilities(cls, value: Any) -> Any:
        require_thresholds(value)
        return value

    @model_validator(mode="after")
    def _one_way_to_decide(self) -> "DecideParams":
        for name in ("costs", "abstain"):
            if self.thresholds is not None and getattr(self, name) is not None:
                raise ValueError(f"decide.{name} null with decide.thresholds, which are costs of their own, got both")
        return self

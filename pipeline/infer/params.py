"""Section `infer` of params.yaml."""

from typing import Literal

from pydantic import Field, NonNegativeInt, model_validator

from pipeline.params import Section


class InferParams(Section):
    """What is asked of the rows: which errors, against which class, of which columns."""

    enabled: bool = Field(
        default=True, description="false: no inference; where a table cannot have any, a sentence says why"
    )
    reference: str | int | bool | None = Field(
        default=None, description="class that the others are compared with; null: the one of most training rows"
    )
    base_levels: dict[str, str] | None = Field(
        default=None, description="{category: level} that its other levels are compared with; else its first"
    )
    columns: Literal["all"] | list[str] = Field(
        default="all", description="all: those of the model; or a list of columns, fixed before the rows were seen"
    )
    covariance: Literal["model", "robust", "cluster"] = Field(
        default="model",
        description="model: inverse of the information | robust: sandwich of the rows' scores\n"
        "cluster: sandwich of the scores summed by infer.cluster",
    )
    correction: Literal["none", "statsmodels", "stata"] = Field(
        default="none",
        description="of n rows, q coefficients and G clusters; none: 1 (HC0)\n"
        "statsmodels: robust n / (n - q) (HC1), cluster G / (G - 1) * (n - 1) / (n - q)\n"
        "stata: robust n / (n - 1), cluster G / (G - 1)",
    )
    cluster: str | None = Field(
        default=None,
        description="column whose equal values belong together: a feature, prepare.split.key or one of prepare.keep",
    )
    weights: Literal["frequency", "sampling"] = Field(
        default="frequency",
        description="what prepare.weights are: frequency (so many equal rows) | sampling (robust or cluster only)",
    )
    refit: bool = Field(
        default=True,
        description="true: the table is of a fit of its own, without penalty and class weights\n"
        "false: spread of the model's shrunk coefficients, without p-values",
    )
    firth: bool = Field(
        default=False, description="true: Firth's fit (Jeffreys prior), finite where classes are told apart"
    )
    confidence: float = Field(default=0.95, gt=0, lt=1, description="of the intervals; 0 < confidence < 1")
    effects: bool = Field(default=True, description="average marginal effects of the columns, as effects.csv")
    effects_by: str | None = Field(default=None, description="category in whose levels effects are averaged, too")
    passes: NonNegativeInt = Field(
        default=200,
        description="over the rows, that refits of tests may take; columns left over have the Wald test alone",
    )
    influence: NonNegativeInt = Field(default=100, description="rows in influence.csv, those of largest influence")

    @model_validator(mode="after")
    def _cluster_has_a_column(self) -> "InferParams":
        if (self.covariance == "cluster") != (self.cluster is not None):
            raise ValueError(
                f"infer.cluster to be a column where infer.covariance is cluster, else null, got {self.cluster!r} with "
                f"{self.covariance}"
            )
        return self

    @model_validator(mode="after")
    def _sampling_weights_need_a_sandwich(self) -> "InferParams":
        if self.weights == "sampling" and self.covariance == "model":
            raise ValueError(
                "infer.covariance robust or cluster with infer.weights sampling: the inverse information counts such "
                "weights as rows; got model"
            )
        return self

    @model_validator(mode="after")
    def _firth_is_a_fit(self) -> "InferParams":
        if self.firth and not self.refit:
            raise ValueError("infer.refit true with infer.firth true, which is a fit of its own, got false")
        if self.firth and self.covariance != "model":
            raise ValueError(f"infer.covariance model with infer.firth true, got {self.covariance}")
        return self

"""All of params.yaml: its sections, and what each param means."""

from pydantic import Field, PositiveInt

from pipeline.commands.sweep.params import SweepParams
from pipeline.decide.params import DecideParams
from pipeline.evaluate.params import EvaluateParams
from pipeline.infer.params import InferParams
from pipeline.params import Section
from pipeline.prepare.params import PrepareParams
from pipeline.tracking.client.params import TrackingParams
from pipeline.train.params import CheckpointParams, TrainParams


class ParamsFile(Section):
    """The sections of params.yaml, in their order."""

    prepare: PrepareParams
    train: TrainParams
    sweep: SweepParams = Field(
        description="`python -m pipeline sweep`: the l2 that predicts best; solver: auto, newton or lbfgs"
    )
    decide: DecideParams
    evaluate: EvaluateParams
    infer: InferParams
    workers: PositiveInt = Field(
        default=1,
        description="processes that share a stage's rows, through torchrun; no byte depends on it; >= 1;\n"
        "PIPELINE_WORKERS in the environment goes before it",
    )
    checkpoint: CheckpointParams
    tracking: TrackingParams = Field(
        description="PIPELINE_TRACKING=off in the environment: stages leave no run in MLflow"
    )

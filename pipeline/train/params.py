"""The knobs under ``train:``; params.yaml tells each one's meaning, unit and range."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pipeline.params import Section

FIRST_ORDER = ("sgd", "adam")
WITH_L1 = ("newton", "auto")


class ScheduleParams(Section):
    """How the learning rate changes from epoch to epoch; a method reads the params that it names."""

    method: Literal["constant", "step", "exponential", "cosine"]
    every: PositiveInt = 100
    factor: PositiveFloat = 0.5


class EarlyStoppingParams(Section):
    """Stop when the validation cost has not fallen by more than ``minimum_drop`` nats for ``patience`` epochs."""

    patience: NonNegativeInt = 0
    minimum_drop: NonNegativeFloat = 0.0


class StartParams(Section):
    """Begin at an earlier model: its folder, and its key, which pins what lies there.

    DVC does not watch the folder; the key among the params makes another model another training.
    """

    model: str | None = None
    key: str | None = None

    @model_validator(mode="after")
    def _a_key_is_of_a_model(self) -> "StartParams":
        if self.key is not None and self.model is None:
            raise ValueError("train.start.model to be the folder of the model with this key, got null")
        return self


class TrainParams(Section):
    """One training, resolved. A knob that the solver does not have must be at the value that means nothing."""

    solver: Literal["sgd", "adam", "lbfgs", "newton", "auto"]
    seed: NonNegativeInt
    start: StartParams = StartParams()
    epochs: PositiveInt
    lr: PositiveFloat | None = None
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    batch_size: Literal["full"] | PositiveInt = "full"
    tolerance: PositiveFloat = 1e-8
    l1: NonNegativeFloat = 0.0
    l2: NonNegativeFloat = 0.0
    intercept: bool = True
    class_weight: Literal["none", "balanced"] | dict[str | int | bool, NonNegativeFloat] = "none"
    schedule: ScheduleParams = ScheduleParams(method="constant")
    early_stopping: EarlyStoppingParams = EarlyStoppingParams()
    snapshot_every: PositiveInt
    precision: Literal["float64", "float32"] = "float64"
    device: Literal["cpu", "cuda", "auto"] = "cpu"

    @model_validator(mode="after")
    def _momentum_belongs_to_sgd(self) -> "TrainParams":
        if self.momentum and self.solver != "sgd":
            raise ValueError(
                f"train.momentum 0 with train.solver {self.solver}, which has no momentum, got {self.momentum:g}; "
                "add -S train.momentum=0"
            )
        return self

    @model_validator(mode="after")
    def _lr_belongs_to_sgd_and_adam(self) -> "TrainParams":
        if self.solver in FIRST_ORDER and self.lr is None:
            raise ValueError(f"train.lr > 0 with train.solver {self.solver}, got null; add -S train.lr=0.1")
        return self

    @model_validator(mode="after")
    def _l1_belongs_to_newton(self) -> "TrainParams":
        if self.l1 and self.solver not in WITH_L1:
            flags = "-S train.solver=auto" + (" -S train.lr=null" if self.lr is not None else "")
            raise ValueError(
                f"train.l1 0 with train.solver {self.solver}, which cannot make weights exactly 0, got {self.l1}; "
                f"add {flags}, or -S train.l1=0"
            )
        return self

    @model_validator(mode="after")
    def _l1_belongs_to_the_processor(self) -> "TrainParams":
        if self.l1 and self.device == "cuda":
            raise ValueError(
                f"train.device cpu or auto with train.l1 {self.l1}, which runs on the processor, got cuda; "
                "add -S train.device=cpu"
            )
        return self

    @model_validator(mode="after")
    def _what_finds_its_own_steps_is_not_told_them(self) -> "TrainParams":
        if self.solver in FIRST_ORDER:
            return self
        neutral = {
            "lr": (self.lr, None),
            "batch_size": (self.batch_size, "full"),
            "schedule.method": (self.schedule.method, "constant"),
            "precision": (self.precision, "float64"),
        }
        wrong = {name: (got, wanted) for name, (got, wanted) in neutral.items() if got != wanted}
        if wrong:
            settings = {name: "null" if wanted is None else str(wanted) for name, (_, wanted) in wrong.items()}
            expected = " and ".join(f"train.{name} {value}" for name, value in settings.items())
            got = ", ".join(str(value) for value, _ in wrong.values())
            flags = " ".join(f"-S train.{name}={value}" for name, value in settings.items())
            raise ValueError(
                f"{expected} with train.solver {self.solver}, which finds its own steps, got {got}; add {flags}"
            )
        return self


class CheckpointParams(Section):
    """The knobs under ``checkpoint:``; params.yaml tells each one's meaning, unit and range."""

    every_s: NonNegativeFloat = 30.0

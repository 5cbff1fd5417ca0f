"""Sections `train` and `checkpoint` of params.yaml."""

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pipeline.params import Section

FIRST_ORDER = ("sgd", "adam")
WITH_L1 = ("newton", "auto")


class ScheduleParams(Section):
    """The schedule of the learning rate, epoch by epoch; a method reads the params that it names."""

    method: Literal["constant", "step", "exponential", "cosine"] = Field(
        description="constant | step (times factor after every `every` epochs)\n"
        "exponential (times factor after each epoch) | cosine (down to 0 at the end)"
    )
    every: PositiveInt = Field(default=100, description="epochs; integer >= 1")
    factor: PositiveFloat = Field(default=0.5, description="> 0")


class EarlyStoppingParams(Section):
    """Stop when the validation cost has not fallen by more than ``minimum_drop`` nats for ``patience`` epochs."""

    patience: NonNegativeInt = Field(
        default=0, description="epochs without a lower validation cost; 0: never stop early"
    )
    minimum_drop: NonNegativeFloat = Field(default=0.0, description="nats that count as lower; >= 0")


class StartParams(Section):
    """Begin at an earlier model: its folder, and its key, which pins what lies there.

    DVC does not watch the folder; the key among the params makes another model another training.
    """

    model: str | None = Field(default=None, description="its folder, such as a copy of models/; null: none")
    key: str | None = Field(
        default=None,
        description="its key, as `python -m pipeline summary` prints it: pins the folder's content",
    )

    @model_validator(mode="after")
    def _a_key_is_of_a_model(self) -> "StartParams":
        if self.key is not None and self.model is None:
            raise ValueError("train.start.model to be the folder of the model with this key, got null")
        return self


class TrainParams(Section):
    """One training, resolved. A parameter that the solver does not use must keep its neutral value."""

    solver: Literal["sgd", "adam", "lbfgs", "newton", "auto"] = Field(
        description="sgd | adam: step by step, as told by lr, momentum, batch_size and schedule\n"
        "newton | lbfgs | auto: to the optimum, with a proof; they take lr: null\n"
        "auto takes newton where its Hessian pays off and takes at most 1 GiB, else lbfgs"
    )
    seed: NonNegativeInt = Field(description="of the initial weights and of the order of mini-batches; integer >= 0")
    start: StartParams = Field(
        default=StartParams(),
        description="begin at an earlier model, mapped by the names of its columns; new ones at 0",
    )
    epochs: PositiveInt = Field(
        description="passes over the training rows (newton, lbfgs: steps at most); integer >= 1"
    )
    tolerance: PositiveFloat = Field(
        default=1e-8,
        description="newton, lbfgs: stop at this proven share of the objective above its optimum; > 0",
    )
    lr: PositiveFloat | None = Field(default=None, description="learning rate; > 0, or null for a solver that has none")
    momentum: float = Field(default=0.0, ge=0, lt=1, description="sgd only; 0 <= momentum < 1")
    batch_size: Literal["full"] | PositiveInt = Field(
        default="full", description="full, or rows per update; integer >= 1"
    )
    l1: NonNegativeFloat = Field(
        default=0.0,
        description="newton and auto only: adds l1 * sum |W| to the cost, b excepted; >= 0\n"
        "scikit-learn's elasticnet: C = 1 / (rows * (l1 + l2)), l1_ratio = l1 / (l1 + l2); both as for l2",
    )
    l2: NonNegativeFloat | Literal["auto"] = Field(
        default=0.0,
        description="adds l2/2 * ||W||^2 to the cost, b excepted; >= 0, or auto: newton, lbfgs and auto take the value "
        "of the lowest log loss in 5-fold cross-validation over the training rows\n"
        "scikit-learn's C = 1 / (rows * l2); with two classes l2/2 stands for l2 there, with weights their sum "
        "for rows",
    )
    intercept: bool = Field(default=True, description="false: b stays 0")
    class_weight: Literal["none", "balanced"] | dict[str | int | bool, NonNegativeFloat] = Field(
        default="none", description="none | balanced | {class: weight >= 0, ...}"
    )
    schedule: ScheduleParams = Field(default=ScheduleParams(method="constant"), description="of the learning rate")
    early_stopping: EarlyStoppingParams = Field(
        default=EarlyStoppingParams(), description="needs validation rows; goes back to the best epoch"
    )
    snapshot_every: PositiveInt = Field(description="epochs between snapshots of W and b; integer >= 1")
    precision: Literal["float64", "float32"] = Field(
        default="float64",
        description="of the products inside a block: float64 | float32; sums are exact in both\n"
        "newton and lbfgs go to float64 by themselves, where it decides the last digits",
    )
    device: Literal["cpu", "cuda", "auto"] = Field(
        default="cpu",
        description="of passes over all rows: cpu | cuda | auto (cuda where there is one, else cpu). A GPU has bits of "
        "its own, the same in every run on its kind; l1 and sweep: cpu",
    )

    @property
    def l2_value(self) -> float:
        """l2 as a number, where it is one; auto is for whoever chooses it."""
        assert self.l2 != "auto"
        return self.l2

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
    def _choosing_l2_belongs_to_proven_optima(self) -> "TrainParams":
        if self.l2 != "auto":
            return self
        if self.solver in FIRST_ORDER:
            raise ValueError(
                f"train.l2 a number with train.solver {self.solver}, got auto, which compares proven optima; "
                "add -S train.l2=0, or -S train.solver=auto -S train.lr=null"
            )
        if self.l1:
            raise ValueError(
                f"train.l2 a number with train.l1 {self.l1:g}, got auto, which varies l2 alone; add -S train.l1=0"
            )
        if self.early_stopping.patience:
            raise ValueError(
                f"train.l2 a number with train.early_stopping.patience {self.early_stopping.patience}, got auto, which "
                "compares proven optima; add -S train.early_stopping.patience=0"
            )
        return self

    @model_validator(mode="after")
    def _second_order_solvers_take_no_step_size(self) -> "TrainParams":
        if self.solver in FIRST_ORDER:
            return self
        neutral = {
            "lr": (self.lr, None),
            "batch_size": (self.batch_size, "full"),
            "schedule.method": (self.schedule.method, "constant"),
            "precision": (self.precision, "float64"),
        }
        wrong = {name: (got, expected) for name, (got, expected) in neutral.items() if got != expected}
        if wrong:
            settings = {name: "null" if expected is None else str(expected) for name, (_, expected) in wrong.items()}
            expected = " and ".join(f"train.{name} {value}" for name, value in settings.items())
            got = ", ".join(str(value) for value, _ in wrong.values())
            flags = " ".join(f"-S train.{name}={value}" for name, value in settings.items())
            raise ValueError(
                f"{expected} with train.solver {self.solver}, which finds its own steps, got {got}; add {flags}"
            )
        return self


class CheckpointParams(Section):
    """The time between checkpoints of a training."""

    every_s: NonNegativeFloat = Field(
        default=30.0,
        description="seconds between checkpoints of a training, from which it goes on after a kill; >= 0",
    )

"""Stage 2: fit W and b to the prepared training rows, and write the model, its history and its snapshots."""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import safetensors.numpy
import torch
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator
from tqdm import tqdm

from pipeline import files, model, shards, tensors
from pipeline.errors import UserError
from pipeline.numerics.softmax import Block, Objective, Parameters
from pipeline.numerics.solvers import adam, first_order, loop, rates, sgd
from pipeline.numerics.solvers.status import Status
from pipeline.numerics.sums import thread_count
from pipeline.params import Section

HISTORY_FILE = "history.csv"
SNAPSHOTS_FILE = "snapshots.safetensors"
BEFORE_THE_FIRST_STEP = -1

Watch = Callable[[dict[str, Any]], None]


class Schedule(Section):
    """How the learning rate changes from epoch to epoch; a method reads the params that it names."""

    method: rates.Schedule
    every: PositiveInt = 100
    factor: PositiveFloat = 0.5


class EarlyStopping(Section):
    """Stop when the validation cost has not fallen by more than ``minimum_drop`` nats for ``patience`` epochs."""

    patience: NonNegativeInt = 0
    minimum_drop: NonNegativeFloat = 0.0


class Params(Section):
    """The knobs under ``train:``; params.yaml tells each one's meaning, unit and range."""

    solver: Literal["sgd", "adam"]
    seed: NonNegativeInt
    epochs: PositiveInt
    lr: PositiveFloat
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    batch_size: Literal["full"] | PositiveInt = "full"
    l2: NonNegativeFloat = 0.0
    class_weight: Literal["none", "balanced"] | dict[str | int | bool, NonNegativeFloat] = "none"
    schedule: Schedule = Schedule(method="constant")
    early_stopping: EarlyStopping = EarlyStopping()
    snapshot_every: PositiveInt
    precision: Literal["float64", "float32"] = "float64"

    @model_validator(mode="after")
    def _momentum_belongs_to_sgd(self) -> "Params":
        if self.momentum and self.solver != "sgd":
            raise ValueError(f"train.momentum 0 with train.solver {self.solver}, which has no momentum")
        return self


class Trained:
    """What training leaves: the loop's result, the history's records, and the snapshots with their epochs."""

    def __init__(self, start: Parameters, snapshot_every: int) -> None:
        self._snapshot_every = snapshot_every
        self.records: list[loop.Record] = []
        self.snapshots: list[tuple[int, Parameters]] = [(BEFORE_THE_FIRST_STEP, start.copy())]
        self.result: loop.Result | None = None

    def keep(self, record: loop.Record, parameters: Parameters) -> None:
        """Remember an epoch; the parameters are copied when the epoch is one for a snapshot."""
        self.records.append(record)
        if record.number % self._snapshot_every == 0:
            self.snapshots.append((record.number, parameters.copy()))


def train(prepared: shards.Prepared, params: Params, watch: Watch) -> tuple[model.Model, Trained]:
    """Fit the model; ``watch`` sees every record as a flat dictionary.

    Raises: UserError if the cost diverges, or if a param does not fit the data.
    """
    class_weights = _class_weights(params, prepared)
    blocks = tensors.blocks_of(prepared, prepared.splits["train"], class_weights)
    columns = len(prepared.encoder.features)

    def objective(rows: Sequence[Block], l2: float = params.l2) -> Objective:
        return Objective(rows, columns, l2, thread_count(), getattr(torch, params.precision))

    whole = objective(blocks)
    start = _start(prepared, params.seed)
    trained = Trained(start, params.snapshot_every)
    with tqdm(total=params.epochs, unit="epoch", desc="train", disable=None, delay=1, leave=False) as bar:

        def see(record: loop.Record, parameters: Parameters) -> None:
            trained.keep(record, parameters)
            watch(_row(record))
            bar.set_postfix(cost=f"{record.epoch.cost:.6f}", refresh=False)
            bar.update()

        trained.result = loop.run(
            _method(params, start, whole, blocks, objective),
            params.epochs,
            see,
            _validation_cost(prepared, params, class_weights, objective),
            _early_stopping(params),
        )
    return _model(prepared, params, whole, trained.result), trained


def _class_weights(params: Params, prepared: shards.Prepared) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """Weight of each class, (k,): given by name, or n / (k * rows of the class) for ``balanced``."""
    if params.class_weight == "none":
        return None
    if params.class_weight == "balanced":
        totals = tensors.class_totals(prepared)
        return np.asarray(totals.sum() / (len(totals) * totals))
    given = {str(name): weight for name, weight in params.class_weight.items()}
    classes = [str(name) for name in prepared.encoder.classes]
    if set(given) != set(classes):
        raise UserError(
            f"params.yaml: train.class_weight: expected one weight for each of the classes {', '.join(classes)}, "
            f"got {', '.join(given) or 'none'}; name every class once"
        )
    weights = np.array([given[name] for name in classes])
    if not weights.any():
        raise UserError("params.yaml: train.class_weight: expected a weight > 0 for some class, got 0 for all")
    return weights


def _start(prepared: shards.Prepared, seed: int) -> Parameters:
    """torch.nn.Linear's initial weights under the seed; the columns of unseen levels start, and stay, at 0."""
    torch.manual_seed(seed)
    encoder = prepared.encoder
    linear = torch.nn.Linear(len(encoder.features), len(encoder.classes))
    weights = linear.weight.detach().double()
    end = encoder.number_count
    for levels in encoder.level_counts:
        end += levels
        weights[:, end - 1] = 0.0  # the last level of a category is <unseen>: no training row carries it
    return Parameters(weights, linear.bias.detach().double())


def _method(
    params: Params,
    start: Parameters,
    whole: Objective,
    blocks: Sequence[Block],
    make_objective: first_order.MakeObjective,
) -> loop.Method:
    update = adam.update([start.weights, start.bias]) if params.solver == "adam" else sgd.update(params.momentum)
    if params.batch_size == "full":
        batches = first_order.full_batch(whole)
    else:
        batches = first_order.mini_batches(blocks, params.batch_size, params.seed, make_objective)
    schedule = params.schedule
    decay = rates.rates(schedule.method, params.lr, params.epochs, schedule.every, schedule.factor)
    return first_order.FirstOrder(start, batches, update, decay)


def _validation_cost(
    prepared: shards.Prepared,
    params: Params,
    class_weights: np.ndarray[Any, np.dtype[np.float64]] | None,
    make_objective: first_order.MakeObjective,
) -> Callable[[Parameters], float] | None:
    if "validation" in prepared.splits:
        return make_objective(tensors.blocks_of(prepared, prepared.splits["validation"], class_weights)).cost
    if params.early_stopping.patience:
        raise UserError(
            "params.yaml: train.early_stopping.patience: expected validation rows to watch, but there are none; "
            "set prepare.split.method, or patience: 0"
        )
    return None


def _early_stopping(params: Params) -> loop.EarlyStopping | None:
    if not params.early_stopping.patience:
        return None
    return loop.EarlyStopping(params.early_stopping.patience, params.early_stopping.minimum_drop)


def _model(prepared: shards.Prepared, params: Params, objective: Objective, result: loop.Result) -> model.Model:
    if result.status is Status.DIVERGED:
        raise _diverged(params, result.epochs)
    try:
        final = objective.evaluate(result.parameters)
    except OverflowError:
        raise _diverged(params, result.epochs) from None
    return model.Model(
        weights=result.parameters.weights.numpy(),
        bias=result.parameters.bias.numpy(),
        encoder=prepared.encoder,
        params=params.model_dump(),
        data_digest=prepared.digest,
        result={
            "status": result.status.name.lower(),
            "meaning": result.status.value,
            "epochs": result.epochs,
            "best_epoch": result.best_epoch,
            "cost": final.cost,
            "objective": final.cost + final.penalty,
            "gradient_norm": final.gradient_norm,
        },
    )


def _diverged(params: Params, epoch: int) -> UserError:
    return UserError(
        f"train: epoch {epoch}: the cost became NaN or infinite; "
        f"lower train.lr (now {params.lr:g}), or set prepare.standardise to true"
    )


def _row(record: loop.Record) -> dict[str, Any]:
    """A record as the line of history.csv that it becomes."""
    held_out = {} if record.validation_cost is None else {"validation_cost": record.validation_cost}
    epoch = record.epoch
    return {
        "epoch": record.number,
        "cost": epoch.cost,
        **held_out,
        "gradient_norm": epoch.gradient_norm,
        "lr": epoch.lr,
    }


def _history_csv(records: Sequence[loop.Record]) -> str:
    rows = [_row(record) for record in records]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _snapshot_bytes(snapshots: Sequence[tuple[int, Parameters]]) -> bytes:
    epochs, points = zip(*snapshots, strict=True)
    return safetensors.numpy.save(
        {
            "epoch": np.array(epochs, dtype=np.int64),
            "W": np.stack([point.weights.numpy() for point in points]),
            "b": np.stack([point.bias.numpy() for point in points]),
        }
    )


def main(*, params: Params, prepared: Path, out: Path, watch: Watch | None = None) -> None:
    """Read ``prepared``, fit, and write model, history and snapshots into ``out``."""
    fitted, trained = train(shards.open_prepared(prepared), params, watch or (lambda _: None))
    files.write_text(out / HISTORY_FILE, _history_csv(trained.records))
    files.write_bytes(out / SNAPSHOTS_FILE, _snapshot_bytes(trained.snapshots))
    model.save(out, fitted)
    result = fitted.result
    print(f"train: {params.solver}, {result['epochs']} epochs, cost {result['cost']:.6f} nats, ", end="")
    print(f"gradient norm {result['gradient_norm']:.2e}: {result['meaning']}")

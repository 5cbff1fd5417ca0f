"""Stage 2: fit W and b to the prepared training rows, and write the model, its history and its snapshots."""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import safetensors.numpy
import torch
from tqdm import tqdm

from pipeline import files, methods, model, shards, tensors
from pipeline.errors import UserError
from pipeline.knobs import FIRST_ORDER
from pipeline.knobs import Params as Params
from pipeline.numerics.softmax import Block, Objective, Parameters
from pipeline.numerics.solvers import first_order, loop
from pipeline.numerics.solvers.status import Status
from pipeline.numerics.sums import thread_count

HISTORY_FILE = "history.csv"
SNAPSHOTS_FILE = "snapshots.safetensors"
BEFORE_THE_FIRST_STEP = -1

Watch = Callable[[dict[str, Any]], None]


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
    encoder = prepared.encoder
    data = methods.Data(blocks, encoder.level_counts, encoder.features, encoder.classes)

    def objective(rows: Sequence[Block]) -> Objective:
        precision = getattr(torch, params.precision)
        return Objective(rows, len(data.features), params.l2, thread_count(), precision, params.intercept)

    start = _start(prepared, params)
    trained = Trained(start, params.snapshot_every)
    began = monotonic()
    method = methods.make(params, data, start, objective)
    with tqdm(total=params.epochs, unit="epoch", desc="train", disable=None, delay=1, leave=False) as bar:

        def see(record: loop.Record, parameters: Parameters) -> None:
            trained.keep(record, parameters)
            watch(_row(record) | {"seconds": monotonic() - began})
            bar.set_postfix(cost=f"{record.epoch.cost:.6f}", refresh=False)
            bar.update()

        trained.result = loop.run(
            method,
            params.epochs,
            see,
            _validation_cost(prepared, params, class_weights, objective),
            _early_stopping(params),
        )
    return _model(prepared, params, method, trained.result), trained


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


def _start(prepared: shards.Prepared, params: Params) -> Parameters:
    """Where training starts: solvers that find the optimum at 0, sgd and adam at torch.nn.Linear's initial weights.

    These come from the seed; the columns of unseen levels, and b without an intercept, start, and stay, at 0.
    """
    encoder = prepared.encoder
    if params.solver not in FIRST_ORDER:
        shape = (len(encoder.classes), len(encoder.features))
        return Parameters(torch.zeros(shape, dtype=torch.float64), torch.zeros(shape[0], dtype=torch.float64))
    torch.manual_seed(params.seed)
    linear = torch.nn.Linear(len(encoder.features), len(encoder.classes))
    weights = linear.weight.detach().double()
    end = encoder.number_count
    for levels in encoder.level_counts:
        end += levels
        weights[:, end - 1] = 0.0  # the last level of a category is <unseen>: no training row carries it
    return Parameters(weights, linear.bias.detach().double() * params.intercept)


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


def _model(prepared: shards.Prepared, params: Params, method: methods.Method, result: loop.Result) -> model.Model:
    if result.status is Status.DIVERGED:
        raise _diverged(params, result.epochs)
    try:
        ending = method.ending(result.parameters, result.epochs)
    except OverflowError:
        raise _diverged(params, result.epochs) from None
    return model.Model(
        weights=result.parameters.weights.numpy(),
        bias=result.parameters.bias.numpy(),
        encoder=prepared.encoder,
        params=params.model_dump(),
        data_digest=prepared.digest,
        result=_result(result, ending),
    )


def _result(result: loop.Result, ending: methods.Ending) -> dict[str, Any]:
    """How training ended, as the model keeps it; evaluate copies the numbers into metrics.json."""
    objective = ending.final.cost + ending.final.penalty
    return {
        "status": result.status.name.lower(),
        "meaning": result.status.value,
        "method": ending.method,
        "reason": ending.reason,
        "epochs": result.epochs,
        "best_epoch": result.best_epoch,
        "passes": ending.passes,
        "cost": ending.final.cost,
        "objective": objective,
        "gradient_norm": ending.final.gradient_norm,
        "bound": ending.bound,
        "findings": list(ending.findings),
        "relative_bound": None if ending.bound is None else ending.bound / (objective or 1.0),
    }


def _diverged(params: Params, epoch: int) -> UserError:
    cure = f"lower train.lr (now {params.lr:g}), or " if params.lr else ""
    return UserError(f"train: epoch {epoch}: the cost became NaN or infinite; {cure}set prepare.standardise to true")


def _row(record: loop.Record) -> dict[str, Any]:
    """A record as the line of history.csv that it becomes."""
    held_out = {} if record.validation_cost is None else {"validation_cost": record.validation_cost}
    epoch = record.epoch
    return {
        "epoch": record.number,
        "cost": epoch.cost,
        **held_out,
        "gradient_norm": epoch.gradient_norm,
        **({} if epoch.lr is None else {"lr": epoch.lr}),
        **({} if epoch.passes is None else {"passes": epoch.passes}),
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
    _print(params.solver, fitted.result)


def _print(solver: str, result: dict[str, Any]) -> None:
    if solver != result["method"]:
        print(f"train: {solver} takes {result['method']}: {result['reason']}")
    for sentence in result["findings"]:
        print(f"train: {sentence}")
    proven = (
        "" if result["bound"] is None else f"objective proven within {result['relative_bound']:.1e} of its optimum, "
    )
    print(f"train: {result['method']}, {result['epochs']} epochs, {result['passes']} passes, ", end="")
    print(f"cost {result['cost']:.6f} nats, {proven}", end="")
    print(f"gradient norm {result['gradient_norm']:.2e}: {result['meaning']}")

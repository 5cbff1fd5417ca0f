"""Stage 2: fit W and b to the prepared training rows, and write the model, its history and its snapshots."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline import baselines, checkpoint, checkpoint_form, files, methods, model, shards, start, tensors
from pipeline.errors import UserError, listed, printable
from pipeline.history import History, row
from pipeline.knobs import Params as Params
from pipeline.numerics import accelerator, certificate, workers
from pipeline.numerics.accelerator import Accelerator
from pipeline.numerics.kept import Kept
from pipeline.numerics.softmax import PROCESSOR, Block, Objective, Parameters
from pipeline.numerics.solvers import first_order, loop
from pipeline.numerics.solvers.status import Status
from pipeline.numerics.sums import thread_count

HISTORY_FILE = "history.csv"
SNAPSHOTS_FILE = "snapshots.safetensors"

Watch = Callable[[dict[str, Any]], None]


class _Memory:
    """The loop's state and the history, in one checkpoint that worker 0 writes and all workers read."""

    def __init__(self, kept: checkpoint.Checkpoint, history: History, fits: Callable[[checkpoint.State], bool]) -> None:
        self._kept = kept
        self._history = history
        self._left: Mapping[str, torch.Tensor] | None = workers.broadcast(lambda: kept.read(fits))
        self.epochs = int(self._left["epochs"]) if self._left else 0  # that were run before
        if self._left and workers.rank() == 0:
            print(f"train: goes on after epoch {self.epochs - 1}, from the checkpoint that it left")

    def read(self) -> Mapping[str, torch.Tensor] | None:
        left, self._left = self._left, None
        if left:
            self._history.state = left
        return left

    def offer(self, state: Callable[[], checkpoint.State]) -> None:
        if workers.rank() == 0:
            self._kept.offer(lambda: {**state(), **self._history.state})


def train(
    prepared: shards.Prepared,
    params: Params,
    watch: Watch,
    earlier: model.Model | None = None,
    kept: checkpoint.Checkpoint | None = None,
) -> tuple[model.Model, History]:
    """Fit the model, from ``earlier`` if given; ``watch`` sees every record, ``kept`` the state to go on from.

    Raises: UserError if the cost diverges, or if a param or the earlier model does not fit the data.
    """
    weights = class_weights(params, prepared)
    totals = _class_totals(prepared, weights)
    blocks = tensors.blocks_of(prepared, prepared.splits["train"], weights)
    tensors.require_weight(blocks)
    encoder = prepared.encoder
    found = _accelerator(params)
    data = methods.Data(blocks, encoder.level_counts, encoder.features, encoder.classes, found)

    def objective(rows: Sequence[Block]) -> Objective:
        precision, columns = getattr(torch, params.precision), len(data.features)
        placed = found.placed(rows) if found else rows
        return Objective(placed, columns, params.l2, thread_count(), precision, params.intercept, _device(found))

    begin = start.of(encoder, params, earlier)
    history = History(begin.parameters, params.snapshot_every)

    def fits(state: checkpoint.State) -> bool:
        return checkpoint_form.fits(state, params, len(encoder.classes), len(encoder.features))

    memory = _Memory(kept, history, fits) if kept else None
    began = monotonic()
    method = methods.make(params, data, begin.parameters, objective)
    silent = True if workers.rank() else None  # None: where standard error is not a terminal
    before = memory.epochs if memory else 0
    with tqdm(
        initial=before, total=params.epochs, unit="epoch", desc="train", disable=silent, delay=1, leave=False
    ) as bar:

        def see(record: loop.Record, method: loop.Method) -> None:
            history.keep(record, method)
            watch(row(record) | {"seconds": monotonic() - began})
            passes = record.number + 1 if record.epoch.passes is None else record.epoch.passes
            gradient = f"{record.epoch.gradient_norm:.1e}"
            bar.set_postfix(cost=f"{record.epoch.cost:.6f}", gradient=gradient, passes=passes, refresh=False)
            bar.update()

        result = loop.run(
            method,
            params.epochs,
            see,
            _validation_cost(prepared, params, weights, objective),
            _early_stopping(params),
            memory,
        )
    return _model(prepared, params, method, result, begin.sentences, _device(found), totals), history


def _class_totals(prepared: shards.Prepared, class_weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """The weight of each class in training, (k,). Raises: UserError if there is none."""
    totals = tensors.class_totals(prepared) * (1.0 if class_weights is None else class_weights)
    if not totals.any():
        raise UserError(
            "params.yaml: train.class_weight: expected a weight > 0 for a class whose training rows have one in "
            "prepare.weights, got none; weigh another class"
        )
    return totals


def _accelerator(params: Params) -> Accelerator | None:
    if params.l1:
        return None
    try:
        return accelerator.find(params.device)
    except RuntimeError as error:
        raise UserError(
            f"params.yaml: train.device: expected cpu or auto where {error}, got {params.device}; "
            "set cpu, or install torch for CUDA where there is a GPU"
        ) from None


def _device(found: Accelerator | None) -> torch.device:
    return found.device if found else PROCESSOR


def class_weights(params: Params, prepared: shards.Prepared) -> NDArray[np.float64] | None:
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
            f"params.yaml: train.class_weight: expected one weight for each of the classes {listed(classes)}, "
            f"got {listed(given) or 'none'}; name every class once"
        )
    weights = np.array([given[name] for name in classes])
    if not weights.any():
        raise UserError("params.yaml: train.class_weight: expected a weight > 0 for some class, got 0 for all")
    return weights


def _validation_cost(
    prepared: shards.Prepared,
    params: Params,
    class_weights: NDArray[np.float64] | None,
    make_objective: first_order.MakeObjective,
) -> Callable[[Parameters], float] | None:
    if "validation" in prepared.splits:
        blocks = tensors.blocks_of(prepared, prepared.splits["validation"], class_weights)
        return make_objective(Kept(blocks.__getitem__, len(blocks))).cost
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


def _model(
    prepared: shards.Prepared,
    params: Params,
    method: methods.Method,
    result: loop.Result,
    sentences: Sequence[str],
    device: torch.device,
    class_totals: NDArray[np.float64],
) -> model.Model:
    if result.status is Status.DIVERGED:
        raise _diverged(params, result.epochs)
    try:
        ending = method.ending(result.parameters, result.epochs)
    except OverflowError:
        raise _diverged(params, result.epochs) from None
    judgement = baselines.judge(result.status, ending.final, ending.start, class_totals, params.intercept)
    ended = replace(result, status=judgement.status)
    findings = [*sentences, *ending.findings, *judgement.sentences]
    return model.Model(
        weights=result.parameters.weights.numpy(),
        bias=result.parameters.bias.numpy(),
        encoder=prepared.encoder,
        params=params.model_dump(),
        data_digest=prepared.digest,
        result=_result(ended, ending, params.l1) | {"device": device.type, "findings": findings},
    )


def _result(result: loop.Result, ending: methods.Ending, l1: float) -> dict[str, Any]:
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
        "relative_bound": None if ending.bound is None else ending.bound / (objective or 1.0),
        **({} if ending.bound is None else {"probability_bound": certificate.probability_bound(ending.bound)}),
        **({} if ending.nonzero_weights is None else {"l1": l1, "nonzero_weights": ending.nonzero_weights}),
    }


def _diverged(params: Params, epoch: int) -> UserError:
    cure = f"lower train.lr (now {params.lr:g}), or " if params.lr else ""
    return UserError(f"train: epoch {epoch}: the cost became NaN or infinite; {cure}set prepare.standardise to true")


def main(
    *,
    params: Params,
    prepared: Path,
    out: Path,
    watch: Watch | None = None,
    checkpoints: Callable[[str], checkpoint.Checkpoint] | None = None,
) -> None:
    """Read ``prepared``, fit, and write model, history and snapshots into ``out``.

    ``checkpoints`` gives the place of a checkpoint by its key; without it a killed training begins anew.
    """
    data = shards.open_prepared(prepared)
    kept = (
        checkpoints(
            checkpoint.key_of(
                data=data.digest,
                params=params.model_dump(),
                torch=str(torch.__version__),
                device=_device(_accelerator(params)).type,
            )
        )
        if checkpoints
        else None
    )
    earlier = start.earlier(params.start)
    fitted, history = train(data, params, watch or (lambda _: None), earlier, kept)
    if workers.rank():
        return
    files.write_text(out / HISTORY_FILE, history.csv())
    files.write_bytes(out / SNAPSHOTS_FILE, history.snapshots())
    model.save(out, fitted)
    if kept:
        kept.remove()
    _print(params.solver, fitted.result)


def _print(solver: str, result: dict[str, Any]) -> None:
    if solver != result["method"]:
        print(f"train: {solver} takes {result['method']}: {result['reason']}")
    for sentence in result["findings"]:
        print(printable(f"train: {sentence}"))
    proven = ""
    if result["bound"] is not None:
        proven = f"objective proven within {result['relative_bound']:.1e} of its optimum, "
        proven += f"probabilities within {result['probability_bound']:.1e} (root mean square of the training rows), "
    if "nonzero_weights" in result:
        print(f"train: l1 leaves {result['nonzero_weights']} weights of W that are not 0")
    print(f"train: {result['method']}, {result['epochs']} epochs, {result['passes']} passes, ", end="")
    print(f"cost {result['cost']:.6f} nats, {proven}", end="")
    print(f"gradient norm {result['gradient_norm']:.2e}: {result['meaning']}")

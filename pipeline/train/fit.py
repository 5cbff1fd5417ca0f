"""Fit a softmax regression to a dataset: solver, loop, history and checkpoint to a model."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline import data_loader, model, screen
from pipeline.dataset import reader
from pipeline.errors import UserError
from pipeline.numerics.certificates import duality_gap
from pipeline.numerics.data import accelerator
from pipeline.numerics.data.accelerator import Accelerator
from pipeline.numerics.data.block import PROCESSOR, Block, Parameters, cached
from pipeline.numerics.objective.plain import PlainObjective
from pipeline.numerics.solvers import first_order, loop
from pipeline.numerics.solvers.status import Status
from pipeline.parallel import workers
from pipeline.parallel.threads import thread_count
from pipeline.train import baselines, checkpoint, checkpoint_form, initial_point, solvers
from pipeline.train.class_weights import class_weights
from pipeline.train.cross_validation import choose_l2
from pipeline.train.history import History, row
from pipeline.train.outcome import MEANING, FitOutcome
from pipeline.train.params import FIRST_ORDER, TrainParams
from pipeline.training_rows.class_totals import class_totals
from pipeline.training_rows.rows import TrainingRows

Watch = Callable[[dict[str, Any]], None]


class _CheckpointedCourse:
    """The loop's state and the history, in one checkpoint that worker 0 writes and all workers read."""

    def __init__(
        self, saved: checkpoint.Checkpoint, history: History, fits: Callable[[checkpoint.State], bool]
    ) -> None:
        self._checkpoint = saved
        self._history = history
        self._left: Mapping[str, torch.Tensor] | None = workers.broadcast(lambda: saved.load(fits))
        self.epochs = int(self._left["epochs"]) if self._left else 0  # that were run before
        if self._left:
            screen.say(f"train: goes on after epoch {self.epochs - 1}, from the checkpoint that it left")

    def load(self) -> Mapping[str, torch.Tensor] | None:
        left, self._left = self._left, None
        if left:
            self._history.state = left
        return left

    def save(self, state: Callable[[], checkpoint.State]) -> None:
        if workers.rank() == 0:
            self._checkpoint.save(lambda: {**state(), **self._history.state})


def fit(
    prepared: reader.Dataset,
    params: TrainParams,
    watch: Watch,
    earlier: model.Model | None = None,
    saved: checkpoint.Checkpoint | None = None,
) -> tuple[model.Model, History]:
    """Fit the model, from ``earlier`` if given; ``watch`` sees every record, ``saved`` the state to go on from.

    Raises: UserError if the cost diverges, or if a param or the earlier model does not fit the data.
    """
    encoder = prepared.encoder
    weights = class_weights(params, prepared)
    totals = _class_totals(prepared, weights)
    begin = initial_point.of(encoder, params, earlier)
    # The l2, where cross-validation chooses it; all else is as if its number had been given.
    given, choice = params, None
    if params.l2 == "auto":
        choice = choose_l2.choose(prepared, params, weights, begin.parameters)
        params = params.model_copy(update={"l2": choice.l2})
    # Rows: blocks of the training split, weighed by their classes.
    with screen.bar("reading rows"):
        blocks = data_loader.blocks_of(prepared, prepared.splits["train"], weights)
        data_loader.require_weight(blocks)
    placed_on = accelerator_of(params)
    data = TrainingRows(blocks, encoder.level_counts, encoder.features, encoder.classes, placed_on)

    def objective(rows: Sequence[Block]) -> PlainObjective:
        precision, columns = getattr(torch, params.precision), len(data.features)
        placed = placed_on.placed(rows) if placed_on else rows
        return PlainObjective(
            placed, columns, params.l2_value, thread_count(), precision, params.intercept, device_of(placed_on)
        )

    # Start: the initial point, or the state that a killed training left.
    history = History(begin.parameters, params.snapshot_every)

    def fits(state: checkpoint.State) -> bool:
        return checkpoint_form.fits(state, params, len(encoder.classes), len(encoder.features))

    store = _CheckpointedCourse(saved, history, fits) if saved else None
    # Steps: epochs of the solver; each is recorded, watched and shown by the bar.
    began = monotonic()
    solver = solvers.make(params, data, begin.parameters, objective)
    early = params.early_stopping
    # Nobody knows how many epochs a solver takes that ends at a bound; the others run all, but for early stopping.
    epochs = params.epochs if params.solver in FIRST_ORDER else None
    with screen.bar("train", epochs, "epochs", done=store.epochs if store else 0) as bar:

        def record_epoch(record: loop.Record, _: loop.IterativeSolver) -> None:
            history.record(record, solver)
            watch(row(record) | {"seconds": monotonic() - began})
            bar.advance()
            bar.note = _progress(record, solver.approximate_bound, params.tolerance)

        result = loop.run(
            solver,
            params.epochs,
            record_epoch,
            _validation_cost(prepared, params, weights, objective),
            loop.EarlyStopping(early.patience, early.minimum_drop) if early.patience else None,
            store,
        )
    # Outcome: how good the last point is, and what it is judged by.
    fitted = _model(prepared, params, solver, result, begin.sentences, device_of(placed_on), totals)
    if choice is not None:
        searched = fitted.result | {"l2": choice.l2, "l2_search": choice.to_json()}
        fitted = replace(fitted, params=given.model_dump(), result=searched)
    return fitted, history


def _progress(record: loop.Record, bound: float | None, tolerance: float) -> str:
    """How far training is, for its bar; ``bound`` and ``tolerance`` are shares of the objective."""
    epoch = record.epoch
    measures = [f"cost {epoch.cost:.6f}", f"gradient {epoch.gradient_norm:.1e}"]
    if epoch.passes is None:
        return ", ".join(measures)
    if bound is not None and bound < 1:  # more than the whole objective tells nothing
        measures.append(f"bound about {bound:.0e}, to reach {tolerance:.0e}")
    return ", ".join([f"epoch {record.number}", *measures])


def _class_totals(prepared: reader.Dataset, class_weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """The weight of each class in training, (k,). Raises: UserError if there is none."""
    totals = class_totals(prepared) * (1.0 if class_weights is None else class_weights)
    if not totals.any():
        raise UserError(
            "params.yaml: train.class_weight: expected a weight > 0 for a class whose training rows have one in "
            "prepare.weights, got none; weigh another class"
        )
    return totals


def accelerator_of(params: TrainParams) -> Accelerator | None:
    """The device of train.device, None for the processor. Raises: UserError if there is no such device."""
    if params.l1:
        return None
    try:
        return accelerator.find(params.device)
    except RuntimeError as error:
        raise UserError(
            f"params.yaml: train.device: expected cpu or auto where {error}, got {params.device}; "
            "set cpu, or install torch for CUDA where there is a GPU"
        ) from None


def device_of(accelerator: Accelerator | None) -> torch.device:
    """The device that passes over all rows run on."""
    return accelerator.device if accelerator else PROCESSOR


def _validation_cost(
    prepared: reader.Dataset,
    params: TrainParams,
    class_weights: NDArray[np.float64] | None,
    make_objective: first_order.MakeObjective,
) -> Callable[[Parameters], float] | None:
    if "validation" in prepared.splits:
        blocks = data_loader.blocks_of(prepared, prepared.splits["validation"], class_weights)
        return make_objective(cached(blocks)).loss
    if params.early_stopping.patience:
        raise UserError(
            "params.yaml: train.early_stopping.patience: expected validation rows to watch, but there are none; "
            "set prepare.split.method, or patience: 0"
        )
    return None


def _model(
    prepared: reader.Dataset,
    params: TrainParams,
    solver: solvers.Solver,
    result: loop.Result,
    sentences: Sequence[str],
    device: torch.device,
    class_totals: NDArray[np.float64],
) -> model.Model:
    if result.status is Status.DIVERGED:
        raise _diverged(params, result.epochs)
    try:
        outcome = solver.outcome(result.parameters, result.epochs)
    except OverflowError:
        raise _diverged(params, result.epochs) from None
    # The cost may be finite where the squares of the weights are not.
    if not math.isfinite(outcome.final.cost + outcome.final.penalty):
        raise _diverged(params, result.epochs)
    judgement = baselines.judge(result.status, outcome.final, outcome.start, class_totals, params.intercept)
    ended = replace(result, status=judgement.status)
    findings = [*sentences, *outcome.findings, *judgement.sentences]
    return model.Model(
        weights=result.parameters.weights.numpy(),
        bias=result.parameters.bias.numpy(),
        encoder=prepared.encoder,
        params=params.model_dump(),
        data_digest=prepared.digest,
        result=_result(ended, outcome, params.l1) | {"device": device.type, "findings": findings},
    )


def _result(result: loop.Result, outcome: FitOutcome, l1: float) -> dict[str, Any]:
    """The end of training, as the model keeps it; evaluate copies the numbers into metrics.json."""
    objective = outcome.final.cost + outcome.final.penalty
    return {
        "status": result.status.value,
        "meaning": MEANING[result.status],
        "method": outcome.method,
        "reason": outcome.reason,
        "epochs": result.epochs,
        "best_epoch": result.best_epoch,
        "passes": outcome.passes,
        "cost": outcome.final.cost,
        "objective": objective,
        "gradient_norm": outcome.final.gradient_norm,
        "bound": outcome.bound,
        "relative_bound": None if outcome.bound is None else outcome.bound / (objective or 1.0),
        **({} if outcome.bound is None else {"probability_bound": duality_gap.probability_bound(outcome.bound)}),
        **({} if outcome.nonzero_weights is None else {"l1": l1, "nonzero_weights": outcome.nonzero_weights}),
    }


def _diverged(params: TrainParams, epoch: int) -> UserError:
    cure = f"lower train.lr (now {params.lr:g}), or " if params.lr else ""
    return UserError(f"train: epoch {epoch}: the cost became NaN or infinite; {cure}set prepare.standardise to true")

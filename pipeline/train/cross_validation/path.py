"""Cross-validation of penalties: for each l2 a model of all training rows, and one without each fold.

Rows are packed once. Models come in paths from the strongest penalty to the weakest, each begun where the last one
ended. All are certified, so where one began leaves no trace beyond train.tolerance.

Log losses are in nats, means weighted by sample and class weights.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from pipeline import screen
from pipeline.errors import UserError
from pipeline.numerics.data.block import Parameters
from pipeline.numerics.objective.plain import PlainObjective
from pipeline.numerics.solvers import loop
from pipeline.numerics.solvers.status import Status
from pipeline.parallel.threads import thread_count
from pipeline.train import packing, solvers
from pipeline.train.cross_validation import folds, selection
from pipeline.train.params import TrainParams
from pipeline.training_rows.rows import TrainingRows


@dataclass(frozen=True)
class Fit:
    """One model: passes over its own rows, status, bound on f - f* as a share of f, and its log loss.

    ``log_loss`` is that of the held-out fold, or of all training rows where none is held out.
    """

    log_loss: float
    objective: float
    passes: int
    status: str
    relative_bound: float


@dataclass(frozen=True)
class Line:
    """One l2: the model of all training rows, and one model a fold."""

    l2: float
    full_fit: Fit
    folds: tuple[Fit, ...]

    @property
    def estimate(self) -> selection.Estimate:
        """The validation log loss."""
        return selection.estimate([fit.log_loss for fit in self.folds])

    @property
    def row(self) -> dict[str, Any]:
        """The line of sweep.csv: passes of all models together, the largest bound, how all or the worst ended."""
        fits = [self.full_fit, *self.folds]
        unfinished = [fit.status for fit in fits if fit.status != Status.CONVERGED.value]
        return {
            "l2": self.l2,
            "log_loss": self.estimate.mean,
            "standard_error": self.estimate.standard_error,
            "training_log_loss": self.full_fit.log_loss,
            "objective": self.full_fit.objective,
            "passes": sum(fit.passes for fit in fits),
            "relative_bound": max(fit.relative_bound for fit in fits),
            "status": unfinished[0] if unfinished else self.full_fit.status,
            **{f"fold_{number}": fit.log_loss for number, fit in enumerate(self.folds, 1)},
        }


class _Rows:
    """The training rows, packed once, as a whole and as folds; parameters are those of ``packed``'s unknowns."""

    def __init__(self, params: TrainParams, data: TrainingRows, cut: folds.Folds) -> None:
        self._params, self._cut, self._labels = params, cut, data.labels
        self.packed = packing.pack(params, data)
        self.findings = list(self.packed.findings.sentences)

    def training(self, fold: int) -> packing.Packed:
        return self.packed.part(self._params, self._cut.outside(fold))

    def held_out(self, fold: int, training: packing.Packed) -> Callable[[Parameters], float]:
        """Mean log loss of the fold's rows, without those of a class that no training row shows."""
        present = training.reduction.present
        inside = [self.packed.rows.blocks[position] for position in self._cut.inside(fold)]
        blocks = [block.part(torch.isin(block.labels, present)) for block in inside]
        scored = [block for block in blocks if len(block.labels)]
        if len(present) < self.packed.rows.classes:
            self.findings.append(self._left_out(fold, present))
        if not scored:
            raise folds.TooFewRowsError(
                f"params.yaml: sweep.folds: expected each fold to have rows of classes that other folds have too, but "
                f"{self.findings[-1]}; lower sweep.folds, or collect more rows of these classes"
            )
        rows = self.packed.rows
        return PlainObjective(scored, rows.columns, 0.0, thread_count(), torch.float64, rows.intercept).loss

    def _left_out(self, fold: int, present: torch.Tensor) -> str:
        trained = set(present.tolist())
        absent = [place for place in range(self.packed.rows.classes) if place not in trained]
        names = ", ".join(str(self._labels[int(self.packed.reduction.present[place])]) for place in absent)
        return f"class {names} has rows in fold {fold + 1} only, where they are left out of the log loss"


def validate(
    params: TrainParams, penalties: Sequence[float], data: TrainingRows, cut: folds.Folds, begin: Parameters
) -> tuple[list[Line], int, list[str]]:
    """Train all models, the first of each path from ``begin``; ``data`` has the blocks of ``cut``.

    Returns: lines in the order of the penalties, the training rows that count, and what is odd about them.
    Raises: UserError if a fold has no row to validate on, or if a cost is no number.
    """
    params = params.model_copy(update={"l2": penalties[0]})
    rows = _Rows(params, data, cut)
    begin = rows.packed.reduction.reduce(begin)
    models = len(penalties) * (cut.count + 1)
    with screen.bar("cross-validation", models, "models") as bar:
        path = partial(_path, params, penalties, begin, bar.advance)
        by_fold = []
        for fold in range(cut.count):
            training = rows.training(fold)
            by_fold.append(list(path(training, rows.held_out(fold, training))))
        full_fits = list(path(rows.packed.part(params, range(len(cut.blocks))), None))
    lines = [Line(l2, fit, tuple(own)) for l2, fit, *own in zip(penalties, full_fits, *by_fold, strict=True)]
    return lines, rows.packed.rows.count, rows.findings


def _path(
    params: TrainParams,
    penalties: Sequence[float],
    begin: Parameters,
    count: Callable[[], None],
    rows: packing.Packed,
    log_loss: Callable[[Parameters], float] | None,
) -> Iterator[Fit]:
    """One model a penalty, each begun where the last one ended."""
    for l2 in penalties:
        begin, fit = _fit(params.model_copy(update={"l2": l2}), rows, begin, log_loss)
        count()
        yield fit


def _fit(
    params: TrainParams,
    rows: packing.Packed,
    begin: Parameters,
    log_loss: Callable[[Parameters], float] | None,
) -> tuple[Parameters, Fit]:
    method = solvers.CertifiedSolver(params, rows, begin)
    result = loop.run(method, params.epochs, lambda *_: None)
    try:
        outcome = method.outcome(result.parameters, result.epochs)
        loss = outcome.final.cost if log_loss is None else log_loss(result.parameters)
    except OverflowError:
        raise UserError(
            f"cross-validation: l2 {params.l2:g}: the cost became NaN or infinite; set prepare.standardise to true"
        ) from None
    assert outcome.bound is not None
    objective = outcome.final.cost + outcome.final.penalty
    status = result.status.value
    return result.parameters, Fit(loss, objective, outcome.passes, status, outcome.bound / (objective or 1.0))

"""The method that the knobs ask for, on the prepared rows, and what it can say at the end."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from pipeline import findings
from pipeline.errors import UserError
from pipeline.knobs import FIRST_ORDER, Params
from pipeline.numerics import certificate, reduction, scalings
from pipeline.numerics.cross_entropy import CrossEntropy
from pipeline.numerics.layout import Rows, parameters_of, theta_of
from pipeline.numerics.softmax import Block, Evaluation, Parameters
from pipeline.numerics.solvers import adam, choice, first_order, lbfgs, loop, rates, sgd
from pipeline.numerics.solvers.loop import Epoch
from pipeline.numerics.solvers.optimum import Optimum, Source
from pipeline.numerics.solvers.sampled_newton import SampledNewton
from pipeline.numerics.solvers.status import Status
from pipeline.numerics.sums import thread_count


@dataclass(frozen=True)
class Data:
    """The training rows: blocks, levels of each category, names of the d columns of W, and the k labels."""

    blocks: Sequence[Block]
    levels: Sequence[int]
    features: Sequence[str]
    labels: Sequence[object]

    @property
    def classes(self) -> int:
        """k."""
        return len(self.labels)


@dataclass(frozen=True)
class Ending:
    """What is known of the parameters that training keeps; ``bound`` on f - f* in nats, None where none is proven."""

    final: Evaluation
    bound: float | None
    passes: int
    method: str
    reason: str
    findings: Sequence[str] = ()


class Method(loop.Method, Protocol):
    """A method of the loop that can also say how good its result is."""

    def ending(self, parameters: Parameters, epochs: int) -> Ending:
        """Of the parameters to keep, after so many epochs. Raises: OverflowError if they are NaN or infinite."""


def make(params: Params, data: Data, start: Parameters, objective: first_order.MakeObjective) -> Method:
    """The method; ``start`` is for sgd and adam, the others begin at 0, where a convex problem loses nothing.

    Raises: UserError if train.solver newton does not fit into memory.
    """
    if params.solver in FIRST_ORDER:
        return Descending(params, data, start, objective)
    return Finding(params, data)


class Descending(first_order.FirstOrder):
    """sgd or adam, full or in batches."""

    def __init__(
        self, params: Params, data: Data, start: Parameters, make_objective: first_order.MakeObjective
    ) -> None:
        """``make_objective`` gives the objective of some blocks."""
        self._params, self._data = params, data
        self._whole = make_objective(data.blocks)
        if params.batch_size == "full":
            batches = first_order.full_batch(self._whole)
        else:
            batches = first_order.mini_batches(data.blocks, params.batch_size, params.seed, make_objective)
        assert params.lr is not None
        schedule = params.schedule
        decay = rates.rates(schedule.method, params.lr, params.epochs, schedule.every, schedule.factor)
        update = adam.update([start.weights, start.bias]) if params.solver == "adam" else sgd.update(params.momentum)
        super().__init__(start, batches, update, decay)

    def ending(self, parameters: Parameters, epochs: int) -> Ending:
        """Two more passes: one at the parameters, one over the labels; they are not counted."""
        final = self._whole.evaluate(parameters)
        return Ending(final, self._bound(parameters, final), epochs, self._params.solver, "as asked for")

    def _bound(self, parameters: Parameters, final: Evaluation) -> float | None:
        if not self._params.l2:
            return None
        rows = Rows(
            self._data.blocks, self._data.levels, self._data.classes, thread_count(), intercept=self._params.intercept
        )
        gradient = theta_of(Parameters(final.weights_gradient, final.bias_gradient))
        means = CrossEntropy(rows, self._params.l2).label_means()
        facts = certificate.Facts(theta_of(parameters), gradient, final.cost, means)
        return certificate.bound(facts, self._params.l2, self._params.intercept)


class Finding:
    """newton, lbfgs or auto: to the optimum, with a proof."""

    def __init__(self, params: Params, data: Data) -> None:
        """Look at the rows, pack them, and choose what to scale steps with."""
        self._findings = findings.find(data.blocks, data.features, data.labels, params.l2, thread_count())
        self._reduction = reduction.reduce(data.blocks, data.classes, params.l2, params.intercept)
        rows = Rows(
            self._reduction.blocks,
            data.levels,
            len(self._reduction.present),
            thread_count(),
            intercept=params.intercept,
        )
        self._objective = CrossEntropy(rows, params.l2)
        self._plan = _plan(params.solver, choice.sizes_of(rows))
        self._optimum = Optimum(self._objective, self._source(), rows.zero(), params.tolerance)

    def _source(self) -> Source:
        if self._plan.scaled == "hessian":
            return SampledNewton(self._objective, self._plan.dense_size)
        makers: dict[str, Callable[[CrossEntropy], scalings.Scaling]] = {
            "by_class": scalings.ByClass,
            "kronecker": scalings.Kronecker,
            "diagonal": scalings.Diagonal,
        }
        return lbfgs.CheapScaling(self._objective, makers[self._plan.scaled])

    @property
    def parameters(self) -> Parameters:
        """W and b of the whole problem."""
        return self._reduction.restore(parameters_of(self._optimum.theta))

    @property
    def status(self) -> Status | None:
        """As the method of optimum.py says; but where classes are apart without a penalty, no end is an optimum."""
        status = self._optimum.status
        return Status.SEPARABLE if status and self._findings.apart else status

    @property
    def unfinished(self) -> Status:
        """As ``status``."""
        return Status.SEPARABLE if self._findings.apart else Status.NOT_CONVERGED

    def run_epoch(self) -> Epoch:
        """One step on all rows; the first one begins with the steps on samples."""
        return self._optimum.run_epoch()

    def ending(self, parameters: Parameters, epochs: int) -> Ending:  # noqa: ARG002  (passes are counted)
        """In float64; one or two more passes where the last one was none for a certificate."""
        point = self._optimum.point
        is_last = torch.equal(self.parameters.weights, parameters.weights)
        if point is None or not is_last or point.precision != torch.float64:
            theta = self._optimum.theta if is_last else theta_of(self._reduction.reduce(parameters))
            point = self._objective.evaluate(theta, torch.float64)
        bound = self._optimum.bound_at(point)
        return Ending(
            final=point.evaluation,
            bound=bound,
            passes=self._optimum.passes,
            method=self._plan.solver,
            reason=self._plan.reason,
            findings=self._findings.sentences,
        )


def _plan(solver: str, sizes: choice.Sizes) -> choice.Plan:
    try:
        return choice.choose(solver, sizes, _memory())
    except MemoryError as error:
        raise UserError(f"train.solver: newton does not fit: {error}; take lbfgs, or auto") from None


def _memory() -> int:
    """Half of the machine's memory in bytes. Not what is free just now: the choice should be the same every time."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2

"""The solver that the params ask for, on the prepared rows, and how good its result is."""

from collections.abc import Mapping
from typing import Any, Protocol

import psutil
import torch

from pipeline import screen
from pipeline.errors import UserError
from pipeline.numerics.certificates import duality_gap
from pipeline.numerics.data import reduction
from pipeline.numerics.data.block import Parameters, cached
from pipeline.numerics.data.layout import Rows
from pipeline.numerics.data.theta import centred, parameters_of, theta_of
from pipeline.numerics.objective.evaluation import Evaluation
from pipeline.numerics.objective.packed import PackedObjective
from pipeline.numerics.solvers import adam, auto, first_order, lbfgs, loop, schedules, sgd
from pipeline.numerics.solvers.loop import Epoch
from pipeline.numerics.solvers.preconditioning import PreconditionerSource
from pipeline.numerics.solvers.proximal_newton import ProximalNewton
from pipeline.numerics.solvers.quasi_newton import QuasiNewton
from pipeline.numerics.solvers.sampled_newton import SampledNewton
from pipeline.numerics.solvers.status import Status
from pipeline.parallel.threads import thread_count
from pipeline.train.outcome import FitOutcome
from pipeline.train.packing import Packed, pack
from pipeline.train.params import FIRST_ORDER, TrainParams
from pipeline.training_rows import diagnostics
from pipeline.training_rows.rows import TrainingRows

_BY_DIAGONAL = (
    "products of the columns are too large for float32, so that steps were scaled column by column: "
    "set prepare.standardise to true for fewer of them"
)


class Solver(loop.IterativeSolver, Protocol):
    """A method of the loop that can also say how good its result is."""

    @property
    def approximate_bound(self) -> float | None:
        """About how far from the optimum it is, as a share of the objective, if the last epoch tells; no proof."""

    def outcome(self, parameters: Parameters, epochs: int) -> FitOutcome:
        """Of the parameters to keep, after so many epochs. Raises: OverflowError if they are NaN or infinite."""


def make(params: TrainParams, data: TrainingRows, start: Parameters, objective: first_order.MakeObjective) -> Solver:
    """The method, which begins at ``start``.

    Raises: UserError if train.solver newton does not fit into memory.
    """
    if params.solver in FIRST_ORDER:
        return FirstOrderSolver(params, data, start, objective)
    begin = start if params.start.model else None
    return L1Solver(params, data, begin) if params.l1 else CertifiedSolver(params, data, begin)


class FirstOrderSolver(first_order.FirstOrder):
    """sgd or adam, full or in batches."""

    def __init__(
        self, params: TrainParams, data: TrainingRows, start: Parameters, make_objective: first_order.MakeObjective
    ) -> None:
        """``make_objective`` gives the objective of some blocks."""
        self._params, self._data, self._start = params, data, start.copy()
        blocks = cached(data.blocks)  # asked for in every epoch
        self._objective = make_objective(blocks)
        generator = torch.Generator().manual_seed(params.seed)
        if params.batch_size == "full":
            batches = first_order.full_batch(self._objective)
        else:
            batches = first_order.mini_batches(blocks, params.batch_size, generator, make_objective)
        assert params.lr is not None
        schedule = params.schedule
        decay = schedules.rates(schedule.method, params.lr, params.epochs, schedule.every, schedule.factor)
        update = adam.Adam([start.weights, start.bias]) if params.solver == "adam" else sgd.Sgd(params.momentum)
        super().__init__(start, batches, update, decay, generator)

    @property
    def approximate_bound(self) -> float | None:
        """None: no bound is looked for on the way."""
        return None

    def outcome(self, parameters: Parameters, epochs: int) -> FitOutcome:
        """Three more passes: at the parameters, at the start, and over the labels; they are not counted.

        In float64 whatever train.precision is: float32's rounding is no part of what a bound allows for.
        """
        exact = self._objective.in_float64()
        final = exact.loss_gradient(parameters)
        return FitOutcome(
            final=final,
            bound=self._bound(parameters, final),
            passes=epochs,
            method=self._params.solver,
            reason="as asked for",
            start=exact.loss_gradient(self._start),
        )

    def _bound(self, parameters: Parameters, final: Evaluation) -> float | None:
        if not self._params.l2_value:
            return None
        rows = Rows(
            self._data.blocks, self._data.levels, self._data.classes, thread_count(), intercept=self._params.intercept
        )
        gradient = theta_of(Parameters(final.weights_gradient, final.bias_gradient))
        means = PackedObjective(rows, self._params.l2_value).label_means()
        inputs = duality_gap.CertificateInputs(theta_of(parameters), gradient, final.cost, means)
        return duality_gap.bound(inputs, self._params.l2_value, self._params.intercept)


class _Delegate:
    """Delegates to the wrapped solver, which knows the reduced problem only."""

    _solver: QuasiNewton | ProximalNewton
    _reduction: reduction.Reduction
    _restored: tuple[torch.Tensor, Parameters] | None = None

    @property
    def parameters(self) -> Parameters:
        """W and b of the whole problem; computed once a point, as the loop asks several times."""
        theta = self._solver.theta
        if self._restored is None or self._restored[0] is not theta:
            self._restored = theta, self._reduction.restore(parameters_of(theta))
        return self._restored[1]

    @property
    def status(self) -> Status | None:
        """The wrapped solver's status."""
        return self._solver.status

    @property
    def unfinished(self) -> Status:
        """The wrapped solver's status after all epochs asked for."""
        return self._solver.unfinished

    @property
    def state(self) -> dict[str, torch.Tensor]:
        """The wrapped solver's state."""
        return self._solver.state

    @state.setter
    def state(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self._solver.state = tensors

    def run_epoch(self) -> Epoch:
        """One step on all rows; the first one begins with the answers of samples where rows are many."""
        return self._solver.run_epoch()


class CertifiedSolver(_Delegate):
    """newton, lbfgs or auto: to the optimum, with a proof."""

    def __init__(self, params: TrainParams, rows: TrainingRows | Packed, start: Parameters | None = None) -> None:
        """Choose what to scale steps with; ``start`` is W and b of the whole problem, None for 0."""
        packed = rows if isinstance(rows, Packed) else pack(params, rows)
        self._params = params
        self._unlooked = rows if isinstance(rows, TrainingRows) and params.l2_value == 0 else None
        self._findings, self._reduction = packed.findings, packed.reduction
        self._objective = PackedObjective(packed.rows, params.l2_value)
        self._plan = _plan(params.solver, auto.sizes_of(packed.rows))
        # Centred: no step moves all classes together, so what is common to them would stay.
        begin = packed.rows.zero() if start is None else centred(theta_of(self._reduction.reduce(start)))
        self._solver: QuasiNewton = QuasiNewton(self._objective, self._source(), begin, params.tolerance)

    def _source(self) -> PreconditionerSource:
        if self._plan.preconditioner == "hessian":
            return SampledNewton(self._objective, self._plan.dense_size)
        memory = 0 if self._plan.conjugate else lbfgs.PAIRS
        return lbfgs.SampledPreconditioner(self._objective, lbfgs.PRECONDITIONERS[self._plan.preconditioner], memory)

    @property
    def approximate_bound(self) -> float | None:
        """The part of it that W has; None without l2."""
        bound, point = self._solver.weights_part, self._solver.point
        return None if bound is None or point is None else bound / (abs(point.objective) or 1.0)

    @property
    def status(self) -> Status | None:
        """The wrapped solver's status; SEPARABLE where no optimum exists."""
        status = super().status
        return Status.SEPARABLE if status and self._is_separable() else status

    @property
    def unfinished(self) -> Status:
        """As ``status``."""
        return Status.SEPARABLE if self._is_separable() else super().unfinished

    def _is_separable(self) -> bool:
        """Looked for at the end, once, and without a penalty only: the linear programs take their time."""
        if self._unlooked is not None:
            data, self._unlooked = self._unlooked, None
            with screen.bar("looking for columns that tell classes apart"):
                self._findings = diagnostics.of_optimum(self._findings, data, self._params.intercept)
        return self._findings.separable

    def outcome(self, parameters: Parameters, epochs: int) -> FitOutcome:  # noqa: ARG002  (passes are counted)
        """In float64; one or two more passes where the last one was none for a certificate."""
        point = self._solver.point
        is_last = torch.equal(self.parameters.weights, parameters.weights)
        if point is None or not is_last or point.precision != torch.float64:
            theta = self._solver.theta if is_last else theta_of(self._reduction.reduce(parameters))
            point = self._objective.loss_gradient(theta, torch.float64)
        bound = self._solver.bound_at(point)
        return FitOutcome(
            final=point.evaluation,
            bound=bound,
            passes=self._solver.passes,
            method=self._plan.solver,
            reason=self._plan.reason,
            findings=(*self._findings.sentences, *([_BY_DIAGONAL] if self._solver.by_diagonal else [])),
        )


class L1Solver(_Delegate):
    """newton or auto with l1: to the optimum with exact zeros in W, with a proof."""

    def __init__(self, params: TrainParams, data: TrainingRows, start: Parameters | None = None) -> None:
        """Look at the rows and pack them. They are not rotated: l1 is a penalty on the columns as they are.

        ``start`` is W and b of the whole problem, None for 0.
        """
        self._params = params
        self._findings = diagnostics.find(data, params.l1 + params.l2_value, params.intercept, thread_count())
        self._reduction = reduction.reduce(data.blocks, data.levels, data.classes, 0.0, params.intercept)
        classes = len(self._reduction.present)
        rows = Rows(self._reduction.blocks, data.levels, classes, thread_count(), params.intercept)
        self._objective = PackedObjective(rows, params.l2_value)
        begin = rows.zero() if start is None else theta_of(self._reduction.reduce(start))
        self._solver: ProximalNewton = ProximalNewton(self._objective, params.l1, begin, params.tolerance)

    @property
    def approximate_bound(self) -> float | None:
        """The proven one."""
        bound, point = self._solver.bound, self._solver.point
        return None if bound is None or point is None else bound / (self._solver.objective_at(point) or 1.0)

    def outcome(self, parameters: Parameters, epochs: int) -> FitOutcome:  # noqa: ARG002  (passes are counted)
        """One more pass where the parameters are not the last ones."""
        theta = theta_of(self._reduction.reduce(parameters))
        point = self._solver.point
        if point is None or not torch.equal(point.theta, theta):
            point = self._objective.loss_gradient(theta, torch.float64)
        return FitOutcome(
            final=self._solver.evaluation_at(point),
            bound=self._solver.bound_at(point),
            passes=self._solver.passes,
            method="newton",
            reason="as asked for" if self._params.solver == "newton" else "train.l1 is above 0",
            findings=self._findings.sentences,
            nonzero_weights=int((parameters.weights != 0).sum()),
        )


def _plan(solver: str, sizes: auto.Sizes) -> auto.Plan:
    memory: Any = psutil.virtual_memory  # psutil has no types
    try:
        return auto.choose(solver, sizes, int(memory().total) // 2)
    except MemoryError as error:
        raise UserError(f"train.solver: newton does not fit: {error}; take lbfgs, or auto") from None

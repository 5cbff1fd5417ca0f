"""Newton's method for an objective with an l1 penalty: W ends with exact zeros, and with a certificate.

    F(theta) = f(theta) + l1 sum |W|,   f of objective/packed.py, b not penalised.

One epoch is one step: f is replaced by its quadratic at theta over the working columns (those with a weight that is not
0 or wants to leave 0) and b (quadratic_model.py); the minimum of that plus the penalty is found, and a line search on F
ends the step. More working columns than fit take turns, those that want to move most first. Of many rows a first answer
comes from a sample. All passes are float64: the last digits decide which weights are 0.

Shapes are those of data/layout.py.
Source: Lee, Sun and Saunders 2014, "Proximal Newton-type methods for minimizing composite functions", section 2.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.numerics.certificates import duality_gap, l1_duality_gap
from pipeline.numerics.data.sample import stratified
from pipeline.numerics.data.theta import parameters_of
from pipeline.numerics.exact import portable
from pipeline.numerics.objective.evaluation import Evaluation, Point
from pipeline.numerics.objective.packed import PackedObjective
from pipeline.numerics.solvers import line_search
from pipeline.numerics.solvers.l1_quadratic import least_subgradient
from pipeline.numerics.solvers.loop import Epoch
from pipeline.numerics.solvers.quadratic_model import QuadraticModel, sample_rows
from pipeline.numerics.solvers.state_tensors import from_tensors, to_tensors
from pipeline.numerics.solvers.status import Status

_FIRST_SHARE, _FIRST_TOLERANCE = 1 / 8, 1e-2  # of the sample that gives the first answer

_SHORTEST = 1e-10
_ROUNDING = 1e-15


@dataclass(frozen=True)
class ProximalNewtonState:
    """The state in a checkpoint, without what can be computed from it; q variables of the quadratic."""

    theta: Tensor
    columns: Tensor  # of W, in the quadratic
    curvature: Tensor  # (q, q)
    has_sample: bool
    decrements: list[float]
    last_subgradient: float
    passes: int


class ProximalNewton:
    """Steps towards the optimum; ``status`` is set when there is nothing more to do."""

    unfinished = Status.NOT_CONVERGED

    def __init__(self, objective: PackedObjective, l1: float, start: Tensor, tolerance: float) -> None:
        """``tolerance`` is the bound to reach, as a share of F; l1 > 0."""
        self.status: Status | None = None
        self.bound: float | None = None
        self.point: Point | None = None
        self._objective, self._l1, self._start, self._tolerance = objective, l1, start, tolerance
        self._model = QuadraticModel(objective, l1)
        self._sample_passes = 0.0
        self._earlier_passes = 0  # of the process that was resumed, less those that resuming took
        largest = objective.rows.largest
        self._units = torch.where(largest > 0, largest, 1.0)  # (d + 1, 1), of x
        self._centre = objective.rows.centre

    @property
    def theta(self) -> Tensor:
        """The present point, (d + 1, k)."""
        return self._start if self.point is None else self.point.theta

    @property
    def passes(self) -> int:
        """Passes over all rows; passes over samples count by their share of the rows."""
        return self._earlier_passes + self._objective.passes + math.ceil(self._sample_passes)

    @torch.inference_mode()
    def run_epoch(self) -> Epoch:
        """Look at the present point; unless that is the end, make a step from it."""
        if self.point is None:
            self.point = self._evaluate(self._first())
        self.bound = self.bound_at(self.point)
        if self.bound <= self._tolerance * self.objective_at(self.point):
            self.status = Status.CONVERGED
        epoch = Epoch(self.point.cost, self.evaluation_at(self.point).gradient_norm, None, self.passes)
        if self.status is None:
            self._step(self.point)
        return epoch

    @property
    def state(self) -> dict[str, Tensor]:
        """All that decides the next steps, between two epochs; setting it costs two passes that are not counted."""
        model = self._model
        saved = ProximalNewtonState(
            theta=self.theta,
            columns=model.columns,
            curvature=model.curvature,
            has_sample=model.sample is not None,
            decrements=model.decrements,
            last_subgradient=model.last_subgradient,
            passes=self.passes,
        )
        return to_tensors(saved)

    @state.setter
    def state(self, tensors: Mapping[str, Tensor]) -> None:
        saved = from_tensors(ProximalNewtonState, tensors)
        self.point = self._evaluate(saved.theta)
        self._objective.label_means()
        model = self._model
        model.columns, model.curvature = saved.columns, saved.curvature.clone()
        model.decrements, model.last_subgradient = saved.decrements, saved.last_subgradient
        model.sample = self._sampled() if saved.has_sample else None
        self._earlier_passes += saved.passes - self.passes

    def bound_at(self, point: Point) -> float:
        """The proven bound on F - F* there, in nats."""
        inputs = duality_gap.CertificateInputs(point.theta, point.gradient, point.cost, self._objective.label_means())
        l2, rows = self._objective.l2, self._objective.rows
        return l1_duality_gap.bound(inputs, point.min_true_probability, self._l1, l2, rows.intercept, rows.largest[:-1])

    def evaluation_at(self, point: Point) -> Evaluation:
        """Cost, both penalties, and as gradient the subgradient of smallest norm."""
        slope = self._subgradient(point.theta, point.gradient)
        penalty = point.penalty + self._l1 * float(portable.total(point.theta[:-1].abs()))
        gradient = parameters_of(slope)
        return Evaluation(point.cost, penalty, gradient.weights, gradient.bias)

    def _evaluate(self, theta: Tensor) -> Point:
        return self._objective.loss_gradient(theta, torch.float64)

    def objective_at(self, point: Point) -> float:
        """F there, in nats."""
        return point.objective + self._l1 * float(portable.total(point.theta[:-1].abs()))

    def _subgradient(self, theta: Tensor, gradient: Tensor) -> Tensor:
        slope = gradient.clone()
        slope[:-1] = least_subgradient(theta[:-1], gradient[:-1], self._l1)
        return slope

    def _first(self) -> Tensor:
        """The start, or with many rows the answer of a sample of them."""
        rows = self._objective.rows
        if sample_rows(rows) >= rows.count / 2:
            return self._start
        self._model.sample = self._sampled()
        first = self._sampled(_FIRST_SHARE)
        if first.rows.count == rows.count:  # strata are many: a few rows of each are all rows
            return self._start
        descent = ProximalNewton(first, self._l1, self._start, _FIRST_TOLERANCE)
        while descent.status is None:
            descent.run_epoch()
        self._sample_passes = first.passes * first.rows.count / rows.count
        return descent.theta

    def _sampled(self, share: float = 1.0) -> PackedObjective:
        rows = self._objective.rows
        return PackedObjective(stratified(rows, sample_rows(rows, share)), self._objective.l2)

    def _step(self, point: Point) -> None:
        gradient = self._centre.gradient(point.gradient)
        slope = self._subgradient(point.theta, gradient)
        # What columns want is measured in logits, so that it does not depend on a column's unit.
        wish = slope[:-1].abs().amax(1) / self._units[:-1, 0]
        places, change = self._model.minimise(point.theta, gradient, slope, wish)
        direction = torch.zeros_like(point.theta)
        direction[places] = change
        reached = self._line_search(point, self._centre.step(direction))
        if reached is None:  # build the Hessian anew on all rows, then stop
            if self._model.sample is None:
                self.status = Status.STALLED
            self._model.sample = None
            return
        if self._model.sample is not None:
            moved = self._centre.centred_step(reached.theta - point.theta)
            change = self._centre.gradient(reached.gradient - point.gradient)
            self._model.correct(moved[places].flatten(), change[places].flatten())
        self.point = reached

    def _line_search(self, point: Point, direction: Tensor) -> Point | None:
        """Backtracking to Armijo's condition on F; None if no step is short enough. Lee et al. 2014, eq. 2.19.

        Where float64 no longer resolves the decrease, the whole step counts if it halves the subgradient.
        """
        moved = (point.theta + direction)[:-1].abs() - point.theta[:-1].abs()
        decrease = portable.dot(point.gradient, direction) + self._l1 * float(portable.total(moved))
        self._model.decrements.append(-decrease)
        value, step = self.objective_at(point), 1.0
        if -decrease <= _ROUNDING * value:
            trial = self._evaluate(point.theta + direction)
            before, after = (
                portable.norm(self._subgradient(p.theta, self._centre.gradient(p.gradient)) / self._units)
                for p in (point, trial)
            )
            return trial if after <= 0.5 * before else None
        while step >= _SHORTEST:
            trial = self._evaluate(point.theta + step * direction)
            if line_search.accept(step, decrease, self.objective_at(trial) - value, _ROUNDING * value):
                return trial
            step /= 2
        return None

"""Newton's method for an objective with an l1 penalty: W ends with exact zeros, and with a certificate.

    F(theta) = f(theta) + l1 sum |W|,   f of objective/packed.py, b not penalised.

One epoch is one step: f is replaced by its quadratic at theta over the working columns (those with a weight that is not
0 or wants to leave 0) and b; the minimum of that plus the penalty is found exactly (l1_quadratic.py), and a line
search on F ends the step. Of few rows the Hessian is never built: its rank is small, and an active set finds the
minimum with products (row_space.py, active_set.py). Where adding the Hessian up over all rows is cheap, it is built
anew at every step, and steps converge quadratically. Else it is that of a sample, corrected by BFGS with the gradients
of all rows, and a first answer comes from the sample itself. All passes are float64: the last digits decide which
weights are 0.

Quadratics are of columns about their means (data/centring.py), since b has no penalty; without that a year or a time
stamp leaves b and its column a curvature that rounding drowns.
More working columns than fit take turns, those that want to move most first.
Shapes are those of data/layout.py.
Source: Lee, Sun and Saunders 2014, "Proximal Newton-type methods for minimizing composite functions", section 2.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.numerics.certificates import duality_gap, l1_duality_gap
from pipeline.numerics.curvature import dense
from pipeline.numerics.curvature.arrowhead import ridge
from pipeline.numerics.curvature.row_space import RowCurvature
from pipeline.numerics.data.sample import stratified
from pipeline.numerics.exact.roots import square_root
from pipeline.numerics.objective.evaluation import Evaluation, Point
from pipeline.numerics.objective.packed import PackedObjective
from pipeline.numerics.solvers import active_set, line_search
from pipeline.numerics.solvers.l1_quadratic import least_subgradient, minimise
from pipeline.numerics.solvers.loop import Epoch
from pipeline.numerics.solvers.state_tensors import from_tensors, to_tensors
from pipeline.numerics.solvers.status import Status

_LARGEST = 3000  # rows of the Hessian: a factor takes 2 s, its memory is 70 MiB
_CHEAP_WORK = 3e9  # multiplications of a Hessian that may be built at every step: 0.3 s
_ROW_SPACE = 4  # rank of the Hessian, in variables, up to which rows are worked with in place of the matrix
_ROWS_A_PARAMETER, _AT_LEAST = 8, 4096  # of the sample
_FIRST_SHARE, _FIRST_TOLERANCE = 1 / 8, 1e-2  # of the sample that gives the first answer

# What keeps the quadratic's minimum unique, as a share of a variable's own curvature: where W of two classes may be
# shifted together without a change of F, the curvature is 0.
_RIDGE = 1e-10

_EXACTNESS = 1e-2  # of the quadratic's minimum, as a share of the subgradient
# The same far from the optimum, where an exact minimum has several times as many weights that are not 0 as the optimum:
# the square of the last step's gain (Eisenstat and Walker 1996, "Choosing the forcing terms in an inexact Newton
# method", choice 2), but no more than this.
_LOOSEST = 0.3
_SLOW, _SLOW_STEPS = 0.1, 5
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
        self._sample: PackedObjective | None = None
        self._sample_passes = 0.0
        self._earlier_passes = 0  # of the process that was resumed, less those that resuming took
        largest = objective.rows.largest
        self._units = torch.where(largest > 0, largest, 1.0)  # (d + 1, 1), of x
        self._centre = objective.rows.centre
        self._columns = torch.empty(0, dtype=torch.int64)
        self._curvature = torch.zeros(objective.rows.classes, objective.rows.classes, dtype=torch.float64)
        self._decrements: list[float] = []
        self._last_subgradient = 0.0  # its largest entry, in variables of unit curvature; 0 before the first step

    @property
    def theta(self) -> Tensor:
        """Where it is, (d + 1, k)."""
        return self._start if self.point is None else self.point.theta

    @property
    def passes(self) -> int:
        """How often all rows were gone through; passes over samples count by their share of the rows."""
        return self._earlier_passes + self._objective.passes + math.ceil(self._sample_passes)

    @torch.inference_mode()
    def run_epoch(self) -> Epoch:
        """Look at the present point; unless that is the end, make a step from it."""
        if self.point is None:
            self.point = self._evaluate(self._first())
        self.bound = self.bound_at(self.point)
        if self.bound <= self._tolerance * self._value(self.point):
            self.status = Status.CONVERGED
        epoch = Epoch(self.point.cost, self.evaluation_at(self.point).gradient_norm, None, self.passes)
        if self.status is None:
            self._step(self.point)
        return epoch

    @property
    def state(self) -> dict[str, Tensor]:
        """All that decides the next steps, between two epochs; setting it costs two passes that are not counted."""
        saved = ProximalNewtonState(
            theta=self.theta,
            columns=self._columns,
            curvature=self._curvature,
            has_sample=self._sample is not None,
            decrements=self._decrements,
            last_subgradient=self._last_subgradient,
            passes=self.passes,
        )
        return to_tensors(saved)

    @state.setter
    def state(self, tensors: Mapping[str, Tensor]) -> None:
        saved = from_tensors(ProximalNewtonState, tensors)
        self.point = self._evaluate(saved.theta)
        self._objective.label_means()
        self._columns, self._curvature = saved.columns, saved.curvature.clone()
        self._decrements, self._last_subgradient = saved.decrements, saved.last_subgradient
        self._sample = self._drawn(self._sample_rows()) if saved.has_sample else None
        self._earlier_passes += saved.passes - self.passes

    def bound_at(self, point: Point) -> float:
        """The proven bound on F - F* there, in nats."""
        inputs = duality_gap.CertificateInputs(point.theta, point.gradient, point.cost, self._objective.label_means())
        l2, rows = self._objective.l2, self._objective.rows
        return l1_duality_gap.bound(inputs, point.min_true_probability, self._l1, l2, rows.intercept, rows.largest[:-1])

    def evaluation_at(self, point: Point) -> Evaluation:
        """Cost, both penalties, and as gradient the subgradient of smallest norm."""
        slope = self._subgradient(point.theta, point.gradient)
        penalty = point.penalty + self._l1 * float(point.theta[:-1].abs().sum())
        return Evaluation(point.cost, penalty, slope[:-1].T.contiguous(), slope[-1].clone())

    def _evaluate(self, theta: Tensor) -> Point:
        return self._objective.loss_gradient(theta, torch.float64)

    def _value(self, point: Point) -> float:
        return point.objective + self._l1 * float(point.theta[:-1].abs().sum())

    def _subgradient(self, theta: Tensor, gradient: Tensor) -> Tensor:
        slope = gradient.clone()
        slope[:-1] = least_subgradient(theta[:-1], gradient[:-1], self._l1)
        return slope

    def _first(self) -> Tensor:
        """The start, or with many rows the answer of a sample of them."""
        size, count = self._sample_rows(), self._objective.rows.count
        if size >= count / 2:
            return self._start
        self._sample = self._drawn(size)
        first = self._drawn(max(_AT_LEAST, int(size * _FIRST_SHARE)))
        descent = ProximalNewton(first, self._l1, self._start, _FIRST_TOLERANCE)
        while descent.status is None:
            descent.run_epoch()
        self._sample_passes = first.passes * first.rows.count / count
        return descent.theta

    def _sample_rows(self) -> int:
        """How many rows a Hessian should be of."""
        rows = self._objective.rows
        size = min(_LARGEST, rows.classes * (rows.columns + 1))
        return max(_ROWS_A_PARAMETER * size, _AT_LEAST, int(_CHEAP_WORK / size**2))

    def _drawn(self, rows: int) -> PackedObjective:
        return PackedObjective(stratified(self._objective.rows, rows), self._objective.l2)

    def _step(self, point: Point) -> None:
        gradient = self._centre.gradient(point.gradient)
        slope = self._subgradient(point.theta, gradient)
        working = self._working_columns(point.theta, slope)
        places, change = self._change(point, gradient, slope, working)
        direction = torch.zeros_like(point.theta)
        direction[places] = change
        reached = self._line_search(point, self._centre.step(direction))
        if reached is None:
            self._give_up()
            return
        if self._sample is not None:
            moved = self._centre.centred_step(reached.theta - point.theta)
            change = self._centre.gradient(reached.gradient - point.gradient)
            self._correct(moved[places].flatten(), change[places].flatten())
        self.point = reached

    def _change(self, point: Point, gradient: Tensor, slope: Tensor, working: Tensor) -> tuple[Tensor, Tensor]:
        """The way to the minimum of the quadratic with the penalty, (e, k), after the e rows of theta that it changes.

        ``gradient``, ``slope`` and the way are in the unknowns (W, b') of data/centring.py: b has no penalty.
        """
        rows = self._objective.rows
        few_rows = rows.count * (rows.classes - 1) <= min(_LARGEST, _ROW_SPACE * rows.classes * (len(working) + 1))
        curvature: RowCurvature | Tensor
        if few_rows:
            columns, curvature = working, RowCurvature(self._objective, point.theta, working, _RIDGE)
            roots = curvature.roots
            self._decrements.clear()
        else:
            self._build(point.theta, working)
            columns, curvature = self._columns, self._curvature
            roots = square_root(curvature.diagonal().clamp(min=1e-300))
        places = torch.cat([columns, torch.tensor([rows.columns])])
        l1 = torch.full((len(places), rows.classes), self._l1, dtype=torch.float64)
        l1[-1] = 0.0
        here, at = point.theta[places].flatten(), gradient[places].flatten()
        largest = float((slope[places].flatten().abs() / roots).max())
        if isinstance(curvature, RowCurvature):
            fall = largest / self._last_subgradient if self._last_subgradient else 1.0
            share = min(_LOOSEST, max(_EXACTNESS, min(1.0, fall) ** 2))
            self._last_subgradient = largest
            lowest = active_set.minimise(here, at, curvature, l1.flatten(), share * largest)
        else:
            lowest = minimise(here, at, curvature, l1.flatten(), _EXACTNESS * largest)
        return places, (lowest - here).view(len(places), -1)

    def _working_columns(self, theta: Tensor, slope: Tensor) -> Tensor:
        """Columns of W that are not 0 or want to leave it, ascending; those that want it most where they are many.

        What they want is measured in logits, so that it does not depend on a column's unit.
        """
        wish = slope[:-1].abs().amax(1) / self._units[:-1, 0]
        columns = torch.nonzero((wish > 0) | (theta[:-1] != 0).any(1)).flatten()
        room = max(1, _LARGEST // theta.shape[1] - 1)
        if len(columns) > room:
            columns = columns[wish[columns].argsort(descending=True, stable=True)[:room]].sort().values
        return columns

    def _build(self, theta: Tensor, working: Tensor) -> None:
        """The Hessian at every step where that is cheap; else where columns are new or progress is slow."""
        rows = self._objective.rows
        size = rows.classes * (len(working) + 1)
        if self._sample is None or rows.count * size**2 <= _CHEAP_WORK:
            self._take(self._objective, theta, working)
            return
        last = self._decrements[-_SLOW_STEPS:]
        slow = len(last) == _SLOW_STEPS and last[-1] > _SLOW * last[0]
        if slow or not bool(self._curvature.any()) or not bool(torch.isin(working, self._columns).all()):
            self._take(self._sample, theta, working)

    def _take(self, objective: PackedObjective, theta: Tensor, columns: Tensor) -> None:
        self._columns = columns
        self._curvature = dense.over(objective, theta, columns, self._centre)
        diagonal = self._curvature.diagonal()
        diagonal += ridge(diagonal, _RIDGE)
        if objective.rows.intercept:
            k = theta.shape[1]
            self._curvature[-k:, -k:] += 1.0 / k**2  # b of all classes may be shifted together
        else:
            diagonal[-theta.shape[1] :] = 1.0
        self._decrements.clear()

    def _correct(self, step: Tensor, change: Tensor) -> None:
        """BFGS: the quadratic's gradient now changes along ``step`` as f's did. Nocedal and Wright 2006, eq. 6.19."""
        product = self._curvature @ step
        along, curvature = float(step @ product), float(step @ change)
        if along > 0 and curvature > 1e-10 * along:
            self._curvature += torch.outer(change, change) / curvature - torch.outer(product, product) / along

    def _line_search(self, point: Point, direction: Tensor) -> Point | None:
        """Backtracking to Armijo's condition on F; None if no step is short enough. Lee et al. 2014, eq. 2.19.

        Where float64 no longer resolves the decrease, the whole step counts if it halves the subgradient.
        """
        moved = (point.theta + direction)[:-1].abs() - point.theta[:-1].abs()
        decrease = float((point.gradient * direction).sum()) + self._l1 * float(moved.sum())
        self._decrements.append(-decrease)
        value, step = self._value(point), 1.0
        if -decrease <= _ROUNDING * value:
            trial = self._evaluate(point.theta + direction)
            before, after = (
                (self._subgradient(p.theta, self._centre.gradient(p.gradient)) / self._units).norm()
                for p in (point, trial)
            )
            return trial if bool(after <= 0.5 * before) else None
        while step >= _SHORTEST:
            trial = self._evaluate(point.theta + step * direction)
            if line_search.accept(step, decrease, self._value(trial) - value, _ROUNDING * value):
                return trial
            step /= 2
        return None

    def _give_up(self) -> None:
        """No step: build the Hessian anew on all rows, then stop."""
        if self._sample is None:
            self.status = Status.STALLED
        self._sample = None

"""The method of newton and lbfgs: preconditioned L-BFGS or Newton-CG on all rows, down to a certificate.

One epoch is one step. Steps run in float32 until the bound of duality_gap.py is nearly low enough, or float32 no longer
resolves the decrease; then in float64, where the certificate is computed. Shapes are those of data/layout.py.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from pipeline.numerics.certificates import duality_gap
from pipeline.numerics.data.layout import centred, dot
from pipeline.numerics.objective.packed import PackedObjective, Point
from pipeline.numerics.solvers import bias_step, conjugate_gradients, line_search
from pipeline.numerics.solvers.lbfgs import CurvaturePairs
from pipeline.numerics.solvers.loop import Epoch
from pipeline.numerics.solvers.preconditioning import CurrentPreconditioner, PreconditionerSource
from pipeline.numerics.solvers.state_tensors import from_tensors, to_tensors
from pipeline.numerics.solvers.status import Status

# A Hessian is built anew after this many steps, if the decrement fell by less than this factor in the last five.
_REFRESH_AFTER, _SLOW = 10, 3e-2
# With conjugate gradients: after the first steps, then after so many where the last direction took many products.
_FIRST_STEPS, _STEPS_A_FACTOR, _REFRESH_PRODUCTS = 2, 3, 6
_NEAR_GOAL = 0.3  # of the goal: a residual that would leave so low a bound needs no more products

# Shares of the objective: below the first, float32 sees no decrease; below the second it does if bounds still improve.
_FLOAT32_BLIND, _FLOAT32_WEAK, _PATIENCE = 1e-11, 1e-8, 6
_FLOAT32_SUREST = 1e-5  # nats: float32 knows 1 - p to 6e-8, which of a lower cost is more than a percent
_FLOAT32_STEPS_IN_VAIN = 20  # its gradient of columns of 1e3 and more may be noise far above these shares
_ROUNDING = 1e-13
_FLOAT64_BLIND, _FLOAT64_PATIENCE = 1e-14, 12
_WORTH_DROPPING = 0.5  # what the smallest squared gradient fell by since the pairs were last dropped

_SURE = 0.5 + 1e-6  # as a probability of float32 must be to be above 1/2

_BIAS_STEPS, _SHORTEST_STEP = 4, 1e-8
_FLOAT32_NOISE = 1e-6  # share of the objective that float32 may err by
_FLOAT32_SHORTEST_STEP = 0.1


@dataclass
class Progress:
    """What decides the next steps beside point, pairs and preconditioner."""

    since_refresh: int = 0  # steps
    stalled: int = 0  # steps in a row without a smaller gradient
    products: int = 0  # with the Hessian, for the last direction
    smallest_gradient: float = math.inf  # its squared norm, about the means
    smallest_at_last_drop: float = math.inf  # of the pairs
    decrements: list[float] = field(default_factory=list)  # by the preconditioner, one a step


@dataclass(frozen=True)
class QuasiNewtonState:
    """Point, pairs and preconditioner in a checkpoint, without what can be computed from them; m pairs."""

    theta: Tensor
    in_float64: bool
    has_statistics: bool
    knows_label_means: bool
    steps: Tensor  # (m, (d + 1) k)
    changes: Tensor  # of the gradient, likewise
    refreshes: int
    has_factor: bool
    factor_theta: Tensor
    passes: int


class QuasiNewton:
    """Steps towards the optimum; ``status`` is set when there is nothing more to do."""

    unfinished = Status.NOT_CONVERGED

    def __init__(
        self, objective: PackedObjective, source: PreconditionerSource, start: Tensor, tolerance: float
    ) -> None:
        """``tolerance`` is the bound to reach, as a share of the objective."""
        self.status: Status | None = None
        self.bound: float | None = None
        self.point: Point | None = None
        self._objective, self._source, self._tolerance = objective, source, tolerance
        self._start = start
        self._pairs = CurvaturePairs(source.memory, source.resizes)
        self._preconditioner = CurrentPreconditioner(objective, source)
        self._progress = Progress()
        self._earlier_passes = 0  # of the process that was resumed, less those that resuming took

    @property
    def by_diagonal(self) -> bool:
        """Whether the curvature could not be factored somewhere on the way."""
        return self._preconditioner.by_diagonal

    @property
    def theta(self) -> Tensor:
        """Where it is, (d + 1, k); the initial point on first access, or the given start if that fails."""
        try:
            return self._here().theta
        except OverflowError:  # the next epoch meets it again, and tells the loop
            return self._start

    @property
    def passes(self) -> int:
        """How often all rows were gone through; passes over samples count by their share of the rows."""
        return self._earlier_passes + self._objective.passes + math.ceil(self._source.sample_passes)

    @torch.inference_mode()
    def run_epoch(self) -> Epoch:
        """Look at the present point; unless that is the end, make a step from it."""
        self._here()
        self._certify()
        point = self._here()
        epoch = Epoch(point.cost, float(point.gradient.norm()), None, self.passes)
        if self.status is None:
            self._step()
        return epoch

    @property
    def state(self) -> dict[str, Tensor]:
        """All that decides the next steps; what can be computed from it again, as the point and the factor, is not in.

        Taken between two epochs. Setting it costs a pass and the building of the factor; neither is counted.
        """
        point, pairs, preconditioner = self._here(), self._pairs.pairs, self._preconditioner
        assert preconditioner.theta is not None
        saved = QuasiNewtonState(
            theta=point.theta,
            in_float64=point.precision == torch.float64,
            has_statistics=point.statistics is not None,
            knows_label_means=self._objective.knows_label_means,
            steps=torch.stack([step for step, _ in pairs]) if pairs else torch.empty(0),
            changes=torch.stack([change for _, change in pairs]) if pairs else torch.empty(0),
            refreshes=preconditioner.refreshes,
            has_factor=preconditioner.factor is not None,
            factor_theta=preconditioner.theta,
            passes=self.passes,
        )
        return to_tensors(saved) | to_tensors(self._progress)

    @state.setter
    def state(self, tensors: Mapping[str, Tensor]) -> None:
        self._progress = from_tensors(Progress, tensors)
        saved = from_tensors(QuasiNewtonState, tensors)
        self._pairs.pairs = list(zip(saved.steps, saved.changes, strict=True))
        precision = torch.float64 if saved.in_float64 else torch.float32
        self.point = self._objective.loss_gradient(saved.theta, precision, saved.has_statistics)
        self._preconditioner.restore(saved.factor_theta, saved.refreshes, saved.has_factor)
        if saved.knows_label_means:
            self._objective.label_means()
        self._earlier_passes += saved.passes - self.passes

    def _first_point(self) -> Point:
        """The given start, unless 0, where f is log k, is no worse: then what the source makes of 0."""
        start, precision = self._start, self._objective.rows.first_precision
        if bool(start.any()):
            point = self._objective.loss_gradient(start, precision)
            if point.objective < math.log(start.shape[1]):
                return point
            start = torch.zeros_like(start)
        return self._objective.loss_gradient(self._source.start(start), precision)

    @torch.inference_mode()
    def bound_at(self, point: Point) -> float | None:
        """The proven bound on f - f* there, in nats; None without l2."""
        if self._objective.l2 == 0:
            return None
        inputs = duality_gap.CertificateInputs(point.theta, point.gradient, point.cost, self._objective.label_means())
        return duality_gap.bound(inputs, self._objective.l2, self._objective.rows.intercept)

    def _here(self) -> Point:
        if self.point is None:
            with torch.inference_mode():
                self.point = self._first_point()
        return self.point

    def _certify(self) -> None:
        """Compute the certificate once the part of it that W has is low enough, and polish b if only b is not."""
        if self._objective.l2 == 0:
            self._look_for_separation()
            return
        point = self._here()
        if self._weights_part(point) > self._goal(point):
            return
        point = self._in_float64(point)
        for _ in range(_BIAS_STEPS):
            self.bound = self.bound_at(point)
            assert self.bound is not None
            if self.bound <= self._goal(point):
                self.status = Status.CONVERGED
                break
            if self._weights_part(point) > self._goal(point):
                break
            point = bias_step.step(self._objective, point)
        self.point = point

    def _in_float64(self, point: Point) -> Point:
        """With statistics: from float32 the next point, where the way there costs no pass, else the point itself.

        The next one's gradient is lower, b's too, to which the certificate is sensitive: it mostly saves a pass.
        """
        if point.precision == torch.float32 and self._source.memory and self._preconditioner.factor is not None:
            step = centred(self._direction(point))
            following = self._objective.loss_gradient(point.theta + step, torch.float64, statistics=True)
            if following.objective - point.objective <= _FLOAT32_NOISE * abs(point.objective):
                self._pairs.add(step, following.gradient - point.gradient)
                return following
        return self._objective.loss_gradient(point.theta, torch.float64, statistics=True)

    def _goal(self, point: Point) -> float:
        return self._tolerance * abs(point.objective)

    def _weights_part(self, point: Point) -> float:
        """||G_W - m G_b||^2 / (2 l2): about the bound, if b's gradient is small; G_b moves G_W along by m G_b."""
        l2 = self._objective.l2
        moved = self._objective.rows.centre.gradient(point.gradient)
        return float(moved[:-1].square().sum()) / (2 * l2) if l2 else math.inf

    def _look_for_separation(self) -> None:
        point = self._here()
        if point.theta.shape[1] == 1:
            self.status = Status.CONVERGED_UNPROVEN
        elif point.min_true_probability > _SURE:
            # Every row's own class is the most likely one: along theta the cost falls to 0 and has no minimum.
            self.status = Status.SEPARABLE

    def _step(self) -> None:
        point = self._refreshed()
        slow = self._progress.since_refresh == 0 and self._preconditioner.refreshes > 1
        direction = centred(self._direction(point))
        slope = dot(point.gradient, direction)
        self._progress.decrements.append(-slope)
        self._progress.since_refresh += 1
        self._count_stall(point)
        if point.precision == torch.float32 and self._is_blind(point, slope):
            # Along a direction from float32's gradient, f may rise as float64 sees it.
            point = self.point = self._objective.loss_gradient(point.theta, torch.float64)
            direction = centred(self._direction(point))
            slope = dot(point.gradient, direction)
        if point.precision == torch.float64:
            if self._objective.l2 == 0 and (slow or -slope / 2 <= self._goal(point)):
                direction, decrement = self._newton_step(point)
                if decrement / 2 <= self._goal(point):
                    self._end_at_minimum_of_model(point, direction)
                    return
                slope = dot(point.gradient, direction)
            elif self._is_over(point, slope):
                return
        reached = self._line_search(point, direction, slope)
        if reached is None:
            self._give_up(point)
            return
        self._pairs.add(reached.theta - point.theta, reached.gradient - point.gradient)
        self.point = reached

    def _direction(self, point: Point) -> Tensor:
        assert self._preconditioner.factor is not None
        if self._source.memory:
            return self._pairs.direction(point.gradient, self._preconditioner.factor)
        product = self._objective.hessian_product(point.theta, point.precision)
        small = _NEAR_GOAL * 2 * self._objective.l2 * self._goal(point)
        direction, self._progress.products = conjugate_gradients.direction(
            point.gradient, product, self._preconditioner.factor, point.objective, small
        )
        return direction

    def _newton_step(self, point: Point) -> conjugate_gradients.NewtonStep:
        """By the curvature itself, in float64.

        The decrement of a stand-in may be far too small: its ridge is larger than the curvature along columns that are
        nearly equal, and along these the objective may be percents above its optimum.
        """
        assert self._preconditioner.factor is not None
        product, goal = self._objective.hessian_product(point.theta, torch.float64), 2 * self._goal(point)
        step = conjugate_gradients.newton_step(point.gradient, product, self._preconditioner.factor, goal)
        if step is None:
            step = conjugate_gradients.newton_step(
                point.gradient, product, self._preconditioner.diagonal(point.theta), goal
            )
            assert step is not None  # no number of a diagonal is below 0
        return step

    def _end_at_minimum_of_model(self, point: Point, direction: Tensor) -> None:
        """A last step, whose error is the square of the one before; kept if float64 sees no rise."""
        last = self._objective.loss_gradient(point.theta + direction, torch.float64)
        if last.objective <= point.objective + _ROUNDING * abs(point.objective):
            self.point = last
        self.status = Status.CONVERGED_UNPROVEN

    def _refreshed(self) -> Point:
        """Build the preconditioner at the first step, and anew where progress is slow."""
        point, now, preconditioner = self._here(), self._progress, self._preconditioner
        slow = now.since_refresh >= _REFRESH_AFTER and now.decrements[-1] > _SLOW * now.decrements[-6]
        if not self._source.memory:
            enough = _STEPS_A_FACTOR if preconditioner.refreshes > 1 else _FIRST_STEPS
            slow = now.since_refresh >= enough and (preconditioner.refreshes == 1 or now.products > _REFRESH_PRODUCTS)
            slow = slow and self._source.renews
        if preconditioner.factor is None or slow:
            preconditioner.refresh(point.theta)
            now.since_refresh = 0
        return point

    def _count_stall(self, point: Point) -> None:
        size = float(self._objective.rows.centre.gradient(point.gradient).square().sum())
        now = self._progress
        now.stalled = 0 if size <= now.smallest_gradient else now.stalled + 1
        now.smallest_gradient = min(now.smallest_gradient, size)

    def _is_blind(self, point: Point, slope: float) -> bool:
        """Whether float32 resolves no more; without l2 the end itself needs float64."""
        share = -slope / max(abs(point.objective), 1e-300)
        weak = max(_FLOAT32_WEAK, self._tolerance if self._objective.l2 == 0 else 0.0)
        if share < _FLOAT32_BLIND or point.cost < _FLOAT32_SUREST or self._progress.stalled >= _FLOAT32_STEPS_IN_VAIN:
            return True
        return share < weak and (self._progress.stalled >= _PATIENCE or self._objective.l2 == 0)

    def _is_over(self, point: Point, slope: float) -> bool:
        """Whether rounding leaves no step to make."""
        share = -slope / max(abs(point.objective), 1e-300)
        now = self._progress
        if now.stalled >= _FLOAT64_PATIENCE and share < _FLOAT64_BLIND:
            if not len(self._pairs) or now.smallest_gradient > _WORTH_DROPPING * now.smallest_at_last_drop:
                self.status = Status.STALLED
            else:  # pairs of tiny steps hold rounding: it may be they that see no decrease
                now.smallest_at_last_drop, now.stalled = now.smallest_gradient, 0
                self._drop_memory()
            return True
        return False

    def _line_search(self, point: Point, direction: Tensor, slope: float) -> Point | None:
        """Backtracking to Armijo's condition; None if no step is short enough.

        In float32 near the end the gradient resolves what the cost cannot: approximate Wolfe conditions. Where that
        takes a short step, the gradient is noise, too.
        Source: Hager and Zhang 2005, eq. 4.1.
        """
        single = point.precision == torch.float32
        rounding = 0.0 if single else _ROUNDING * abs(point.objective)
        for step, trial, rise in line_search.backtracking(self._objective, point, direction, slope, _SHORTEST_STEP):
            if line_search.accept(step, slope, rise, rounding):
                return trial
            if single and rise <= _FLOAT32_NOISE * abs(point.objective):
                if step < _FLOAT32_SHORTEST_STEP:
                    return None
                if dot(trial.gradient, direction) <= -0.8 * slope:
                    return trial
        return None

    def _give_up(self, point: Point) -> None:
        """No step: go on in float64, then without memory, then by the curvature itself, then not at all."""
        if point.precision == torch.float32:
            self.point = self._objective.loss_gradient(point.theta, torch.float64)
        elif len(self._pairs):
            self._drop_memory()
        else:
            direction, _ = self._newton_step(point)
            reached = self._line_search(point, direction, dot(point.gradient, direction))
            if reached is None or point.objective - reached.objective <= _ROUNDING * abs(point.objective):
                self.status = Status.STALLED
            else:
                self.point = reached

    def _drop_memory(self) -> None:
        self._pairs.clear()
        self._preconditioner.drop()

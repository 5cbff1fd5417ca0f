"""The method of newton and lbfgs: preconditioned L-BFGS or Newton-CG on all rows, down to a certificate.

One epoch is one step. Steps run in float32 until the bound of duality_gap.py is nearly low enough, or float32 no longer
resolves the decrease; then in float64, where the certificate is computed. Shapes are those of data/layout.py.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.numerics.certificates import duality_gap
from pipeline.numerics.data.theta import centred
from pipeline.numerics.exact import portable
from pipeline.numerics.objective.evaluation import Point
from pipeline.numerics.objective.packed import PackedObjective
from pipeline.numerics.solvers import bias_step, conjugate_gradients, line_search
from pipeline.numerics.solvers.lbfgs import CurvaturePairs
from pipeline.numerics.solvers.loop import Epoch
from pipeline.numerics.solvers.preconditioning import CurrentPreconditioner, PreconditionerSource
from pipeline.numerics.solvers.progress import Progress
from pipeline.numerics.solvers.state_tensors import from_tensors, to_tensors
from pipeline.numerics.solvers.status import Status

_NEAR_GOAL = 0.3  # of the goal: a residual that would leave so low a bound needs no more products

_SURE = 0.5 + 1e-6  # as a probability of float32 must be to be above 1/2

_BIAS_STEPS = 4


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
        self.weights_part: float | None = None  # about the bound, in nats; None without l2
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
        """The present point, (d + 1, k); the initial point on first access, or the given start if that fails."""
        try:
            return self._here().theta
        except OverflowError:  # the next epoch meets it again, and tells the loop
            return self._start

    @property
    def passes(self) -> int:
        """Passes over all rows; passes over samples count by their share of the rows."""
        return self._earlier_passes + self._objective.passes + math.ceil(self._source.sample_passes)

    @torch.inference_mode()
    def run_epoch(self) -> Epoch:
        """Look at the present point; unless that is the end, make a step from it."""
        point = self.point = self._certified(self._here())
        epoch = Epoch(point.cost, portable.norm(point.gradient), None, self.passes)
        if self.status is None:
            self._step(point)
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
            if point.objective < portable.log_of(start.shape[1]):
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

    def _certified(self, point: Point) -> Point:
        """The point, or where polishing b led; the certificate is computed once the part of it that W has is low."""
        if self._objective.l2 == 0:
            self._look_for_separation(point)
            return point
        self.weights_part = self._weights_part(point)
        if self.weights_part > self._goal(point):
            return point
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
        return point

    def _in_float64(self, point: Point) -> Point:
        """With statistics: from float32 the next point, where the way there costs no pass, else the point itself.

        The next one's gradient is lower, b's too, to which the certificate is sensitive: it mostly saves a pass.
        """
        if point.precision == torch.float32 and self._source.memory and self._preconditioner.factor is not None:
            step = centred(self._direction(point))
            following = self._objective.loss_gradient(point.theta + step, torch.float64, statistics=True)
            if following.objective - point.objective <= line_search.FLOAT32_NOISE * abs(point.objective):
                self._pairs.add(step, following.gradient - point.gradient)
                return following
        return self._objective.loss_gradient(point.theta, torch.float64, statistics=True)

    def _goal(self, point: Point) -> float:
        return self._tolerance * abs(point.objective)

    def _weights_part(self, point: Point) -> float:
        """||G_W - m G_b||^2 / (2 l2): about the bound, if b's gradient is small; G_b moves G_W along by m G_b."""
        l2 = self._objective.l2
        moved = self._objective.rows.centre.gradient(point.gradient)
        return portable.dot(moved[:-1], moved[:-1]) / (2 * l2) if l2 else math.inf

    def _look_for_separation(self, point: Point) -> None:
        if point.theta.shape[1] == 1:
            self.status = Status.CONVERGED_UNPROVEN
        elif point.min_true_probability > _SURE:
            # Every row's own class is the most likely one: along theta the cost falls to 0 and has no minimum.
            self.status = Status.SEPARABLE

    def _step(self, point: Point) -> None:
        progress, preconditioner, l2 = self._progress, self._preconditioner, self._objective.l2
        if preconditioner.factor is None or progress.needs_refresh(self._source, preconditioner.refreshes):
            preconditioner.refresh(point.theta)
            progress.since_refresh = 0
        slow = progress.since_refresh == 0 and preconditioner.refreshes > 1
        direction = centred(self._direction(point))
        slope = portable.dot(point.gradient, direction)
        about_means = self._objective.rows.centre.gradient(point.gradient)
        progress.record(-slope, portable.dot(about_means, about_means))
        if point.precision == torch.float32 and progress.float32_is_blind(point, -slope, l2, self._tolerance):
            # Along a direction from float32's gradient, f may rise as float64 sees it.
            point = self.point = self._objective.loss_gradient(point.theta, torch.float64)
            direction = centred(self._direction(point))
            slope = portable.dot(point.gradient, direction)
        if point.precision == torch.float64:
            if l2 == 0 and (slow or -slope / 2 <= self._goal(point)):
                direction, decrement = self._newton_step(point)
                if decrement / 2 <= self._goal(point):
                    self._end_at_minimum_of_model(point, direction)
                    return
                slope = portable.dot(point.gradient, direction)
            elif progress.float64_is_blind(point, -slope):
                if len(self._pairs) and progress.drop_pairs():
                    self._drop_memory()
                else:
                    self.status = Status.STALLED
                return
        reached = line_search.approximate_wolfe(self._objective, point, direction, slope)
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
        if last.objective <= point.objective + line_search.ROUNDING * abs(point.objective):
            self.point = last
        self.status = Status.CONVERGED_UNPROVEN

    def _give_up(self, point: Point) -> None:
        """No step: go on in float64, then without memory, then by the curvature itself, then not at all."""
        if point.precision == torch.float32:
            self.point = self._objective.loss_gradient(point.theta, torch.float64)
        elif len(self._pairs):
            self._drop_memory()
        else:
            direction, _ = self._newton_step(point)
            slope = portable.dot(point.gradient, direction)
            reached = line_search.approximate_wolfe(self._objective, point, direction, slope)
            if reached is None or point.objective - reached.objective <= line_search.ROUNDING * abs(point.objective):
                self.status = Status.STALLED
            else:
                self.point = reached

    def _drop_memory(self) -> None:
        self._pairs.clear()
        self._preconditioner.drop()

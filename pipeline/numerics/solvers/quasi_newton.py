"""The method of newton and lbfgs: preconditioned L-BFGS or Newton-CG on all rows, down to a certificate.

One epoch is one step. Steps run in float32 until the bound of duality_gap.py is nearly low enough, or float32 no longer
resolves the decrease; then in float64, where the certificate is computed. Shapes are those of data/layout.py.
"""

import math
from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from pipeline.numerics.certificates import duality_gap
from pipeline.numerics.curvature.preconditioners import Diagonal, PreconditionerBuilder
from pipeline.numerics.data.centring import Preconditioner
from pipeline.numerics.data.layout import centred, dot
from pipeline.numerics.objective.packed import PackedObjective, Point
from pipeline.numerics.solvers import bias_step, conjugate_gradients, line_search
from pipeline.numerics.solvers.lbfgs import CurvaturePairs
from pipeline.numerics.solvers.loop import Epoch
from pipeline.numerics.solvers.status import Status

_MIX = 0.01  # labels mixed into the curvature, arrowhead.py

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
_WORTH_FORGETTING = 0.5  # what the smallest squared gradient fell by since memory was last given up

_SURE = 0.5 + 1e-6  # as a probability of float32 must be to be above 1/2

_BIAS_STEPS, _SHORTEST_STEP = 4, 1e-8
_FLOAT32_NOISE = 1e-6  # share of the objective that float32 may err by
_FLOAT32_SHORTEST_STEP = 0.1


class PreconditionerSource(Protocol):
    """Where a start and scalings come from."""

    memory: int  # pairs that L-BFGS keeps; 0: directions by conjugate gradients
    resizes: bool  # whether the scaling's size is to be learnt from the last step
    renews: bool  # whether a factor for conjugate gradients is built anew
    sample_passes: float

    def start(self, theta: Tensor) -> Tensor:
        """A better start, from samples."""

    def scaling(self, refreshes: int) -> PreconditionerBuilder | None:
        """The scaling for the n-th time; None: the last one, built at the new point."""


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
        self.by_diagonal = False  # whether the curvature could not be factored somewhere on the way
        self._objective, self._source, self._tolerance = objective, source, tolerance
        self._start = start
        self._memory = CurvaturePairs(source.memory, source.resizes)
        self._scaling: PreconditionerBuilder | None = None
        self._factor: Preconditioner | None = None
        self._factor_at: Tensor | None = None
        self._refreshes = self._since = self._stalled = self._products = 0
        self._mix = _MIX if source.memory else 0.0  # conjugate gradients know the curvature as it is
        self._decrements: list[float] = []
        self._best = self._forgot_at = math.inf
        self._earlier_passes = 0  # of the process that was resumed, less those that resuming took

    @property
    def theta(self) -> Tensor:
        """Where it is, (d + 1, k); where it begins is found when first asked for, or the given start if that fails."""
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
        point, pairs = self._here(), self._memory.pairs
        assert self._factor_at is not None
        passes, size = self.passes, point.precision.itemsize
        known = (point.facts is not None, self._objective.knows_label_means)
        counts = (self._refreshes, self._since, self._stalled, self._products, passes, size, *known)
        return {
            "theta": point.theta,
            "factor at": self._factor_at,
            "has factor": torch.tensor(self._factor is not None),
            "steps": torch.stack([step for step, _ in pairs]) if pairs else torch.empty(0),
            "changes": torch.stack([change for _, change in pairs]) if pairs else torch.empty(0),
            "decrements": torch.tensor(self._decrements, dtype=torch.float64),
            "counts": torch.tensor(counts),
            "numbers": torch.tensor([self._best, self._forgot_at], dtype=torch.float64),
        }

    @state.setter
    def state(self, found: Mapping[str, Tensor]) -> None:
        *counts, passes, size, facts, means = found["counts"].tolist()
        self._refreshes, self._since, self._stalled, self._products = counts
        self._best, self._forgot_at = found["numbers"].tolist()
        self._decrements = found["decrements"].tolist()
        self._memory.pairs = list(zip(found["steps"], found["changes"], strict=True))
        self.point = self._evaluate(found["theta"], torch.float32 if size == 4 else torch.float64, bool(facts))
        self._factor_at = found["factor at"]
        for refresh in range(self._refreshes):
            self._scaling = self._source.scaling(refresh) or self._scaling
        if bool(found["has factor"]):
            self._factor = self._factor_of_curvature(self._factor_at)
        if means:
            self._objective.label_means()
        self._earlier_passes += passes - self.passes

    def _first_point(self) -> Point:
        """The given start, unless 0, where f is log k, is no worse: then what the source makes of 0."""
        start, precision = self._start, self._objective.rows.first_precision
        if bool(start.any()):
            point = self._evaluate(start, precision)
            if point.objective < math.log(start.shape[1]):
                return point
            start = torch.zeros_like(start)
        return self._evaluate(self._source.start(start), precision)

    @torch.inference_mode()
    def bound_at(self, point: Point) -> float | None:
        """The proven bound on f - f* there, in nats; None without l2."""
        if self._objective.l2 == 0:
            return None
        facts = duality_gap.CertificateInputs(point.theta, point.gradient, point.cost, self._objective.label_means())
        return duality_gap.bound(facts, self._objective.l2, self._objective.rows.intercept)

    def _evaluate(self, theta: Tensor, precision: torch.dtype, facts: bool = False) -> Point:
        return self._objective.evaluate(theta, precision, facts)

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
        """With facts: from float32 the next point, where the way there costs no pass, else the point itself.

        The next one's gradient is lower, b's too, to which the certificate is sensitive: it mostly saves a pass.
        """
        if point.precision == torch.float32 and self._source.memory and self._factor is not None:
            step = centred(self._direction(point))
            found = self._evaluate(point.theta + step, torch.float64, facts=True)
            if found.objective - point.objective <= _FLOAT32_NOISE * abs(point.objective):
                self._memory.add(step, found.gradient - point.gradient)
                return found
        return self._evaluate(point.theta, torch.float64, facts=True)

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
        elif point.least_sure > _SURE:
            # Every row's own class is the most likely one: along theta the cost falls to 0 and has no minimum.
            self.status = Status.SEPARABLE

    def _step(self) -> None:
        point = self._refreshed()
        slow = self._since == 0 and self._refreshes > 1
        direction = centred(self._direction(point))
        slope = dot(point.gradient, direction)
        self._decrements.append(-slope)
        self._since += 1
        self._count_stall(point)
        if point.precision == torch.float32 and self._is_blind(point, slope):
            # Along a direction from float32's gradient, f may rise as float64 sees it.
            point = self.point = self._evaluate(point.theta, torch.float64)
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
        found = self._search(point, direction, slope)
        if found is None:
            self._give_up(point)
            return
        self._memory.add(found.theta - point.theta, found.gradient - point.gradient)
        self.point = found

    def _direction(self, point: Point) -> Tensor:
        assert self._factor is not None
        if self._source.memory:
            return self._memory.direction(point.gradient, self._factor)
        product = self._objective.hessian(point.theta, point.precision)
        small = _NEAR_GOAL * 2 * self._objective.l2 * self._goal(point)
        found, self._products = conjugate_gradients.direction(
            point.gradient, product, self._factor, point.objective, small
        )
        return found

    def _newton_step(self, point: Point) -> conjugate_gradients.NewtonStep:
        """By the curvature itself, in float64.

        The decrement of a stand-in may be far too small: its ridge is larger than the curvature along columns that are
        nearly equal, and along these the objective may be percents above its optimum.
        """
        assert self._factor is not None
        product, goal = self._objective.hessian(point.theta, torch.float64), 2 * self._goal(point)
        step = conjugate_gradients.newton_step(point.gradient, product, self._factor, goal)
        if step is None:
            step = conjugate_gradients.newton_step(point.gradient, product, self._diagonal(point.theta), goal)
            assert step is not None  # no number of a diagonal is below 0
        return step

    def _end_at_minimum_of_model(self, point: Point, direction: Tensor) -> None:
        """A last step, whose error is the square of the one before; kept if float64 sees no rise."""
        last = self._evaluate(point.theta + direction, torch.float64)
        if last.objective <= point.objective + _ROUNDING * abs(point.objective):
            self.point = last
        self.status = Status.CONVERGED_UNPROVEN

    def _refreshed(self) -> Point:
        """Build the factor at the first step, and anew where progress is slow."""
        point = self._here()
        slow = self._since >= _REFRESH_AFTER and self._decrements[-1] > _SLOW * self._decrements[-6]
        if not self._source.memory:
            enough = _STEPS_A_FACTOR if self._refreshes > 1 else _FIRST_STEPS
            slow = self._since >= enough and (self._refreshes == 1 or self._products > _REFRESH_PRODUCTS)
            slow = slow and self._source.renews
        if self._factor is None or slow:
            self._scaling = self._source.scaling(self._refreshes) or self._scaling
            self._factor, self._factor_at = self._factor_of_curvature(point.theta), point.theta
            self._refreshes += 1
            self._since = 0
        return point

    def _factor_of_curvature(self, theta: Tensor) -> Preconditioner:
        """The scaling's; of a diagonal where float32 products leave the numbers, as squares of 1e20 do."""
        assert self._scaling is not None
        try:
            return self._scaling.factor(theta, self._mix)
        except OverflowError:
            self.by_diagonal = True
            return self._diagonal(theta)

    def _diagonal(self, theta: Tensor) -> Preconditioner:
        return Diagonal(self._objective.on_processor()).factor(theta)

    def _count_stall(self, point: Point) -> None:
        size = float(self._objective.rows.centre.gradient(point.gradient).square().sum())
        self._stalled = 0 if size <= self._best else self._stalled + 1
        self._best = min(self._best, size)

    def _is_blind(self, point: Point, slope: float) -> bool:
        """Whether float32 resolves no more; without l2 the end itself needs float64."""
        share = -slope / max(abs(point.objective), 1e-300)
        weak = max(_FLOAT32_WEAK, self._tolerance if self._objective.l2 == 0 else 0.0)
        if share < _FLOAT32_BLIND or point.cost < _FLOAT32_SUREST or self._stalled >= _FLOAT32_STEPS_IN_VAIN:
            return True
        return share < weak and (self._stalled >= _PATIENCE or self._objective.l2 == 0)

    def _is_over(self, point: Point, slope: float) -> bool:
        """Whether rounding leaves no step to make."""
        share = -slope / max(abs(point.objective), 1e-300)
        if self._stalled >= _FLOAT64_PATIENCE and share < _FLOAT64_BLIND:
            if not len(self._memory) or self._best > _WORTH_FORGETTING * self._forgot_at:
                self.status = Status.STALLED
            else:  # pairs of tiny steps hold rounding: it may be they that see no decrease
                self._forgot_at, self._stalled = self._best, 0
                self._forget()
            return True
        return False

    def _search(self, point: Point, direction: Tensor, slope: float) -> Point | None:
        """Backtracking to Armijo's condition; None if no step is short enough.

        In float32 near the end the gradient resolves what the cost cannot: approximate Wolfe conditions. Where that
        takes a short step, the gradient is noise, too.
        Source: Hager and Zhang 2005, eq. 4.1.
        """
        single = point.precision == torch.float32
        allowed = 0.0 if single else _ROUNDING * abs(point.objective)
        for step, trial, rise in line_search.backtracking(self._objective, point, direction, slope, _SHORTEST_STEP):
            if rise <= 1e-4 * step * slope + allowed:
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
            self.point = self._evaluate(point.theta, torch.float64)
        elif len(self._memory):
            self._forget()
        else:
            direction, _ = self._newton_step(point)
            found = self._search(point, direction, dot(point.gradient, direction))
            if found is None or point.objective - found.objective <= _ROUNDING * abs(point.objective):
                self.status = Status.STALLED
            else:
                self.point = found

    def _forget(self) -> None:
        self._memory.clear()
        self._factor = None

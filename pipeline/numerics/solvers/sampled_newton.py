"""Newton's method on samples: a start near the optimum, and the curvature for the steps on all rows.

A sample's own Hessian is a good one for all rows only near their optimum, so a sample of m / 4 rows is solved before
that of m rows gives its Hessian; m = 32 rows a parameter. (Two such samples, m / 16 and m / 2, took as long on flights
and longer on diamonds: 131 in place of 103 milliseconds.) What came out on 327,346 rows of flights: a
Hessian of 16,000 rows needs 59 steps on all rows, one of 32,000 rows 21, one of 64,000 rows 14.
Shapes are those of data/layout.py.
"""

import math

from torch import Tensor

from pipeline.numerics.curvature.arrowhead import ArrowheadHessian
from pipeline.numerics.curvature.preconditioners import PreconditionerBuilder
from pipeline.numerics.data.sample import stratified
from pipeline.numerics.data.theta import centred
from pipeline.numerics.exact import portable
from pipeline.numerics.objective.packed import PackedObjective
from pipeline.numerics.solvers import line_search

_ROWS_A_PARAMETER = 32
_AT_LEAST = 16_384
_NEARLY_ALL = 0.6  # share of the rows from which a sample saves nothing
_STEPS, _SHORTEST_STEP = 40, 1e-6
_ROUNDING = 1e-8  # share of the objective, in float32

# Share of the sample that is solved, and the Newton decrement, as a share of the objective, at which it is. The optimum
# of m rows is about parameters / 2 m away from that of all rows, so that a closer answer would be of no use.
_FIRST_SHARE, _SOLVED = 1 / 4, 1e-2

# Labels mixed into the curvature: at the start, at most, and at least after a shortened step. A constant mix makes
# convergence linear (24 steps on diamonds, whose outliers need it), none makes the first steps short.
_MIX, _LARGEST_MIX, _MIX_AFTER_SHORT_STEP = 0.05, 0.2, 0.01

# Seconds a row on one thread, measured: laying rows out for a Hessian of q columns and building it, and a pass with k
# classes and p numbers.
_BUILD_SQUARE, _BUILD_LINEAR = 2e-11, 1.5e-9
_PASS_CLASS, _PASS_NUMBER = 5e-9, 1e-10
_PASSES_WORTH = 8


class SampledNewton:
    """A ``PreconditionerSource``: a start near the optimum, and Hessians of samples."""

    memory = 20
    resizes = False
    renews = True

    def __init__(self, objective: PackedObjective, dense_size: int) -> None:
        """``dense_size`` is q of arrowhead.py."""
        self._objective = objective
        rows = objective.rows
        target = max(_ROWS_A_PARAMETER * rows.classes * (rows.columns + 1), _AT_LEAST)
        self._target = rows.count if target > _NEARLY_ALL * rows.count else target
        self._cheap = rows.accelerator is None and self._exact_is_cheap(dense_size)
        self.sample_passes = 0.0

    def start(self, theta: Tensor) -> Tensor:
        """A point near the optimum, from a sample of the rows; the same point where its curvature is no number."""
        sample = self._sample(int(self._target * _FIRST_SHARE))
        try:
            theta = _minimise(sample, theta, _SOLVED)
        except OverflowError:
            return theta
        self.sample_passes += sample.passes * sample.rows.count / self._objective.rows.count
        return theta

    def builder(self, refreshes: int) -> PreconditionerBuilder | None:
        """The Hessian to build for the n-th time: the sample doubles at the second refresh; None: keep the last."""
        if refreshes == 0:
            return ArrowheadHessian(self._objective if self._cheap else self._sample(self._target))
        doubled = 2 * self._target
        if refreshes == 2 and not self._cheap and doubled < self._objective.rows.count:
            return ArrowheadHessian(self._sample(doubled))
        return None

    def _exact_is_cheap(self, q: int) -> bool:
        rows = self._objective.rows
        build = _BUILD_SQUARE * q * q + _BUILD_LINEAR * q
        one_pass = rows.padded_classes * (_PASS_CLASS + _PASS_NUMBER * rows.numbers)
        return build <= _PASSES_WORTH * one_pass

    def _sample(self, target: int) -> PackedObjective:
        if target >= _NEARLY_ALL * self._objective.rows.count:
            return PackedObjective(self._objective.rows.on_processor(), self._objective.l2)
        return PackedObjective(stratified(self._objective.rows, target), self._objective.l2)


def _minimise(objective: PackedObjective, theta: Tensor, tolerance: float) -> Tensor:
    """Newton steps in float32 until the decrement is below ``tolerance`` times the objective.

    Source: Boyd and Vandenberghe 2004, algorithm 9.5.
    """
    arrow = ArrowheadHessian(objective)
    point = objective.loss_gradient(theta, objective.rows.first_precision)
    mix, last = _MIX, math.inf
    for _ in range(_STEPS):
        direction = centred(-arrow.factor(point.theta, mix).solve(point.gradient))
        slope = portable.dot(point.gradient, direction)
        rounding = _ROUNDING * abs(point.objective)
        reached = line_search.armijo(objective, point, direction, slope, _SHORTEST_STEP, rounding)
        if reached is None:
            break
        point = reached.point
        if reached.step < 1:
            mix = min(_LARGEST_MIX, 4 * max(mix, _MIX_AFTER_SHORT_STEP))
        elif -slope > 0.4 * last:  # linear convergence: the labels mixed in are what slows it
            mix /= 5
        last = -slope
        separable = objective.l2 == 0 and point.min_true_probability > 0.5  # no optimum to come near to
        if separable or -slope < tolerance * abs(point.objective):
            break
    return point.theta

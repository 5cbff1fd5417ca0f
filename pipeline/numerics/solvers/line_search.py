"""Backtracking: how far to go along a direction of descent. Shapes are those of data/layout.py."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.numerics.exact import portable
from pipeline.numerics.objective.evaluation import Point
from pipeline.numerics.objective.packed import PackedObjective

# Shares of the objective that float64 and float32 may err by.
ROUNDING, FLOAT32_NOISE = 1e-13, 1e-6
_DECREASE = 1e-4  # of what the slope promises
_SHORTEST_STEP, _FLOAT32_SHORTEST_STEP = 1e-8, 0.1


class LineSearchStep(NamedTuple):
    """A step, the point that it leads to, and what f rose by on the way, in nats."""

    step: float
    point: Point
    rise: float


def backtracking(
    objective: PackedObjective, point: Point, direction: Tensor, slope: float, shortest: float
) -> Iterator[LineSearchStep]:
    """Trials of the steps 1 and then ever shorter ones, to the minimum of the parabola through value, slope and trial.

    A step is a tenth to a half of the one before; none is below ``shortest``. One that leads to where f is not a finite
    number is no trial.
    Source: Nocedal and Wright 2006, section 3.5, eq. 3.57 and 3.58.
    """
    step = 1.0
    while step >= shortest:
        try:
            trial = objective.loss_gradient(point.theta + step * direction, point.precision)
        except OverflowError:
            step /= 10
            continue
        rise = trial.objective - point.objective
        yield LineSearchStep(step, trial, rise)
        step *= max(0.1, min(0.5, -slope * step / (2 * max(rise - slope * step, 1e-300))))


def accept(step: float, slope: float, rise: float, rounding: float) -> bool:
    """Armijo's condition: f rises by no more than a share of step * slope, which is below 0, and ``rounding`` (nats).

    Source: Nocedal and Wright 2006, eq. 3.4.
    """
    return rise <= _DECREASE * step * slope + rounding


def armijo(
    objective: PackedObjective, point: Point, direction: Tensor, slope: float, shortest: float, rounding: float
) -> LineSearchStep | None:
    """The first trial that meets Armijo's condition; None if no step is short enough."""
    for trial in backtracking(objective, point, direction, slope, shortest):
        if accept(trial.step, slope, trial.rise, rounding):
            return trial
    return None


def approximate_wolfe(objective: PackedObjective, point: Point, direction: Tensor, slope: float) -> Point | None:
    """Backtracking to Armijo's condition; None if no step is short enough.

    In float32 near the end the gradient resolves what the cost cannot: approximate Wolfe conditions. Where that
    takes a short step, the gradient is noise, too.
    Source: Hager and Zhang 2005, eq. 4.1.
    """
    if point.precision == torch.float64:
        reached = armijo(objective, point, direction, slope, _SHORTEST_STEP, ROUNDING * abs(point.objective))
        return reached.point if reached else None
    for step, trial, rise in backtracking(objective, point, direction, slope, _SHORTEST_STEP):
        if accept(step, slope, rise, rounding=0.0):
            return trial
        if rise <= FLOAT32_NOISE * abs(point.objective):
            if step < _FLOAT32_SHORTEST_STEP:
                return None
            if portable.dot(trial.gradient, direction) <= -0.8 * slope:
                return trial
    return None

"""Backtracking: how far to go along a direction of descent. Shapes are those of data/layout.py."""

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor

from pipeline.numerics.objective.packed import PackedObjective, Point

_DECREASE = 1e-4  # of what the slope promises


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

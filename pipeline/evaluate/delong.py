"""The macro average of one-versus-rest areas under the ROC curve, and how much every unit moves it.

n rows, k classes, u units (rows, or groups of rows). The area of a class is the probability that one of its rows has a
higher score than one of the others, ties counted by half. Its placement values, the share of the others' weight below
a row of the class and of the class's weight above another row, have that area as their weighted means. The variance is
that of two independent means, and of averages over classes, and differences of two models of the same rows, that of
the sum of what each unit adds to them.
Source: DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44; Obuchowski 1997, Biometrics 53, for units of many rows.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.elementary import log, sigmoid
from pipeline.distributions import NORMAL_95
from pipeline.evaluate.metrics import Predictions
from pipeline.parallel import threads
from pipeline.resampling.fixed_point import to_fixed_point

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Area:
    """``value`` in [0, 1]; ``influence`` (u,), by ascending unit, sums to 0, and its squares to the variance."""

    value: float
    influence: Floats


class UndefinedAreaError(ValueError):
    """Why there is no variance, as a clause."""


def macro_area(predictions: Predictions) -> Area:
    """The mean over classes of their areas; of two classes that of the second, which is the first's.

    Raises: UndefinedAreaError if a class, or all but one, have fewer than two units.
    """
    k = predictions.probabilities.shape[1]
    distinct, unit = np.unique(predictions.units, return_inverse=True)
    weights = to_fixed_point(predictions.weights)

    def of_class(label: int) -> tuple[float, Floats]:
        is_own = predictions.labels == label
        corrections = [_correction(unit[rows], len(distinct)) for rows in (is_own, ~is_own)]
        return _area(predictions.probabilities[:, label], is_own, weights.integers, corrections)

    labels = [1] if k == 2 else range(k)
    total, influence = 0.0, np.zeros(len(unit))
    for area, of_rows in threads.in_order(of_class, labels, threads.thread_count()):
        total += area
        influence += of_rows
    return Area(total / len(labels), _by_unit(influence / len(labels), unit))


def area_interval(area: Area) -> tuple[float, float]:
    """95 % interval, normal on the logit scale, so that it lies within (0, 1).

    Raises: UndefinedAreaError at 0 and 1, where the logit is infinite, and where no row moves the area.
    """
    if area.value in (0.0, 1.0):
        raise UndefinedAreaError(f"the area is exactly {area.value:g}")
    error = NORMAL_95 * _standard_error(area.influence)
    logit = float(log(np.array(area.value / (1 - area.value))))
    reach = error / (area.value * (1 - area.value))
    low, high = sigmoid(np.array([logit - reach, logit + reach])).tolist()
    return low, high


def difference_interval(a: Area, b: Area) -> tuple[float, float]:
    """95 % interval of the area of b less that of a, of the same units; normal, within [-1, 1].

    Raises: UndefinedAreaError where no row moves it.
    """
    difference = b.value - a.value
    reach = NORMAL_95 * _standard_error(b.influence - a.influence)
    return max(-1.0, difference - reach), min(1.0, difference + reach)


def _standard_error(influence: Floats) -> float:
    if not influence.any():
        raise UndefinedAreaError("no row moves it")
    return math.sqrt(math.fsum((influence * influence).tolist()))


def _correction(unit: NDArray[np.integer[Any]], units: int) -> float:
    """sqrt(m / (m - 1)) of the m units: a mean of m that is estimated itself leaves m - 1 to vary."""
    m = int(np.count_nonzero(np.bincount(unit, minlength=units)))
    if m < 2:
        raise UndefinedAreaError("a class, or all others together, has one independent row alone")
    return math.sqrt(m / (m - 1))


def _area(
    score: Floats, is_own: NDArray[np.bool_], weights: Integers, corrections: list[float]
) -> tuple[float, Floats]:
    """The area of a score (n,), and how much each row moves it, (n,)."""
    order = np.argsort(score)
    own, weight = is_own[order], weights[order]
    ends = np.flatnonzero(np.append(np.diff(score[order]) > 0, True))
    tie = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=-1))
    parts = np.where(own, weight, 0), np.where(own, 0, weight)
    until_own, until_others = (np.cumsum(part)[ends] for part in parts)
    total_own, total_others = int(until_own[-1]), int(until_others[-1])
    # Twice the weight below, ties counted once.
    below_own, below_others = (until + np.append(0, until[:-1]) for until in (until_own, until_others))
    placement = np.where(own, below_others[tie] / (2 * total_others), 1 - below_own[tie] / (2 * total_own))
    area = _weighted_mean(placement[own], weight[own])
    share = np.where(own, weight / total_own * corrections[0], weight / total_others * corrections[1])
    influence = np.empty(len(score))
    influence[order] = share * (placement - area)
    return area, influence


def _weighted_mean(values: Floats, weights: Integers) -> float:
    totals = (to_fixed_point(part) for part in (values * weights, weights.astype(np.float64)))
    above, below = (part.floats(part.integers.sum()) for part in totals)
    return float(above / below)


def _by_unit(influence: Floats, unit: NDArray[np.integer[Any]]) -> Floats:
    """Sums over the rows of each unit, the same in every order of rows."""
    fixed = to_fixed_point(influence)
    order = np.argsort(unit, kind="stable")
    starts = np.flatnonzero(np.diff(unit[order], prepend=-1))
    return fixed.floats(np.add.reduceat(fixed.integers[order], starts))

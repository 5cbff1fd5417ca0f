"""The choice among several models by the losses of cross-validation.

Source: Hastie, Tibshirani and Friedman 2009, The Elements of Statistical Learning, section 7.10.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Rule = Literal["one_standard_error", "best"]


@dataclass(frozen=True)
class Estimate:
    """The mean of the folds' losses, each fold counting once, and its standard error, in the losses' unit."""

    mean: float
    standard_error: float


def estimate(losses: Sequence[float]) -> Estimate:
    """Mean and standard error of the mean losses of at least two folds.

    The standard error is that of a mean of independent folds: sqrt(sum (loss - mean)^2 / (K - 1) / K) of K folds. The
    folds' models share training rows, so it is somewhat too small.
    """
    count = len(losses)
    mean = math.fsum(losses) / count
    variance = math.fsum((loss - mean) * (loss - mean) for loss in losses) / (count - 1)
    return Estimate(mean, math.sqrt(variance / count))


def choose(estimates: Sequence[Estimate], rule: Rule) -> tuple[int, int]:
    """Positions of the model of the lowest mean, and of the first within one standard error of it, or that again.

    Models are in order from the simplest; of equal means the simpler one is the lowest. "Within" includes the edge.
    """
    lowest = min(range(len(estimates)), key=lambda position: estimates[position].mean)
    if rule == "best":
        return lowest, lowest
    allowed = estimates[lowest].mean + estimates[lowest].standard_error
    return lowest, next(position for position, estimated in enumerate(estimates) if estimated.mean <= allowed)

"""Cost curves of two classes: what a mistake costs on average, for every ratio of the two mistakes' costs.

With pi the share of the second class, and costs of missing it and of a false alarm, the probability cost x is the share
of all possible cost that missing it can make: x = pi c_missed / (pi c_missed + (1 - pi) c_false). At x a rule of
miss rate m and false alarm rate f has the normalised expected cost m x + f (1 - x), 1 for always being wrong. Costs are
met by the threshold t = c_false / (c_missed + c_false) on the probability of the second class.
Source: Drummond and Holte 2006, "Cost curves: an improved method for visualizing classifier performance".
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluate.metrics import Predictions

COLUMNS = ("probability_cost", "normalised_expected_cost", "rule")
_POINTS = 51  # of each of three rules

# DVC needs a line; other models are judged by the costs themselves, in metrics.json.
NO_CURVE = [(0.0, 0.0, "a curve takes rows of two classes")]


def cost_curve_lines(predictions: Predictions) -> list[tuple[float, float, str]]:
    """Lines of cost_curve.csv, (x, cost, rule), of rows of two classes; else NO_CURVE.

    Rules: "by costs", the threshold that costs ask for; "best threshold" of these rows, which nobody knows before;
    "without a model", always the class that costs less.
    """
    k = predictions.probabilities.shape[1]
    totals = np.bincount(predictions.labels, predictions.weights, minlength=k)
    if k != 2 or not totals.all():
        return NO_CURVE
    return list(_lines(predictions, totals))


def _lines(predictions: Predictions, totals: NDArray[Any]) -> Iterator[tuple[float, float, str]]:
    p = predictions.probabilities[:, 1]
    order = np.argsort(-p, kind="stable")
    is_second = predictions.labels[order] == 1
    weights = predictions.weights[order]
    # Rates of deciding for the second class in the first 0, 1, ... rows; rows of equal probability go together.
    missed = 1 - np.concatenate([[0.0], np.cumsum(weights * is_second)]) / totals[1]
    false = np.concatenate([[0.0], np.cumsum(weights * ~is_second)]) / totals[0]
    ordered = p[order]
    ends = np.concatenate([[True], ordered[1:] != ordered[:-1], [True]])
    missed, false = missed[ends], false[ends]
    thresholds = -ordered[ends[1:]]  # of the last row on the near side of each end but the first
    for step in range(_POINTS):
        x = step / (_POINTS - 1)
        pi_false, pi_missed = totals[0] * x, totals[1] * (1 - x)
        # t = c_false / (c_missed + c_false) in terms of x and the share of the second class.
        threshold = pi_missed / (pi_missed + pi_false)
        taken = int(np.searchsorted(thresholds, -threshold, side="left"))  # p > t
        costs = missed * x + false * (1 - x)
        yield x, float(costs[taken]), "by costs"
        yield x, float(costs.min()), "best threshold"
        yield x, min(x, 1 - x), "without a model"

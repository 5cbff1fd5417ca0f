"""How often prediction sets hold the class of rows that nothing was fitted on, and how large they are."""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.columns import Class
from pipeline.evaluate.beta_quantile import beta_quantile
from pipeline.evaluate.metrics import Predictions
from pipeline.scoring.decision import Decision

# Its rows are exchangeable with those of validation; those of the other splits were used.
SPLIT = "test"

_TAIL = 0.025


class SetCounts:
    """Weights of rows by class, by whether their set holds it, and by the size of the set; added up block by block."""

    def __init__(self, classes: int) -> None:
        """``classes`` is k."""
        self.rows = 0
        self.is_whole = True
        self.weight, self.covered, self.sizes = (np.zeros(classes) for _ in range(3))
        self.by_size = np.zeros(classes + 1)

    def add(self, split: str, predicted: Predictions, contained: NDArray[np.bool_] | None) -> None:
        """Count rows of the split whose sets are ``contained`` (n, k), if any; rows of weight 0 count nothing."""
        if split != SPLIT or contained is None:
            return
        labels, weights, k = predicted.labels, predicted.weights, len(self.weight)
        size = np.count_nonzero(contained, axis=1)
        covered = contained[np.arange(len(labels)), labels]
        self.rows += int(np.count_nonzero(weights))
        self.is_whole &= bool((weights == np.floor(weights)).all())
        self.weight += np.bincount(labels, weights, minlength=k)
        self.covered += np.bincount(labels, weights * covered, minlength=k)
        self.sizes += np.bincount(labels, weights * size, minlength=k)
        self.by_size += np.bincount(size, weights, minlength=k + 1)


def prediction_set_records(counts: SetCounts, decision: Decision, classes: Sequence[Class]) -> list[dict[str, Any]]:
    """The list ``prediction_sets`` of metrics.json: one record if there are sets and rows to see them on, else none.

    ``covered`` has its Clopper-Pearson interval, ``low`` to ``high``, and the one of 95 % in which the n rows that gave
    the quantile let coverage lie, Beta(n + 1 - l, l) with l = floor((n + 1)(1 - level)). A row of weight w counts as w
    rows; with weights that are not whole, and by class, there is no such number n, so null.
    Sources: Clopper and Pearson 1934; Vovk 2012, "Conditional validity of inductive conformal predictors".
    """
    weight = float(np.cumsum(counts.weight)[-1])
    if decision.sets is None or decision.level is None or not weight:
        return []
    covered = float(np.cumsum(counts.covered)[-1])
    low, high = _clopper_pearson(covered, weight) if counts.is_whole else (None, None)
    expected_low, expected_high = _expected(decision.set_rows, decision.level)
    per_class = [
        {
            "class": label,
            "rows": _count(counts.weight[place]),
            "covered": float(counts.covered[place] / counts.weight[place]) if counts.weight[place] else None,
            "mean_size": float(counts.sizes[place] / counts.weight[place]) if counts.weight[place] else None,
        }
        for place, label in enumerate(classes)
    ]
    return [
        {
            "split": SPLIT,
            "coverage": decision.level,
            "rows": counts.rows,
            "covered": covered / weight,
            "low": low,
            "high": high,
            "expected_low": expected_low,
            "expected_high": expected_high,
            "mean_size": float(np.cumsum(counts.sizes)[-1]) / weight,
            "sizes": [
                {"size": int(size), "rows": _count(counts.by_size[size])} for size in np.flatnonzero(counts.by_size)
            ],
            "per_class": per_class,
        }
    ]


def _clopper_pearson(covered: float, rows: float) -> tuple[float, float]:
    """The exact 95 % interval of a share."""
    low = beta_quantile(_TAIL, covered, rows - covered + 1) if covered else 0.0
    high = beta_quantile(1 - _TAIL, covered + 1, rows - covered) if covered < rows else 1.0
    return low, high


def _expected(set_rows: float | None, level: float) -> tuple[float | None, float | None]:
    """The 95 % interval of coverage over draws of the rows that gave the one quantile."""
    if set_rows is None or not float(set_rows).is_integer():
        return None, None
    n = int(set_rows)
    rank = ceil((n + 1) * Fraction(str(level)))
    if rank > n:
        return 1.0, 1.0
    return beta_quantile(_TAIL, rank, n + 1 - rank), beta_quantile(1 - _TAIL, rank, n + 1 - rank)


def _count(weight: float) -> int | float:
    """A sum of weights, as a whole number where it is one."""
    return int(weight) if float(weight).is_integer() else float(weight)

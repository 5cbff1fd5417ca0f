"""Classes that a column of W alone tells from all others: then, without a penalty, there is no optimum.

Values are compared only, so that numpy gives what torch would, and none of it has to be loaded. n rows, p number
columns, c categories, d columns of W, k classes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.parallel import workers


@dataclass(frozen=True)
class RowArrays:
    """Rows of positive weight: numbers (n, p), codes (n, c), each a column of W, labels (n,)."""

    numbers: NDArray[np.floating[Any]]
    codes: NDArray[np.integer[Any]]
    labels: NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Separable:
    """Class ``label`` can be told from all others by ``column`` of W, in some rows without ever being wrong.

    Then, without a penalty, W grows for ever: a level that the class never has (its weight falls without end), or a
    number that is never lower (or never higher) in the class than in any other. Without an intercept only 0 can part
    the numbers: never below 0 in the class and never above 0 in any other, or the other way round.
    """

    label: int
    column: int


def separable_classes(
    mine: Iterable[RowArrays], numbers: int, columns: int, classes: int, intercept: bool
) -> list[Separable]:
    """Pairs of class and column of W that alone prove that there is no optimum; all workers ask together.

    ``mine`` are the rows of this worker, in any parts, of p ``numbers`` and d ``columns``.
    """
    rows = np.zeros(classes, dtype=np.int64)
    counts = np.zeros((columns, classes), dtype=np.int64)
    lowest = np.full((classes, numbers), np.inf, dtype=np.float64)
    highest = -lowest
    for part in mine:
        _count(part, rows, counts)
        _reach(part, lowest, highest)
    gathered = zip(*workers.all_gather_arrays([[rows, counts, lowest, highest]]), strict=True)
    of_rows, of_counts, of_lowest, of_highest = map(np.stack, gathered)
    rows, counts, lowest, highest = of_rows.sum(0), of_counts.sum(0), of_lowest.min(0), of_highest.max(0)
    # With an intercept a class without rows is told apart by b alone.
    labels = np.flatnonzero(rows) if intercept else np.arange(classes)
    return [*_by_levels(counts, labels), *_by_numbers(lowest[labels], highest[labels], labels, intercept)]


def _count(part: RowArrays, rows: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
    """Add the rows of each class, and of each column of W and class."""
    columns, classes = counts.shape
    labels = part.labels.astype(np.int64, copy=False)
    rows += np.bincount(labels, minlength=classes)
    for codes in part.codes.T:
        pairs = codes.astype(np.int64, copy=False) * classes + labels
        counts += np.bincount(pairs, minlength=columns * classes).reshape(columns, classes)


def _reach(part: RowArrays, lowest: NDArray[np.float64], highest: NDArray[np.float64]) -> None:
    """Widen the range of each class and number, (k, p)."""
    if not part.numbers.size:
        return
    by_class = np.argsort(part.labels, kind="stable")
    labels, first = np.unique(part.labels[by_class], return_index=True)
    numbers = part.numbers[by_class]
    lowest[labels] = np.minimum(lowest[labels], np.minimum.reduceat(numbers, first))
    highest[labels] = np.maximum(highest[labels], np.maximum.reduceat(numbers, first))


def _by_levels(counts: NDArray[np.int64], labels: NDArray[np.intp]) -> list[Separable]:
    """A level that some row has, and a class none of whose rows has it."""
    never = (counts[:, labels] == 0) & (counts.sum(1) > 0)[:, None]
    return [Separable(int(labels[position]), int(column)) for column, position in np.argwhere(never)]


def _by_numbers(
    lowest: NDArray[np.float64], highest: NDArray[np.float64], labels: NDArray[np.intp], intercept: bool
) -> list[Separable]:
    """A number whose range in one class ends where that of all others begins; ranges are (k', p), a line a label."""
    if len(labels) < 2 or not lowest.size:
        return []
    if not intercept:  # 0 is a value of every class: only there can the column part them
        lowest, highest = np.minimum(lowest, 0), np.maximum(highest, 0)
    varies = lowest.min(0) < highest.max(0)
    apart = (highest <= _of_others(lowest)) | (lowest >= -_of_others(-highest))
    return [Separable(int(labels[position]), int(column)) for position, column in np.argwhere(apart & varies)]


def _of_others(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of (k', p), in place of each value the least of the other classes'."""
    position = values.argmin(0)
    least, second = np.partition(values, 1, axis=0)[:2]
    is_least = np.arange(len(values))[:, None] == position
    others: NDArray[np.float64] = np.where(is_least, second, least)
    return others

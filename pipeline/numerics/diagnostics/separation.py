"""Whether rows can be told apart by a linear rule that is never wrong: then, without a penalty, there is no optimum.

n rows, d columns of W, k classes. D (k, d + 1), not all 0 on every row, separates where

    margin_ic = (D_y - D_c)'(x_i, 1) >= 0   for every row i of class y and every other class c, and one is above 0.

Along D the cost falls for ever: W grows without end. Complete separation: all margins above 0; quasi-complete: some
are 0. Where there is no such D the maximum of the likelihood exists. Source: Albert and Anderson 1984, "On the
existence of maximum likelihood estimates in logistic regression models", theorems 1 to 3.

Of all D the one of least sum |D| (columns scaled to reach 1) is looked for, since it takes few columns: a linear
program (Konis 2007, "Linear programming algorithms for detecting separated data", section 4.2) with mean margin 1, and
if that has an answer, one with all margins at least 1, which has one where separation is complete. Each begins with
some of the rows and takes in those that its answer gets wrong, until none is or none can be right.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.products import add_product
from pipeline.arithmetic.sums import halving_sum

Matrix = NDArray[np.float64]
Labels = NDArray[np.int64]

LARGEST_TABLE = 3_000_000  # n * d: linear programs take seconds
LARGEST_RULE = 400  # numbers of D in one linear program
# Rows of the first program, a number of D: so many that where there is no rule it mostly says so at once.
_FIRST_ROWS = 10
_MORE_ROWS, _ROUNDS = 128, 60
_STEPS = 50_000  # of the simplex method: a limit in seconds would depend on the machine
_FEASIBLE = 1e-7  # of HiGHS, as a share of the largest |D|
_TAKES_PART = 1e-6


@dataclass(frozen=True)
class Rule:
    """Pairs of classes (a, b), a < b, of which it tells some rows apart, and the columns of W that it needs.

    The column of most weight comes first. ``complete``: it tells all rows apart.
    """

    pairs: tuple[tuple[int, int], ...]
    columns: tuple[int, ...]
    complete: bool


def separating(x: Matrix, labels: Labels, classes: int, intercept: bool = True) -> Rule | None:
    """A rule of few columns that is never wrong; None where there is none, or where the linear program gave up.

    Shapes: x (n, d), labels (n,) in [0, k). Without ``intercept`` D has no part of b, and a class may have no row.
    """
    scaled = np.hstack([x / np.maximum(np.abs(x).max(0), 1e-300), np.full((len(x), 1), float(intercept))])
    some = _least(scaled, labels, classes, complete=False)
    if some is None:
        return None
    all_apart = _least(scaled, labels, classes, complete=True)
    rule = some if all_apart is None else all_apart
    pairs = _pairs(scaled, labels, rule)
    if not pairs:  # a mean margin that is 0 but for rounding becomes 1 by a D of 1e15: it tells no row apart
        return None
    used = np.abs(rule[:, :-1]).max(0)
    columns = [
        column for column in np.argsort(-used, kind="stable").tolist() if used[column] > _TAKES_PART * used.max()
    ]
    return Rule(pairs, tuple(columns), all_apart is not None)


def _least(x: Matrix, labels: Labels, classes: int, complete: bool) -> Matrix | None:
    """D by programs over growing rows; margins at least 1 where ``complete``, else at least 0 and 1 in the mean."""
    mean = None if complete else _mean_margin(x, labels, classes)
    working = _first_rows(labels, classes, _FIRST_ROWS * x.shape[1])
    for _ in range(_ROUNDS):
        rule = _program(x, labels, classes, working, mean)
        if rule is None:
            return None
        lacking = _margins(x, labels, rule) - float(complete)
        lacking[lacking >= -_FEASIBLE * max(1.0, float(np.abs(rule).max()))] = 0.0
        worst = np.argsort(lacking, axis=None, kind="stable")[:_MORE_ROWS]
        wrong = worst[lacking.flat[worst] < 0]
        if not len(wrong):
            return rule
        working = np.unique(np.vstack([working, np.stack(np.unravel_index(wrong, lacking.shape), 1)]), axis=0)
    return None


def _first_rows(labels: Labels, classes: int, count: int) -> Labels:
    """Pairs (row, other class): evenly spaced rows of every class, each against every other class."""
    pairs = []
    for label in range(classes):
        rows = np.flatnonzero(labels == label)
        rows = rows[:: max(1, len(rows) * classes // count)]
        pairs += [np.stack([rows, np.full(len(rows), other)], 1) for other in range(classes) if other != label]
    return np.vstack(pairs)


def _mean_margin(x: Matrix, labels: Labels, classes: int) -> Matrix:
    """The mean of all margins as a linear function of D, (k, d + 1)."""
    sums = np.stack([halving_sum(x[labels == label], 0) for label in range(classes)])
    return np.asarray((classes * sums - halving_sum(sums, 0)) / (len(x) * (classes - 1)))


def _margins(x: Matrix, labels: Labels, rule: Matrix) -> Matrix:
    """(n, k), infinite for a row's own class."""
    scores = np.zeros((len(x), len(rule)))
    add_product(scores, x, rule.T)
    rows = np.arange(len(x))
    margins = scores[rows, labels][:, None] - scores
    margins[rows, labels] = np.inf
    return np.asarray(margins)


def _program(x: Matrix, labels: Labels, classes: int, working: Labels, mean: Matrix | None) -> Matrix | None:
    """D of least sum |D|, b for nothing, for the margins of ``working`` only; the first class's row is 0."""
    from scipy.optimize import linprog  # rarely needed, and slow to import

    rows, others = working.T
    width, places = x.shape[1], np.arange(len(working))
    margins = np.zeros((len(working), classes, width))
    margins[places, labels[rows]] = x[rows]
    margins[places, others] = -x[rows]
    free = margins[:, 1:].reshape(len(working), -1)
    cost = np.tile(np.append(np.ones(width - 1), 0.0), classes - 1)
    goal = None if mean is None else mean[1:].reshape(1, -1)
    solution: Any = linprog(  # type: ignore[no-untyped-call]
        np.concatenate([cost, cost]),  # D is the difference of two parts >= 0
        A_ub=np.hstack([-free, free]),
        b_ub=np.full(len(working), -1.0 if goal is None else 0.0),
        A_eq=None if goal is None else np.hstack([goal, -goal]),
        b_eq=None if goal is None else [1.0],
        method="highs-ds",
        options={"maxiter": _STEPS},
    )
    if solution.status != 0:
        return None
    parts = solution.x.reshape(2, classes - 1, width)
    return np.vstack([np.zeros(width), parts[0] - parts[1]])


def _pairs(x: Matrix, labels: Labels, rule: Matrix) -> tuple[tuple[int, int], ...]:
    """Pairs of classes with a margin above 0 by far more than the program's rounding."""
    above = _margins(x, labels, rule) > 1e3 * _FEASIBLE * float(np.abs(rule).max())
    pairs = set()
    for label in range(len(rule)):
        others = np.flatnonzero(above[labels == label].any(0))
        pairs |= {(min(label, other), max(label, other)) for other in others.tolist() if other != label}
    return tuple(sorted(pairs))

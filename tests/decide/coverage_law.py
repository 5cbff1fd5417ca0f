"""How many rows prediction sets cover, exactly: what a random split of any table must come to.

Of n + m rows whose scores are distinct, n drawn at random give the quantile, their score of rank
r = ceil((n + 1) level). How many of the m others are at or below it depends on the order of the rows alone, not on the
scores, so that it has the law BetaBinomial(m, r, n + 1 - r), whatever the table and the model: coverage given the n
rows is Beta(r, n + 1 - r) (Vovk 2012), and m rows are counted. With r > n all are. Splits of one table that are drawn
independently give independent counts, although they share rows, so that the law of their sum is the convolution of
theirs. Of tied scores more rows than the law has are at or below the quantile, and fewer below it.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom


def interval_of_share(draws: Sequence[tuple[int, int]], level: float, tail: float) -> tuple[float, float]:
    """The interval that the covered share of all new rows leaves with at most the probability ``tail`` on each side.

    ``draws`` are n and m of independent draws: of each split, or of each class of each split, whose n and m are given.
    """
    rows = sum(m for _, m in draws)
    spectrum = np.ones((rows + 1) // 2 + 1, dtype=np.complex128)
    for n, m in draws:
        spectrum *= np.fft.rfft(law(n, m, level), rows + 1)
    below = np.cumsum(np.fft.irfft(spectrum, rows + 1))
    low, high = np.searchsorted(below, [tail, 1 - tail])
    return float(low) / rows, min(float(high), rows) / rows


def law(n: int, m: int, level: float) -> NDArray[np.float64]:
    """The probabilities (m + 1,) of 0 to m covered rows."""
    rank = math.ceil((n + 1) * Fraction(str(level)))
    if rank > n:
        return np.append(np.zeros(m), 1.0)
    result: NDArray[np.float64] = betabinom.pmf(np.arange(m + 1), m, rank, n + 1 - rank)
    return result

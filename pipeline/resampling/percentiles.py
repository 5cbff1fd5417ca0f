"""Intervals from the replicates of a statistic."""

import numpy as np
from numpy.typing import NDArray


def percentile_interval(replicates: NDArray[np.float64]) -> tuple[float, float]:
    """Two-sided 95 % percentile interval: the order statistics of ranks (R + 1) / 40 from below and above.

    The rank is rounded down, which makes the interval wider if anything: of 1,000 replicates (R,) the 25th and 976th.
    No interpolation, so that the bounds are values that a replicate has.
    Source: Davison and Hinkley 1997, "Bootstrap methods and their application", 5.3.1.
    """
    rank = _rank(len(replicates))
    ordered = np.sort(replicates)
    return float(ordered[rank - 1]), float(ordered[-rank])


def percentile_intervals(replicates: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same of each column of replicates (R, ...), of those that are no NaN; NaN where that is fewer than half."""
    ordered = np.sort(replicates, axis=0)  # NaN last
    defined = np.count_nonzero(~np.isnan(ordered), axis=0)
    low, high = (np.full(defined.shape, np.nan) for _ in range(2))
    for count in np.unique(defined[2 * defined >= len(replicates)]):
        rank, columns = _rank(int(count)), defined == count
        low[columns], high[columns] = ordered[rank - 1][columns], ordered[count - rank][columns]
    return low, high


def _rank(replicates: int) -> int:
    return max(1, (replicates + 1) // 40)

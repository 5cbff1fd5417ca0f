"""Intervals from the replicates of a statistic."""

import numpy as np
from numpy.typing import NDArray


def percentile_interval(replicates: NDArray[np.float64]) -> tuple[float, float]:
    """Two-sided 95 % percentile interval: the order statistics of ranks (R + 1) / 40 from below and above.

    The rank is rounded down, which makes the interval wider if anything: of 1,000 replicates (R,) the 25th and 976th.
    No interpolation, so that the bounds are values that a replicate has.
    Source: Davison and Hinkley 1997, "Bootstrap methods and their application", 5.3.1.
    """
    rank = max(1, (len(replicates) + 1) // 40)
    ordered = np.sort(replicates)
    return float(ordered[rank - 1]), float(ordered[-rank])

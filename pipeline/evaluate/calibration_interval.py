"""A 95 % interval of the expected calibration error.

The error is sum_b |g_b|, g_b being the gap of a bin. Noise makes |g_b| larger wherever g_b is near 0: the error of the
rows at hand lies above that of the population, and that of a replicate lies above again. The plain percentile interval
of a perfectly calibrated model does not hold its error of 0 once in a thousand tables. So both bounds are corrected:

- above, the percentile of the replicates less twice their bias (their mean less the error of the rows), since both the
  rows and the replicates have it;
- below, by the derivative of the sum in the direction of the noise h = replicate gap - gap: sign(g_b) h_b for a bin
  whose gap is sure (above 2 standard errors), and |h_b| for a bin whose gap may be 0. The bound is the error less the
  97.5th percentile of the sum, and 0 where that is negative.
  Source: Fang and Santos 2019, "Inference on directionally differentiable functions", Review of Economic Studies 86.

The error at hand may lie above the interval, as it does for most models that are nearly calibrated: it is too large.
The bins are as they are: an error within a bin is not seen by either.
Both bounds, and the 2 standard errors (of 1 to 3), were chosen by simulations of two classes with 500 to 5,000 rows,
where they held the truth in 92 to 98 % of tables; percentile and Efron's bias-corrected intervals held it in 0 to 95,
the basic one in 77 to 95. `python -m benchmarks.metric_coverage`, whose populations are others, compares them again;
docs/metrics.md has its table.
"""

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.sums import halving_sum
from pipeline.resampling.percentiles import percentile_interval

Floats = NDArray[np.float64]

_SURE = 2.0  # standard errors of a gap that is taken not to be 0


def calibration_interval(own: Floats, replicates: Floats) -> tuple[float, float]:
    """Bounds from gaps (bins,) of the rows and (R, bins) of replicates."""
    error = float(halving_sum(np.abs(own), axis=0))
    errors = halving_sum(np.abs(replicates), axis=1)
    noise = replicates - own
    size = np.abs(noise)
    standard_error = np.sqrt(halving_sum(noise * noise, axis=0) / len(noise))
    is_sure = np.abs(own) > _SURE * standard_error
    _, largest = percentile_interval(halving_sum(np.where(is_sure, np.sign(own) * noise, size), axis=1))
    low = max(0.0, error - largest)
    bias = math.fsum(errors.tolist()) / len(errors) - error
    return low, max(low, percentile_interval(errors)[1] - 2 * bias)

"""The measures of probabilities that scikit-learn does not have: log loss without clipping, and calibration.

n is the number of rows. Weights count a row as if it were there that many times.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.distributions import NORMAL_95

# Of a weight near 0, whose share may be anything; its square is within float64.
_WIDE = 1e100


@dataclass(frozen=True)
class Calibration:
    """Rows grouped by how sure the model was: bins of equal width over (0, 1], empty ones left out.

    Shapes: all (m,), m the bins with weight. ``predicted`` and ``observed`` are weighted means within the bin,
    ``weight`` its sum of weights. ``low`` and ``high`` are the 95 % interval of ``observed`` in as many rows.
    """

    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    weight: NDArray[np.float64]


def calibration(
    predicted: NDArray[np.float64], happened: NDArray[np.bool_], weights: NDArray[np.float64], bins: int
) -> Calibration:
    """Compare predicted probabilities with how often the predicted thing happened.

    Shapes: predicted (n,) in [0, 1], happened (n,), weights (n,). A bin holds its upper edge; 0 falls into the first.
    Source: Guo et al. 2017, "On calibration of modern neural networks", section 2.
    """
    index = bin_of(predicted, bins)
    weight: NDArray[np.float64] = np.bincount(index, weights=weights, minlength=bins).astype(np.float64)
    filled = weight > 0
    sums = (np.bincount(index, weights=weights * values, minlength=bins) for values in (predicted, happened))
    means = [total[filled] / weight[filled] for total in sums]
    low, high = wilson_interval(means[1], weight[filled])
    return Calibration(predicted=means[0], observed=means[1], low=low, high=high, weight=weight[filled])


def wilson_interval(
    shares: NDArray[np.float64], rows: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % interval of each share (m,) that was seen in so many independent rows (m,), each > 0.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    with np.errstate(over="ignore"):
        spread = np.minimum(NORMAL_95 * NORMAL_95 / rows, _WIDE)
    centre = (shares + spread / 2) / (1 + spread)
    half = np.sqrt(shares * (1 - shares) * spread + spread * spread / 4) / (1 + spread)
    return np.clip(centre - half, 0.0, shares), np.clip(centre + half, shares, 1.0)


def bin_of(predicted: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """The bin (n,), from 0, of predicted probabilities (n,)."""
    return np.clip(np.ceil(predicted * bins).astype(np.int64) - 1, 0, bins - 1)


def expected_calibration_error(calibrated: Calibration) -> float:
    """Mean distance between predicted and observed over the bins, each bin counted by its weight; 0 is best, 1 worst.

    Source: Guo et al. 2017, eq. 3.
    """
    distances = np.abs(calibrated.predicted - calibrated.observed)
    return float(np.sum(calibrated.weight * distances) / np.sum(calibrated.weight))

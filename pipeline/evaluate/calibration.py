"""The measures of probabilities that scikit-learn does not have: log loss without clipping, and calibration.

n is the number of rows. Weights count a row as if it were there that many times.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Calibration:
    """Rows grouped by how sure the model was: bins of equal width over (0, 1], empty ones left out.

    Shapes: all (m,), m the bins with weight. ``predicted`` and ``observed`` are weighted means within the bin,
    ``weight`` its sum of weights.
    """

    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
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
    return Calibration(predicted=means[0], observed=means[1], weight=weight[filled])


def bin_of(predicted: NDArray[np.float64], bins: int) -> NDArray[np.int64]:
    """The bin (n,), from 0, of predicted probabilities (n,)."""
    return np.clip(np.ceil(predicted * bins).astype(np.int64) - 1, 0, bins - 1)


def expected_calibration_error(calibrated: Calibration) -> float:
    """Mean distance between predicted and observed over the bins, each bin counted by its weight; 0 is best, 1 worst.

    Source: Guo et al. 2017, eq. 3.
    """
    distances = np.abs(calibrated.predicted - calibrated.observed)
    return float(np.sum(calibrated.weight * distances) / np.sum(calibrated.weight))

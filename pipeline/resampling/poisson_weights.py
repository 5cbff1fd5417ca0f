"""How often a unit is drawn into each replicate of a bootstrap, as a function of the unit alone.

A unit is a row, or a group of rows that are drawn together, and is named by 64 bits: its row number, or a digest. The
bootstrap of Efron 1979 draws n of n units, so that the counts are multinomial; independent Poisson(1) counts differ
from those in their total alone, by which ratios of sums are divided. Since no unit's count needs those of others, rows
may be cut into blocks and spread over threads in any way, and the same rows under two models get the same counts: their
difference is resampled in pairs.
Source: Chamandy et al. 2012, "Estimating uncertainty for massive data streams" (Google technical report).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.row_digests import mixed

REPLICATES = 1000

MOST = 8  # no weight is larger

# A weight is the number of these thresholds that a uniform number of 16 bits reaches: that of j lies at
# 2^16 P(Poisson(1) < j), rounded so that the mean of all weights is exactly 1; P(Poisson(1) > 8) is 1.1e-6.
THRESHOLDS = (24109, 48219, 60273, 64292, 65296, 65497, 65531, 65535)

_PER_HASH = 4
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def poisson_weights(units: NDArray[np.integer[Any]], replicates: int = REPLICATES) -> NDArray[np.uint8]:
    """Weights (n, replicates) of units (n,), int64 or uint64; independent over units and replicates, of mean 1."""
    hashes = -(-replicates // _PER_HASH)
    first = mixed(units.astype(np.uint64) + _GOLDEN)
    bits = mixed(first[:, np.newaxis] + _GOLDEN * np.arange(1, hashes + 1, dtype=np.uint64))
    uniform = bits.astype("<u8", copy=False).view("<u2")[:, :replicates]
    weights = np.zeros(uniform.shape, dtype=np.uint8)
    for threshold in THRESHOLDS:
        weights += uniform >= threshold
    return weights

"""Floats as integers on a grid whose step is a power of two, so that their sums are exact in any order."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.resampling.poisson_weights import MOST
from pipeline.resampling.replicate_sums import ROWS_AT_ONCE

# A block's weighted sum stays below 2^53, and that of all rows below 2^63.
_BLOCK_BITS = 53 - (ROWS_AT_ONCE * MOST).bit_length()
_TOTAL_BITS = 63 - MOST.bit_length()


@dataclass(frozen=True)
class FixedPoint:
    """Numbers as ``integers`` (n,) int64 times 2^-``shift``."""

    integers: NDArray[np.int64]
    shift: int

    def floats(self, sums: NDArray[np.int64]) -> NDArray[np.float64]:
        """Sums of the integers as sums of the numbers, rounded once."""
        return np.ldexp(sums.astype(np.float64), -self.shift)


def to_fixed_point(values: NDArray[np.float64]) -> FixedPoint:
    """Finite values (n,), each off by at most 2^-39 of the largest in size; 2^-k for more than 2^(59 - k) rows.

    Raises: ValueError if one is not finite.
    """
    size = np.abs(values).max(initial=0.0)
    if not np.isfinite(size):
        raise ValueError(f"expected finite numbers, got {size}")
    bits = min(_BLOCK_BITS, _TOTAL_BITS - len(values).bit_length())
    shift = bits - int(np.frexp(size)[1])
    return FixedPoint(np.rint(np.ldexp(values, shift)).astype(np.int64), shift)

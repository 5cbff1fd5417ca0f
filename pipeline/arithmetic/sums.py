"""Sums by halving; reference/sums.py defines them."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.arrays import aligned, require_real
from pipeline.arithmetic.compiled import address, checked, function, strides
from pipeline.arithmetic.reference import sums as reference

Real = TypeVar("Real", np.float64, np.float32)


def halving_sum(x: NDArray[Real], axis: int) -> NDArray[Real]:
    """Sum over an axis, which it leaves out; 0 where that has no entries."""
    require_real(x)
    compiled = function("halving_sums", x.dtype) if x.ndim in (1, 2) else None
    if compiled is None:
        return reference.halving_sum(x, axis)
    along = np.moveaxis(aligned(x), axis, 0)
    along = along[:, np.newaxis] if x.ndim == 1 else along
    result = np.empty(along.shape[1], dtype=x.dtype)
    checked(compiled(*along.shape, address(along), *strides(along), address(result)))
    return result.reshape(()) if x.ndim == 1 else result

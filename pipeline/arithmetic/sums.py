"""Sums by halving; reference/sums.py defines them."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pipeline.arithmetic.arrays import aligned, require_axis, require_real
from pipeline.arithmetic.compiled import address, checked, function, strides
from pipeline.arithmetic.reference import sums as reference

Real = TypeVar("Real", np.float64, np.float32)


def halving_sum(x: NDArray[Real], axis: int) -> NDArray[Real]:
    """Sum over an axis, which it leaves out; 0 where that has no entries."""
    return _summed("halving_sums", reference.halving_sum, x, axis, x.dtype)


def long_sum(x: NDArray[Real], axis: int) -> NDArray[np.float64]:
    """The same of many numbers, in float64: the sums of stretches by halving, added one by one."""
    return _summed("long_sums", reference.long_sum, x, axis, np.float64)


def _summed(
    name: str, defined: Callable[[NDArray[Any], int], NDArray[Any]], x: NDArray[Any], axis: int, dtype: DTypeLike
) -> NDArray[Any]:
    require_real(x)
    require_axis(axis, x)
    compiled = function(name, x.dtype) if x.ndim in (1, 2) else None
    if compiled is None:
        return defined(x, axis)
    along = aligned(x)
    if x.ndim == 1:
        along = along[:, np.newaxis]
    elif axis % 2:  # moveaxis would take longer than a short sum
        along = along.T
    result = np.empty(along.shape[1], dtype=dtype)
    checked(compiled(*along.shape, address(along), *strides(along), address(result)))
    return result.reshape(()) if x.ndim == 1 else result

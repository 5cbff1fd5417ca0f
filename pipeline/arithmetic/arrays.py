"""Checks of arrays before a compiled function gets their addresses, and reads or writes whatever lies there.

They raise TypeError for another type and ValueError for anything else, whether what follows is compiled or not. Each
takes a fraction of a microsecond: small products are as short.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Type = np.dtype[Any]

FLOAT64, FLOAT32, INT32, INT64 = (np.dtype(kind) for kind in (np.float64, np.float32, np.int32, np.int64))
_UNSIGNED: dict[Type, Type] = {INT32: np.dtype(np.uint32), INT64: np.dtype(np.uint64)}


def require_type(expected: Type, *arrays: Array) -> None:
    """Refuse arrays of another type, or of foreign byte order."""
    for array in arrays:
        if array.dtype != expected:
            raise TypeError(f"expected {expected}, got {array.dtype}")


def require_real(*arrays: Array) -> None:
    """Refuse arrays that are not all float64 or all float32."""
    dtype = arrays[0].dtype
    if dtype != FLOAT64 and dtype != FLOAT32:
        raise TypeError(f"expected float64 or float32, got {dtype}")
    require_type(dtype, *arrays[1:])


def require_shape(array: Array, *expected: int) -> None:
    """Refuse an array of another shape."""
    if array.shape != expected:
        raise ValueError(f"expected an array of shape {expected}, got {array.shape}")


def require_axis(axis: int, array: Array) -> None:
    """Refuse an axis that the array has not."""
    if not -array.ndim <= axis < array.ndim:
        raise ValueError(f"expected an axis of {array.ndim}, got {axis}")


def require_one_piece(*arrays: Array) -> None:
    """Refuse arrays whose numbers do not follow one another in the order of their axes, or not at whole addresses."""
    for array in arrays:
        flags = array.flags
        if not (flags.c_contiguous and flags.aligned):
            raise ValueError(f"expected an array in one piece, got {array.shape} with strides {array.strides}")


def require_rows(array: Array) -> None:
    """Refuse an array whose last axis does not lie in one piece."""
    if array.size and array.shape[-1] > 1 and array.strides[-1] != array.itemsize:
        raise ValueError(f"expected rows in one piece, got {array.shape} with strides {array.strides}")


def require_place(place: Array, *operands: Array) -> None:
    """Refuse to write to an array that is read-only, has one number in two places, or may lie in an operand's memory.

    Interleaved arrays are refused, too.
    """
    flags = place.flags
    if not (flags.writeable and flags.aligned):
        raise ValueError("expected an array to write to, got one that is read-only")
    for operand in operands:
        if np.may_share_memory(place, operand):
            raise ValueError("expected an array of its own to write to, got the memory of an operand")
    if flags.c_contiguous or not place.size:
        return
    reach = place.itemsize
    for stride, size in sorted(zip(map(abs, place.strides), place.shape, strict=True)):
        if size > 1 and stride < reach:
            raise ValueError(f"expected a place for each number, got {place.shape} with strides {place.strides}")
        reach += stride * (size - 1)


def require_below(limit: int, codes: Array) -> None:
    """Refuse int32 or int64 codes, in one piece, that are below 0 or not below ``limit``."""
    # As numbers without a sign those below 0 are the largest.
    if codes.size and np.maximum.reduce(codes.view(_UNSIGNED[codes.dtype]), None) >= limit:
        raise ValueError(f"expected codes from 0 to below {limit}, got {codes.min()} to {codes.max()}")


def aligned(array: Array) -> Array:
    """The array, or a copy where its numbers do not lie at whole addresses."""
    return array if array.flags.aligned else array.copy()

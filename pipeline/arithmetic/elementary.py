"""exp, log, log1p and the logistic function of float64 and float32 arrays; reference/elementary.py defines them."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.arrays import aligned
from pipeline.arithmetic.compiled import address, function
from pipeline.arithmetic.reference import elementary as reference

Real = TypeVar("Real", np.float64, np.float32)


def exp(x: NDArray[Real]) -> NDArray[Real]:
    """e^x: infinity above the largest number, 0 below half the least."""
    return _applied("exp_array", reference.exp, x)


def log(x: NDArray[Real]) -> NDArray[Real]:
    """The natural logarithm: -infinity of 0, NaN below."""
    return _applied("log_array", reference.log, x)


def log1p(x: NDArray[Real]) -> NDArray[Real]:
    """ln(1 + x), accurate where x is near 0: -infinity of -1, NaN below."""
    return _applied("log1p_array", reference.log1p, x)


def sigmoid(x: NDArray[Real]) -> NDArray[Real]:
    """The logistic function 1 / (1 + e^-x)."""
    return _applied("sigmoid_array", reference.sigmoid, x)


def _applied(name: str, defined: Callable[[NDArray[Any]], NDArray[Any]], x: NDArray[Real]) -> NDArray[Real]:
    compiled = function(name, x.dtype)
    if compiled is None:
        return defined(x)
    x = aligned(np.asarray(x, order="C"))  # ascontiguousarray would give an array without axes one
    result = np.empty_like(x)
    compiled(address(x), address(result), x.size)
    return result

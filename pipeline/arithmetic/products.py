"""Products of matrices A (m, d), B (d, n), of one type, in any layout; reference/products.py defines them."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.arrays import (
    FLOAT64,
    aligned,
    require_place,
    require_real,
    require_rows,
    require_shape,
    require_type,
)
from pipeline.arithmetic.compiled import address, function, strides
from pipeline.arithmetic.reference import products as reference

Real = TypeVar("Real", np.float64, np.float32)


def add_product(c: NDArray[Real], a: NDArray[Real], b: NDArray[Real], sign: float = 1.0) -> None:
    """Change C (m, n), whose rows lie in one piece each, to C + sign A B; ``sign`` is 1 or -1."""
    a, b = aligned(a), aligned(b)
    (m, depth), n = _matrices(a, b)
    require_real(c, a, b)
    require_shape(c, m, n)
    require_rows(c)
    require_place(c, a, b)
    _require_sign(sign)
    compiled = function("add_product", c.dtype)
    if compiled is None:
        reference.add_product(c, a, b, sign)
    else:
        matrices = address(a), *strides(a), address(b), *strides(b)
        compiled(sign, m, n, depth, *matrices, address(c), strides(c)[0])


def add_stretches(totals: NDArray[np.float64], a: NDArray[Real], b: NDArray[Real]) -> None:
    """Change ``totals`` (m, n), whose rows lie in one piece each, to totals + A B, stretch by stretch in float64."""
    a, b = aligned(a), aligned(b)
    (m, depth), n = _matrices(a, b)
    require_real(a, b)
    require_type(FLOAT64, totals)
    require_shape(totals, m, n)
    require_rows(totals)
    require_place(totals, a, b)
    compiled = function("add_stretches", a.dtype)
    if compiled is None:
        reference.add_stretches(totals, a, b)
    else:
        matrices = address(a), *strides(a), address(b), *strides(b)
        compiled(m, n, depth, *matrices, address(totals), strides(totals)[0])


def add_products(c: NDArray[Real], a: NDArray[Real], b: NDArray[Real], sign: float = 1.0) -> None:
    """The same of many: C (count, m, n), whose rows lie in one piece each, A (count, m, d), B (count, d, n)."""
    a, b = aligned(a), aligned(b)
    (count, m, depth), (_, _, n) = a.shape, b.shape
    require_real(c, a, b)
    require_shape(b, count, depth, n)
    require_shape(c, count, m, n)
    require_rows(c)
    require_place(c, a, b)
    _require_sign(sign)
    compiled = function("add_products", c.dtype)
    if compiled is None:
        for one, left, right in zip(c, a, b, strict=True):
            reference.add_product(one, left, right, sign)
    else:
        matrices = address(a), *strides(a), address(b), *strides(b)
        compiled(sign, count, m, n, depth, *matrices, address(c), *strides(c)[:2])


def _matrices(a: NDArray[Any], b: NDArray[Any]) -> tuple[tuple[int, int], int]:
    """The shape of A, and the columns of B, whose rows are as many as A has columns."""
    (m, depth), (_, n) = a.shape, b.shape
    require_shape(b, depth, n)
    return (m, depth), n


def _require_sign(sign: float) -> None:
    # Any other would make a product that is rounded by itself.
    if sign not in (1.0, -1.0):
        raise ValueError(f"expected a sign of 1 or -1, got {sign}")

"""Products of matrices A (m, d), B (d, n), of one type, in any layout; reference/products.py defines them."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.compiled import address, function, strides
from pipeline.arithmetic.reference import products as reference

Real = TypeVar("Real", np.float64, np.float32)


def add_product(c: NDArray[Real], a: NDArray[Real], b: NDArray[Real], sign: float = 1.0) -> None:
    """Change C (m, n), whose rows lie in one piece each, to C + sign A B; ``sign`` is 1 or -1."""
    compiled = function("add_product", c.dtype)
    if compiled is None:
        reference.add_product(c, a, b, sign)
    else:
        (m, depth), n = a.shape, b.shape[1]
        matrices = address(a), *strides(a), address(b), *strides(b)
        compiled(sign, m, n, depth, *matrices, address(c), strides(c)[0])


def add_stretches(totals: NDArray[np.float64], a: NDArray[Real], b: NDArray[Real]) -> None:
    """Change ``totals`` (m, n), whose rows lie in one piece each, to totals + A B, stretch by stretch in float64."""
    compiled = function("add_stretches", a.dtype)
    if compiled is None:
        reference.add_stretches(totals, a, b)
    else:
        (m, depth), n = a.shape, b.shape[1]
        matrices = address(a), *strides(a), address(b), *strides(b)
        compiled(m, n, depth, *matrices, address(totals), strides(totals)[0])


def add_products(c: NDArray[Real], a: NDArray[Real], b: NDArray[Real], sign: float = 1.0) -> None:
    """The same of many: C (count, m, n) in one piece, A (count, m, d), B (count, d, n)."""
    compiled = function("add_products", c.dtype)
    if compiled is None:
        for one, left, right in zip(c, a, b, strict=True):
            reference.add_product(one, left, right, sign)
    else:
        matrices = address(a), *strides(a), address(b), *strides(b)
        compiled(sign, *c.shape, a.shape[2], *matrices, address(c), *strides(c)[:2])

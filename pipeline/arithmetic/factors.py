"""Cholesky factors and triangular solves of many matrices at once, in one piece; reference/factors.py defines them."""

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.arrays import FLOAT64, require_one_piece, require_place, require_shape, require_type
from pipeline.arithmetic.compiled import address, checked, function
from pipeline.arithmetic.reference import factors as reference


def cholesky(matrices: NDArray[np.float64]) -> NDArray[np.int64]:
    """Change each of (count, n, n), whose lower half is read, to its lower factor, with zeros above.

    Returns (count,): 0, or i + 1 where pivot i is not above 0; what the matrix holds is of no use then.
    """
    count, n, _ = matrices.shape
    require_type(FLOAT64, matrices)
    require_shape(matrices, count, n, n)
    require_one_piece(matrices)
    require_place(matrices)
    compiled = function("choleskys", matrices.dtype)
    if compiled is None:
        return np.array([reference.cholesky(matrix) for matrix in matrices], dtype=np.int64)
    failed = np.empty(len(matrices), dtype=np.int64)
    compiled(count, n, address(matrices), address(failed))
    checked(int(failed.min(initial=0)) >= 0)
    return failed


def solve(lower: NDArray[np.float64], x: NDArray[np.float64], transposed: bool = False) -> None:
    """Change each X of (count, n, m) to L^-1 X, or L'^-1 X, with the L of (count, n, n)."""
    count, n, m = x.shape
    require_type(FLOAT64, lower, x)
    require_shape(lower, count, n, n)
    require_one_piece(lower, x)
    require_place(x, lower)
    compiled = function("solve_lowers", x.dtype)
    if compiled is not None:
        compiled(count, n, m, address(lower), address(x), transposed)
        return
    solve_one = reference.solve_lower_transposed if transposed else reference.solve_lower
    for matrix, right in zip(lower, x, strict=True):
        solve_one(matrix, right)

"""Cholesky factors and triangular solves: each entry a chain of products that are subtracted one by one.

The order is that of the textbook, column by column (Golub and Van Loan 2013, section 4.2).
"""

import numpy as np
from numpy.typing import NDArray


@np.errstate(all="ignore")
def cholesky(a: NDArray[np.float64]) -> int:
    """Change A (n, n), of which the lower half is read, to its lower factor, with zeros above.

    Returns 0, or i + 1 where pivot i is not above 0; what A holds is of no use then.
    """
    for i in range(len(a)):
        if not a[i, i] > 0:
            return i + 1
        a[i, i] = np.sqrt(a[i, i])
        a[i + 1 :, i] /= a[i, i]
        a[i + 1 :, i + 1 :] -= a[i + 1 :, i, np.newaxis] * a[i + 1 :, i]
    a[np.triu_indices(len(a), 1)] = 0.0
    return 0


@np.errstate(all="ignore")
def solve_lower(lower: NDArray[np.float64], x: NDArray[np.float64]) -> None:
    """Change X (n, m) to L^-1 X, from the first row down."""
    for i in range(len(lower)):
        x[i] /= lower[i, i]
        x[i + 1 :] -= lower[i + 1 :, i, np.newaxis] * x[i]


@np.errstate(all="ignore")
def solve_lower_transposed(lower: NDArray[np.float64], x: NDArray[np.float64]) -> None:
    """Change X (n, m) to L'^-1 X, from the last row up."""
    for i in range(len(lower) - 1, -1, -1):
        x[i] /= lower[i, i]
        x[:i] -= lower[i, :i, np.newaxis] * x[i]

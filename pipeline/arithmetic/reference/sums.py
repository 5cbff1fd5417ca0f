"""Sums in an order of their own: the definition of their bits."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Real = TypeVar("Real", np.float64, np.float32)

STRETCH = 256


@np.errstate(all="ignore")
def halving_sum(x: NDArray[Real], axis: int) -> NDArray[Real]:
    """Sum over an axis, which it leaves out; 0 where that has no entries.

    The second half is added to the first, entry by entry, until one is left; of an odd number the last waits for the
    next turn. An error of at most log2(m) roundings of the sum of the m absolute values.
    Source: Higham 2002, "Accuracy and Stability of Numerical Algorithms", 4.2 (pairwise summation).
    """
    rest = np.moveaxis(x, axis, 0)
    if not len(rest):
        return np.zeros(rest.shape[1:], dtype=x.dtype)
    while len(rest) > 1:
        half = len(rest) // 2
        rest = np.concatenate([rest[:half] + rest[half : 2 * half], rest[2 * half :]])
    return np.array(rest[0])


@np.errstate(all="ignore")
def long_sum(x: NDArray[Real], axis: int) -> NDArray[np.float64]:
    """Sum over an axis of many entries, in float64, which it leaves out: of each ``STRETCH`` by halving, one by one."""
    rest = np.moveaxis(x, axis, 0)
    total = np.zeros(rest.shape[1:])
    for first in range(0, len(rest), STRETCH):
        total += halving_sum(rest[first : first + STRETCH], 0)
    return total

"""Products of matrices A (m, d), B (d, n): every entry a chain of products and sums along the inner index."""

import itertools
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.reference.sums import STRETCH

Real = TypeVar("Real", np.float64, np.float32)

_MOST_PARTS = 1 << 22  # numbers in the sums of stretches that are computed at once


@np.errstate(all="ignore")
def add_product(c: NDArray[Real], a: NDArray[Real], b: NDArray[Real], sign: float = 1.0) -> None:
    """Change C (m, n) to C + sign A B: chains that begin with what C holds. ``sign`` is 1 or -1."""
    for column, row in zip(a.T, b, strict=True):
        c += column[:, np.newaxis] * (a.dtype.type(sign) * row)


@np.errstate(all="ignore")
def add_stretches(totals: NDArray[np.float64], a: NDArray[Real], b: NDArray[Real]) -> None:
    """Change ``totals`` (m, n) to totals + A B.

    The inner index is cut into stretches of ``STRETCH``: the chain of each begins with 0 in the type of A and B, and
    the stretches are added one by one in float64.
    """
    (m, depth), n = a.shape, b.shape[1]
    last_full: int = depth - depth % STRETCH
    at_once: int = max(1, _MOST_PARTS // max(1, totals.size)) * STRETCH
    edges: list[int] = [*range(0, last_full, at_once), last_full, depth]
    for first, last in itertools.pairwise(edges):
        if first == last:
            continue
        count = max(1, (last - first) // STRETCH)
        shape = (count, (last - first) // count)
        for stretch in _sums(a[:, first:last].reshape(m, *shape).transpose(1, 2, 0), b[first:last].reshape(*shape, n)):
            totals += stretch


def _sums(a: NDArray[Real], b: NDArray[Real]) -> NDArray[Any]:
    """The products of stretches, a (s, t, m) and b (s, t, n), (s, m, n)."""
    sums = np.zeros((len(a), a.shape[2], b.shape[2]), dtype=a.dtype)
    for place in range(a.shape[1]):
        sums += a[:, place, :, np.newaxis] * b[:, place, np.newaxis, :]
    return sums

"""Rows that codes choose, looked up or added up, code by code in the order of the rows; codes (n, c)."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Real = TypeVar("Real", np.float64, np.float32)


@np.errstate(all="ignore")
def add_levels(out: NDArray[Real], codes: NDArray[np.int32], levels: NDArray[Real]) -> None:
    """Add to each row of ``out`` (n, k) the rows of ``levels`` (l, k) that its codes name."""
    for column in codes.T:
        out += levels[column]


@np.errstate(all="ignore")
def add_to_levels(totals: NDArray[np.float64], codes: NDArray[np.int32], values: NDArray[Real]) -> None:
    """Add each row of ``values`` (n, k) to the rows of ``totals`` (l, k) that its codes name."""
    np.add.at(totals, codes.reshape(-1), np.repeat(values.astype(np.float64), codes.shape[1], axis=0))


@np.errstate(all="ignore")
def add_sparse_product(
    out: NDArray[Real],
    starts: NDArray[np.int32],
    members: NDArray[np.int32],
    numbers: NDArray[Real],
    b: NDArray[Real],
) -> None:
    """Add S B to ``out`` (n, k), with S (n, l) in compressed rows and B (l, k): along each row of S in order."""
    lengths = np.diff(starts)
    for place in range(int(lengths.max(initial=0))):
        rows: NDArray[Any] = np.flatnonzero(lengths > place)
        entries = starts[rows] + place
        out[rows] += numbers[entries, np.newaxis] * b[members[entries]]

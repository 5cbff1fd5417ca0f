"""The table of integers whose columns a bootstrap sums, from the few entries that each row has."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

# The column of each row's entry and its value, (n,) each, or one number for all rows.
Part = tuple[NDArray[np.integer[Any]] | int, NDArray[np.integer[Any]] | int]


def entries_of(parts: Sequence[Part], rows: int, columns: int) -> sparse.csr_array:
    """(rows, columns) int64: each row has one entry a part, and 0 elsewhere."""
    places, values = (np.empty((rows, len(parts)), dtype=np.int64) for _ in range(2))
    for position, (place, value) in enumerate(parts):
        places[:, position], values[:, position] = place, value
    starts = np.arange(0, rows * len(parts) + 1, len(parts))
    content = (values.ravel(), places.ravel(), starts)
    return sparse.csr_array(content, shape=(rows, columns))  # type: ignore[no-untyped-call]

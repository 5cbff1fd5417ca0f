"""Columns of a sparse matrix that are the one-hot encoding of a category, found without densifying them.

Columns side by side are a category if every row has a single 1 among them, and nothing else. Of all ways to cut the
columns so that no row has two entries within a group, the one of fewest groups is found from left to right: a group
ends before the first column that shares a row with one of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Group:
    """Columns ``start`` to before ``stop``."""

    start: int
    stop: int

    @property
    def columns(self) -> range:
        """The columns of the group."""
        return range(self.start, self.stop)

    def members(self, X: Any) -> NDArray[np.int64]:
        """(n,): which of its columns each row of X has, in compressed rows."""
        inside = (X.indices >= self.start) & (X.indices < self.stop)
        result: NDArray[np.int64] = X.indices[inside].astype(np.int64)
        return result


def groups_of(X: Any) -> Iterator[Group]:
    """The categories of X (n, d) in compressed rows, whose column indices rise within each row; none of one column."""
    rows, columns = X.shape
    if not rows:
        return
    row_of = np.repeat(np.arange(rows), np.diff(X.indptr))
    # Columns that hold anything but 1 are numbers, and end a group.
    is_number = np.zeros(columns, dtype=bool)
    is_number[X.indices[X.data != 1]] = True
    # The last column to the left of each that some row has as well.
    left = np.full(columns, -1, dtype=np.int64)
    within = np.flatnonzero(row_of[1:] == row_of[:-1]) + 1
    np.maximum.at(left, X.indices[within], X.indices[within - 1])
    counts = np.bincount(X.indices, minlength=columns)
    start = 0
    for column in range(columns + 1):
        ends = column == columns or is_number[column] or left[column] >= start
        if not ends:
            continue
        if column - start > 1 and int(counts[start:column].sum()) == rows:
            yield Group(start, column)
        start = column + 1 if column < columns and is_number[column] else column

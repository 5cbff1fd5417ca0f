"""Columns of a sparse matrix that are the one-hot encoding of a category, found without densifying them.

Columns side by side are a category if every row has a single 1 among them, and nothing else. Of such runs that overlap
the one that ends first is taken. Columns that no row has belong to the run before or around them.
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
    entries = np.concatenate([[0], np.cumsum(np.bincount(X.indices, minlength=columns))])
    # From start to the column, no row has two entries, so each has one if there are as many as rows.
    start = column = 0
    while column < columns:
        start = column + 1 if is_number[column] else max(start, int(left[column]) + 1)
        column += 1
        if column - start > 1 and entries[column] - entries[start] == rows:
            while column < columns and entries[column + 1] == entries[column]:
                column += 1
            yield Group(start, column)
            start = column

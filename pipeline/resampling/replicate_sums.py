"""Weighted sums over rows in every replicate of a bootstrap, exact.

n rows, m columns, R replicates.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pipeline.parallel import threads
from pipeline.resampling.poisson_weights import MOST, REPLICATES, poisson_weights

# Their float64 weights, 8 MB, are the largest array of a thread; at a quarter and at four times as many a pass took
# half as long again.
ROWS_AT_ONCE = 1024


def replicate_sums(
    units: NDArray[np.integer[Any]],
    columns: sparse.csr_array,
    replicates: int = REPLICATES,
    *,
    rows_at_once: int = ROWS_AT_ONCE,
    thread_count: int | None = None,
) -> NDArray[np.int64]:
    """Sums (R, m) of integer ``columns`` (n, m), each row counted as often as its unit (n,) was drawn.

    Products are of float64, but every sum within a block is an integer below 2^53, so that none is rounded; blocks are
    added as int64. Hence the order of the rows, ``rows_at_once`` and ``thread_count`` (None: all) leave no trace.
    Raises: ValueError if an entry is so large that a sum might be rounded or wrapped.
    """
    _require_exact(columns, min(rows_at_once, len(units)))

    def block_sums(start: int) -> NDArray[np.int64]:
        rows = slice(start, start + rows_at_once)
        weights = poisson_weights(units[rows], replicates).astype(np.float64)
        sums: NDArray[np.float64] = columns[rows].astype(np.float64).T @ weights
        return sums.astype(np.int64)

    totals = np.zeros((columns.shape[1], replicates), dtype=np.int64)
    starts = range(0, len(units), rows_at_once)
    for sums in threads.in_order(block_sums, starts, thread_count or threads.thread_count()):
        totals += sums
    return np.ascontiguousarray(totals.T)


def _require_exact(columns: sparse.csr_array, rows_at_once: int) -> None:
    # As Python's integers: the sizes of many large entries would wrap, as sums would.
    size = max(int(columns.data.max(initial=0)), -int(columns.data.min(initial=0)))
    if size * MOST * rows_at_once >= 2**53 or size * MOST * columns.shape[0] >= 2**63:
        raise ValueError(f"expected entries whose sums over {columns.shape[0]} rows are exact, got one of size {size}")

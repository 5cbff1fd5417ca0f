"""Logits of a model without torch, added column by column: the same bits everywhere."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.products import add_product
from pipeline.dataset.encoder import Numbers
from pipeline.model import Model

# Rows whose logits are computed together. Every row has the same arithmetic whatever this is; 4,096 rows of ten
# classes stay within a second-level cache.
_ROWS_AT_ONCE = 4096


def compute_logits(model: Model, numbers: Numbers, codes: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """x W' + b of encoded rows, in float64.

    Shapes: numbers (n, p), codes (n, c) local level indices, one column a category; returns (n, k).
    Each logit is bias, then number columns, then categories, added in that order, each product and each sum rounded by
    itself. A BLAS product would be faster, but its order of addition depends on build, processor and threads.
    """
    result = np.empty((len(numbers), len(model.bias)))
    for start in range(0, len(numbers), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        result[rows] = _block_logits(model, numbers[rows], codes[rows]).T
    return result


def logits_at(model: Model, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """x W' + b, (1, k), of one row x (d,) that may have any number in a column of W, of a category's levels too."""
    result = model.bias[np.newaxis].copy()
    add_product(result, x[np.newaxis], model.weights.T)
    return result


def _block_logits(model: Model, numbers: Numbers, codes: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Logits of one block, (k, n): classes lie first so that every inner loop runs along the rows."""
    total = np.repeat(model.bias[:, np.newaxis], len(numbers), axis=1)
    for column, values in enumerate(numbers.T.astype(np.float64)):
        total += np.multiply.outer(model.weights[:, column], values)
    offset = model.encoder.number_count
    for levels, code in zip(model.encoder.level_counts, codes.T, strict=True):
        total += model.weights[:, offset : offset + levels].take(code, axis=1)
        offset += levels
    return total

"""Prepared rows as torch blocks: the one place where the stored format meets the numerics."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.numerics.softmax import Block
from pipeline.shards import BLOCK_ROWS, Prepared, Shard, Split


def blocks_of(prepared: Prepared, split: Split, class_weights: NDArray[np.float64] | None) -> list[Block]:
    """All blocks of a split, copied into memory; ``class_weights`` is (k,) or None for 1 each."""
    offsets = _first_columns(prepared)
    return [block for shard in split.shards for block in _blocks_of_shard(shard, offsets, class_weights)]


def _first_columns(prepared: Prepared) -> NDArray[np.int64]:
    """Where each category's levels begin among the columns of W."""
    counts = prepared.encoder.level_counts
    starts = np.cumsum([prepared.encoder.number_count, *counts], dtype=np.int64)
    return starts[: len(counts)]


def _blocks_of_shard(
    shard: Shard, offsets: NDArray[np.int64], class_weights: NDArray[np.float64] | None
) -> Iterator[Block]:
    for start in range(0, len(shard.labels), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        labels = np.asarray(shard.labels[rows], dtype=np.int64)
        weights = _row_weights(shard, rows, labels, class_weights)
        yield Block(
            numbers=torch.from_numpy(np.array(shard.numbers[rows])),
            codes=torch.from_numpy(shard.codes[rows] + offsets),
            labels=torch.from_numpy(labels),
            weights=None if weights is None else torch.from_numpy(weights),
        )


def _row_weights(
    shard: Shard, rows: slice, labels: NDArray[np.int64], class_weights: NDArray[np.float64] | None
) -> NDArray[np.float64] | None:
    sample = None if shard.weights is None else np.array(shard.weights[rows], dtype=np.float64)
    if class_weights is None:
        return sample
    per_class = class_weights[labels]
    return per_class if sample is None else per_class * sample


def class_totals(prepared: Prepared) -> NDArray[np.float64]:
    """Training rows (or their sample weights, summed) in each class, shape (k,)."""
    totals = np.zeros(len(prepared.encoder.classes))
    for shard in prepared.splits["train"].shards:
        totals += np.bincount(shard.labels, shard.weights, minlength=len(totals))
    return totals

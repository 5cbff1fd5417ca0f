"""Prepared rows as torch blocks: the one place where the stored format meets the numerics."""

import functools
import math
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.dataset.reader import Dataset, SplitRows
from pipeline.dataset.shard import BLOCK_ROWS, Shard
from pipeline.errors import UserError, shortened
from pipeline.numerics.data.block import Block, Blocks
from pipeline.parallel import workers


class BlockLoader(Blocks):
    """The blocks of a split, made anew whenever one is asked for.

    Their numbers lie in the mapped files, so that a table takes no memory of its own; whoever passes over the blocks
    often keeps them (lazy.py), or packs them.
    """

    def __init__(self, prepared: Dataset, split: SplitRows, class_weights: NDArray[np.float64] | None) -> None:
        """``class_weights`` is (k,) or None for 1 each."""
        _accept_read_only_arrays()
        self._offsets = prepared.encoder.first_columns
        self._class_weights = class_weights
        self._shards = split.shards
        self._places = [
            (shard, start) for shard, rows in enumerate(split.shard_rows) for start in range(0, rows, BLOCK_ROWS)
        ]
        super().__init__(
            self._block, [min(BLOCK_ROWS, split.shard_rows[shard] - start) for shard, start in self._places]
        )

    def _block(self, place: int) -> Block:
        number, start = self._places[place]
        shard = self._shards[number]
        rows = slice(start, start + BLOCK_ROWS)
        labels = np.asarray(shard.labels[rows], dtype=np.int64)
        weights = _row_weights(shard, rows, labels, self._class_weights)
        return Block(
            numbers=torch.from_numpy(shard.numbers[rows]),
            codes=torch.from_numpy(shard.codes[rows] + self._offsets),
            labels=torch.from_numpy(labels),
            weights=None if weights is None else torch.from_numpy(weights),
        )


def blocks_of(prepared: Dataset, split: SplitRows, class_weights: NDArray[np.float64] | None) -> BlockLoader:
    """All blocks of a split; ``class_weights`` is (k,) or None for 1 each. A worker looks at its own only.

    Raises: UserError that names block and column if a number is NaN or infinite, or a weight is that or below 0, which
    `prepare` never writes.
    """
    blocks = BlockLoader(prepared, split, class_weights)
    names = prepared.encoder.features
    for position in workers.local_range(len(blocks)):
        _check(blocks[position], position, names)
    return blocks


def _check(block: Block, position: int, names: Sequence[str]) -> None:
    # Of a NaN both extremes are NaN.
    if block.numbers.numel() and not all(map(math.isfinite, torch.aminmax(block.numbers))):
        row, column = torch.nonzero(~torch.isfinite(block.numbers))[0].tolist()
        value = float(block.numbers[row, column])
        raise _wrong(block, position, row, f"column {shortened(names[column])}: expected a number, got {value}")
    if block.weights is not None and not (block.weights.min() >= 0 and block.weights.max() < math.inf):
        row = int(torch.nonzero(~((block.weights >= 0) & (block.weights < math.inf)))[0])
        value = float(block.weights[row])
        raise _wrong(block, position, row, f"the row's weight: expected a finite weight >= 0, got {value}")


def _wrong(block: Block, position: int, row: int, what: str) -> UserError:
    first = position * BLOCK_ROWS
    place = f"block {position} (rows {first} to {first + len(block.labels) - 1})"
    return UserError(
        f"prepared data: {place}, {what} in row {first + row}; run `dvc repro -f prepare` to write it anew"
    )


def require_weight(blocks: Sequence[Block]) -> None:
    """Check that some row weighs more than 0, class weights counted in; all workers ask together.

    Raises: UserError.
    """
    largest = workers.map_and_gather(
        lambda block: [torch.ones(1) if block.weights is None else block.weights.max().reshape(1)], blocks
    )
    if not any(float(weight) > 0 for (weight,) in largest):
        raise UserError(
            "train: expected training rows of weight above 0 in the prepared data, got none; see prepare.weights and "
            "train.class_weight in params.yaml, then run `dvc repro`"
        )


@functools.cache
def _accept_read_only_arrays() -> None:
    """Make torch's warning that an array cannot be written, which it gives once, unseen: no block is ever written."""
    array = np.zeros(1)
    array.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.from_numpy(array)


def _row_weights(
    shard: Shard, rows: slice, labels: NDArray[np.int64], class_weights: NDArray[np.float64] | None
) -> NDArray[np.float64] | None:
    sample = None if shard.weights is None else np.array(shard.weights[rows], dtype=np.float64)
    if class_weights is None:
        return sample
    per_class = class_weights[labels]
    return per_class if sample is None else per_class * sample


def groups_of(split: SplitRows) -> NDArray[np.uint64] | None:
    """(n,) digests of the key whose equal values stay together; None if rows have none."""
    groups = [shard.groups for shard in split.shards if shard.groups is not None]
    return np.concatenate(groups) if groups else None

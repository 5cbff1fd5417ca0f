"""Rows of a split as `decide` takes them: the model's log-probabilities, block by block.

n rows, k classes. Blocks come in the order of the source, so that whatever is added up over them has one value.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.reader import Dataset
from pipeline.dataset.shard import BLOCK_ROWS, Shard
from pipeline.model import Model
from pipeline.scoring.logits import compute_logits

# Of what stays in memory between passes; what is beyond is computed anew in each, with the same bits.
_MOST_KEPT = 1 << 30


@dataclass(frozen=True)
class Block:
    """Rows of positive weight. Shapes: logits (n, k), the model's; the others (n,); ``units`` are drawn together."""

    logits: NDArray[np.float64]
    labels: NDArray[np.int64]
    weights: NDArray[np.float64]
    units: NDArray[np.integer[Any]]


class SplitBlocks:
    """The blocks of a split, as often as asked for; ``rows`` of positive weight and ``totals`` (k,) by class."""

    def __init__(self, model: Model, dataset: Dataset, split: str) -> None:
        """A split that the dataset lacks has no blocks."""
        self._model = model
        shards = dataset.splits[split].shards if split in dataset.splits else ()
        self._parts = [
            (place, start) for place, shard in enumerate(shards) for start in range(0, len(shard.rows), BLOCK_ROWS)
        ]
        self._shards = shards
        self._kept: dict[int, Block] = {}
        self._size = 0
        self.rows, self.weight = 0, 0.0
        classes = len(model.classes)
        self.totals = np.zeros(classes)
        for shard in shards:
            counted = shard.counted
            labels, weights = shard.labels[counted], None if shard.weights is None else shard.weights[counted]
            self.rows += len(labels)
            self.totals += np.bincount(labels, weights, minlength=classes)
        self.weight = float(np.add.accumulate(self.totals)[-1])

    def __iter__(self) -> Iterator[Block]:
        for place in range(len(self._parts)):
            block = self._kept.get(place)
            if block is None:
                block = self._block(place)
                if self._size + block.logits.nbytes <= _MOST_KEPT:
                    self._kept[place] = block
                    self._size += block.logits.nbytes
            if len(block.labels):
                yield block

    def _block(self, place: int) -> Block:
        position, start = self._parts[place]
        shard = self._shards[position].part(start, start + BLOCK_ROWS)
        rows: Shard = Shard(**{name: array[shard.counted] for name, array in shard.tensors().items()})
        return Block(
            logits=compute_logits(self._model, rows.numbers, rows.codes),
            labels=rows.labels.astype(np.int64),
            weights=np.ones(len(rows.labels)) if rows.weights is None else np.array(rows.weights),
            units=rows.rows if rows.groups is None else rows.groups,
        )

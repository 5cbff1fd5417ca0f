"""Training rows cut into folds for cross-validation, by what the rows hold and never by where they stand.

Each class's distinct rows, in the order of a digest of their content and the seed, are dealt to the folds in turn, the
next class where the last one ended. So equal rows share a fold, every fold has its part of every class, folds are
equally large but for repeated rows, and the order of the table leaves no trace: rows lie in the folds by their digests.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline import data_loader
from pipeline.dataset.reader import Dataset
from pipeline.dataset.shard import BLOCK_ROWS
from pipeline.errors import UserError
from pipeline.numerics.data.block import Block, joined
from pipeline.table.row_hash import Digests, mixed

_64_BITS = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd: tells columns apart. Steele, Lea, Flood 2014


@dataclass(frozen=True)
class Folds:
    """Blocks in the order of their folds, the fold of each block, and how many folds there are."""

    blocks: list[Block]
    fold_of_block: list[int]
    count: int

    def outside(self, fold: int) -> list[int]:
        """Positions of the blocks to train on when ``fold`` is held out."""
        return [position for position, own in enumerate(self.fold_of_block) if own != fold]

    def inside(self, fold: int) -> list[int]:
        """Positions of the fold's own blocks."""
        return [position for position, own in enumerate(self.fold_of_block) if own == fold]


def cut(prepared: Dataset, class_weights: NDArray[np.float64] | None, folds: int, seed: int) -> Folds:
    """The training rows that count, in ``folds`` folds. Memory: twice the prepared training rows.

    Raises: UserError if there are no such rows, or fewer distinct ones than folds.
    """
    table = _counted_rows(prepared, class_weights)
    labels = table.labels.numpy()
    digests = digests_of(table.numbers.numpy(), table.codes.numpy(), seed)
    assigned, distinct = deal(digests, labels, folds)
    if distinct < folds:
        raise UserError(
            f"params.yaml: sweep.folds: expected at most {distinct}, the number of distinct training rows (equal rows "
            f"share a fold), got {folds}; lower sweep.folds"
        )
    weights = np.ones(len(labels)) if table.weights is None else table.weights.numpy()
    order = np.lexsort((weights, labels, digests, assigned))
    edges = np.searchsorted(assigned[order], np.arange(folds + 1))
    blocks = [list(_blocks(table, order[edges[fold] : edges[fold + 1]])) for fold in range(folds)]
    owners = [fold for fold, own in enumerate(blocks) for _ in own]
    return Folds([block for own in blocks for block in own], owners, folds)


def deal(digests: Digests, labels: NDArray[np.int64], folds: int) -> tuple[NDArray[np.int64], int]:
    """The fold of every row, (n,), and how many distinct rows there are; digests and labels are (n,)."""
    order = np.lexsort((digests, labels))
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = (np.diff(labels[order]) != 0) | (digests[order][1:] != digests[order][:-1])
    ordinal = np.cumsum(is_new) - 1
    assigned = np.empty(len(order), dtype=np.int64)
    assigned[order] = ordinal % folds
    return assigned, int(ordinal[-1]) + 1


def digests_of(numbers: NDArray[np.float32], codes: NDArray[np.int64], seed: int) -> Digests:
    """(n,) uint64, equal where numbers (n, p) and codes (n, c) are; another seed gives other, independent digests."""
    digests = mixed(np.full(len(numbers), seed & _64_BITS, dtype=np.uint64))
    # Adding zero makes one zero of 0.0 and -0.0.
    values = [(column + np.float32(0)).view(np.uint32) for column in numbers.T.copy()]
    for position, column in enumerate([*values, *codes.T]):
        salt = np.uint64((position + 1) * _GOLDEN & _64_BITS)
        digests = mixed(digests ^ mixed(column.astype(np.uint64) ^ salt))
    return digests


def _counted_rows(prepared: Dataset, class_weights: NDArray[np.float64] | None) -> Block:
    """The training rows of weight above 0."""
    split = prepared.splits.get("train")
    blocks = [] if split is None else data_loader.blocks_of(prepared, split, class_weights)
    blocks = [_counted(block) for block in blocks]
    if not any(len(block.labels) for block in blocks):
        raise UserError(
            "sweep: expected training rows of weight above 0 in the prepared data, got none; see prepare.split, "
            "prepare.weights and train.class_weight in params.yaml, then run `dvc repro prepare`"
        )
    return joined(blocks)


def _counted(block: Block) -> Block:
    if block.weights is None or bool((block.weights > 0).all()):
        return block
    return block.part(block.weights > 0)


def _blocks(table: Block, rows: NDArray[np.int64]) -> Iterator[Block]:
    """Blocks of these rows, in this order."""
    for start in range(0, len(rows), BLOCK_ROWS):
        yield table.part(torch.from_numpy(rows[start : start + BLOCK_ROWS]))

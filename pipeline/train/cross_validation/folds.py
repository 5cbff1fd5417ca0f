"""Training rows cut into folds for cross-validation, by what the rows hold and never by where they stand.

Each class's rows, in the order of a digest of their content and the seed, are dealt to the folds in turn, the next
class where the last one ended. So every fold has its part of every class, folds are equally large, and the order of the
table leaves no trace: rows lie in the folds by their digests, and which of several equal rows is where is all the same.
Equal rows are dealt like others: kept together, and so apart from equal rows of another class, they would teach the
opposite of what the held-out fold shows, and tables of few categories would get far too strong a penalty.
Where rows have groups (prepare.split.key), a group shares a fold: each in turn, from the largest to the smallest, goes
to the fold that has the fewest rows, as in longest-processing-time-first scheduling (Graham 1969).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline import data_loader, screen
from pipeline.dataset.reader import Dataset
from pipeline.dataset.row_digests import Digests, digests_of, mixed
from pipeline.dataset.shard import BLOCK_ROWS
from pipeline.errors import UserError
from pipeline.numerics.data.block import Block, joined

_SAMPLE_SEED = 1


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


class TooFewRowsError(UserError):
    """The training rows cannot be cut into so many folds."""


def cut(
    prepared: Dataset, class_weights: NDArray[np.float64] | None, folds: int, seed: int, share: float = 1.0
) -> Folds:
    """The training rows that count, in ``folds`` folds. Memory: twice these rows.

    ``share`` below 1 takes so much of the rows, by a digest of their content; of groups, so much of the groups.
    Raises: UserError if there are no such rows; TooFewRowsError if there are fewer of them, or of groups, than folds.
    """
    with screen.bar("cutting rows into folds"):
        table, groups = _counted_rows(prepared, class_weights, share)
        labels = table.labels.numpy()
        digests = digests_of(table.numbers.numpy(), table.codes.numpy(), seed)
    weights = np.ones(len(labels)) if table.weights is None else table.weights.numpy()
    if groups is None:
        assigned, parts, what = deal(digests, labels, weights, folds), len(labels), "training rows"
    else:
        assigned, parts = deal_groups(groups, folds, seed)
        what = "values of prepare.split.key in training rows"
    if parts < folds:
        raise TooFewRowsError(
            f"params.yaml: sweep.folds: expected at most {parts}, the number of {what}, got {folds}; lower sweep.folds"
        )
    order = np.lexsort((weights, labels, digests, assigned))
    edges = np.searchsorted(assigned[order], np.arange(folds + 1))
    blocks = [list(_blocks(table, order[edges[fold] : edges[fold + 1]])) for fold in range(folds)]
    owners = [fold for fold, own in enumerate(blocks) for _ in own]
    return Folds([block for own in blocks for block in own], owners, folds)


def deal(digests: Digests, labels: NDArray[np.int64], weights: NDArray[np.float64], folds: int) -> NDArray[np.int64]:
    """The fold of every row, (n,); digests, labels and weights are (n,)."""
    assigned = np.empty(len(labels), dtype=np.int64)
    assigned[np.lexsort((weights, digests, labels))] = np.arange(len(labels)) % folds
    return assigned


def deal_groups(groups: Digests, folds: int, seed: int) -> tuple[NDArray[np.int64], int]:
    """The fold of every row, (n,), and how many groups there are; ``groups`` (n,) are digests."""
    distinct, group_of, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    fold_of = np.empty(len(distinct), dtype=np.int64)
    rows = [0] * folds
    for group in np.lexsort((mixed(distinct ^ np.uint64(seed)), -sizes)):
        fold_of[group] = rows.index(min(rows))
        rows[fold_of[group]] += int(sizes[group])
    return fold_of[group_of], len(distinct)


def _counted_rows(
    prepared: Dataset, class_weights: NDArray[np.float64] | None, share: float
) -> tuple[Block, Digests | None]:
    """The training rows of weight above 0, or ``share`` of them, and their groups if they have any."""
    split = prepared.splits.get("train")
    blocks = [] if split is None else data_loader.blocks_of(prepared, split, class_weights)
    groups = data_loader.groups_of(split) if split else None
    counted, groups_counted, first = [], [], 0
    for block in blocks:
        own = None if groups is None else groups[first : first + len(block.labels)]
        first += len(block.labels)
        mask = torch.ones(len(block.labels), dtype=torch.bool) if block.weights is None else block.weights > 0
        if share < 1:
            digests = digests_of(block.numbers.numpy(), block.codes.numpy(), _SAMPLE_SEED) if own is None else own
            mask = mask & torch.from_numpy(mixed(digests) < np.uint64(int(share * 2**64)))
        counted.append(block if bool(mask.all()) else block.part(mask))
        if own is not None:
            groups_counted.append(own[mask.numpy()])
    if not any(len(block.labels) for block in counted):
        raise UserError(
            "sweep: expected training rows of weight above 0 in the prepared data, got none; see prepare.split, "
            "prepare.weights and train.class_weight in params.yaml, then run `dvc repro prepare`"
        )
    return joined(counted), np.concatenate(groups_counted) if groups_counted else None


def _blocks(table: Block, rows: NDArray[np.int64]) -> Iterator[Block]:
    """Blocks of these rows, in this order."""
    for start in range(0, len(rows), BLOCK_ROWS):
        yield table.part(torch.from_numpy(rows[start : start + BLOCK_ROWS]))

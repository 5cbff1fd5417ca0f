"""What is odd about the training rows, cheaply found: columns that tell nothing, columns told by others, classes apart.

n rows, p number columns, d columns of W, k classes. Rows of weight 0 count as rows here, but for classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.numerics.softmax import Block
from pipeline.numerics.sums import Grid, exact_sums

_MOST_COLUMNS = 128  # n * p^2 products are looked at below this many number columns
_MOST_CLASSES = 100
_UNEXPLAINED = 1e-9  # share of a column's variance that float32's rounding of the others can leave
_TAKES_PART = 1e-4  # standardised coefficient from which a column is named


@dataclass(frozen=True)
class Collinear:
    """Number column ``column`` is a linear combination of the columns ``of`` and a constant."""

    column: int
    of: tuple[int, ...]


@dataclass(frozen=True)
class Apart:
    """Class ``label`` can be told from all others by ``column`` of W, in some rows without ever being wrong.

    Then, without a penalty, W grows for ever: a level that the class never has (its weight falls without end), or a
    number that is never lower (or never higher) in the class than in any other.
    """

    label: int
    column: int


def rows_of_classes(blocks: Sequence[Block], classes: int) -> Tensor:
    """Rows of positive weight, (k,) int64."""
    return torch.stack([torch.bincount(_counted(block), minlength=classes) for block in blocks]).sum(0)


def constant_columns(blocks: Sequence[Block]) -> list[int]:
    """Number columns with one value in all rows."""
    lowest, highest = _ranges([block.numbers for block in blocks])
    return torch.nonzero(lowest == highest).flatten().tolist()


def collinear_columns(blocks: Sequence[Block], threads: int) -> list[Collinear]:
    """Number columns that the ones before them give exactly, by a Cholesky of the correlations, column by column."""
    p = blocks[0].numbers.shape[1]
    if not 1 < p <= _MOST_COLUMNS:
        return []
    correlations = _correlations(blocks, threads)
    kept: list[int] = []
    found = []
    for column in range(p):
        if correlations[column, column] == 0:
            continue  # constant
        among = torch.tensor(kept, dtype=torch.int64)
        right = correlations[among, column]
        shares = torch.linalg.solve(correlations[among][:, among], right) if kept else right
        if 1 - float(shares @ right) > _UNEXPLAINED:
            kept.append(column)
        else:
            found.append(Collinear(column, tuple(among[shares.abs() > _TAKES_PART].tolist())))
    return found


def classes_apart(blocks: Sequence[Block], columns: int, classes: int) -> list[Apart]:
    """Pairs of class and column of W that alone prove that there is no optimum without a penalty."""
    present = [label for label, rows in enumerate(rows_of_classes(blocks, classes).tolist()) if rows]
    p = blocks[0].numbers.shape[1]
    counts = torch.zeros(columns, classes, dtype=torch.int64)
    for block in blocks:
        for codes in block.codes.unbind(1):
            counts += torch.bincount(codes * classes + block.labels, minlength=columns * classes).view(columns, classes)
    seen = counts.sum(1) > 0
    never = [(column, label) for column, label in torch.nonzero(counts == 0).tolist() if label in present]
    by_level = [Apart(label, column) for column, label in never if seen[column]]
    return by_level + (_apart_by_numbers(blocks, present) if p and 1 < len(present) <= _MOST_CLASSES else [])


def _apart_by_numbers(blocks: Sequence[Block], present: list[int]) -> list[Apart]:
    ranges = [_ranges([block.numbers[block.labels == label] for block in blocks]) for label in present]
    lowest = torch.stack([low for low, _ in ranges])
    highest = torch.stack([high for _, high in ranges])
    found = []
    for position, label in enumerate(present):
        others = [other for other in range(len(present)) if other != position]
        below = highest[position] <= lowest[others].amin(0)
        above = lowest[position] >= highest[others].amax(0)
        varies = lowest.amin(0) < highest.amax(0)
        found += [Apart(label, column) for column in torch.nonzero((below | above) & varies).flatten().tolist()]
    return found


def _ranges(parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The lowest and the highest number of every column, over parts that may be empty."""
    filled = [part for part in parts if len(part)]
    lowest = torch.stack([part.amin(0) for part in filled]).amin(0)
    return lowest, torch.stack([part.amax(0) for part in filled]).amax(0)


def _correlations(blocks: Sequence[Block], threads: int) -> Tensor:
    """(p, p) float64; 0 for constant columns."""
    n = sum(len(block.labels) for block in blocks)
    largest = torch.stack([block.numbers.abs().amax(0) for block in blocks if len(block.labels)]).amax(0).double()
    (total,) = exact_sums(lambda b: [b.numbers.double().sum(0)], blocks, [Grid(n * largest + 1e-300)], threads)
    mean = total / n

    def products(block: Block) -> list[Tensor]:
        centred = block.numbers.double() - mean
        return [centred.T @ centred]

    reach = 2 * largest
    (gram,) = exact_sums(products, blocks, [Grid(2 * n * reach[:, None] * reach + 1e-300)], threads)
    deviation = gram.diagonal().sqrt()
    deviation = torch.where(deviation > 1e-12 * largest, deviation, torch.inf)
    return gram / deviation[:, None] / deviation


def _counted(block: Block) -> Tensor:
    return block.labels if block.weights is None else block.labels[block.weights > 0]

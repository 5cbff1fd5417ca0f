"""Cheap diagnostics: constant and collinear columns.

n rows, p number columns, d columns of W, k classes. All rows count alike: those of weight 0, which count nowhere, are
to be left out before (data/reduction.py).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.numerics.curvature.arrowhead import cholesky
from pipeline.numerics.data.block import Block, local_blocks, row_counts
from pipeline.numerics.data.extremes import largest_magnitudes, ranges
from pipeline.numerics.diagnostics.separation import Labels, Matrix
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.roots import square_root
from pipeline.numerics.exact.sums import Grid, exact_sums
from pipeline.parallel import workers

_MOST_COLUMNS = 128  # n * p^2 products are looked at below this many number columns
_LOOKED_AT_FIRST = 4096  # rows
_UNEXPLAINED = 1e-9  # share of a column's variance that float32's rounding of the others can leave
_TAKES_PART = 1e-4  # standardised coefficient from which a column is named


@dataclass(frozen=True)
class Collinear:
    """Number column ``column`` is a linear combination of the columns ``of`` and a constant."""

    column: int
    of: tuple[int, ...]


def rows_of_classes(blocks: Sequence[Block], classes: int) -> Tensor:
    """(k,) int64."""
    counts = torch.zeros(classes, dtype=torch.int64)
    for block in local_blocks(blocks):
        counts += torch.bincount(block.labels, minlength=classes)
    return workers.all_gather(counts).sum(0)


def constant_columns(blocks: Sequence[Block]) -> list[int]:
    """Number columns with one value in all rows; most show in a few rows that they have more."""
    lowest, highest = ranges(_first_rows(blocks))
    same = torch.nonzero(lowest == highest).flatten()
    if not len(same):
        return []
    lowest, highest = _ranges([block.numbers[:, same] for block in local_blocks(blocks)], len(same))
    return same[lowest == highest].tolist()


def collinear_columns(blocks: Sequence[Block], threads: int) -> list[Collinear]:
    """Number columns that the ones before them give exactly, by a Cholesky of the correlations, column by column."""
    p = blocks[0].numbers.shape[1]
    if not 1 < p <= _MOST_COLUMNS or _proven_independent(
        blocks, set(range(p)) - set(constant_columns(blocks)), threads
    ):
        return []
    correlations = _correlations(blocks, threads)
    independent: list[int] = []
    result = []
    for column in range(p):
        if correlations[column, column] == 0:
            continue  # constant
        among = torch.tensor(independent, dtype=torch.int64)
        right = correlations[among, column]
        shares = right
        if independent:
            shares = portable.cholesky_solve(right[:, None], cholesky(correlations[among][:, among]))[:, 0]
        if 1 - portable.dot(shares, right) > _UNEXPLAINED:
            independent.append(column)
        else:
            result.append(Collinear(column, tuple(among[shares.abs() > _TAKES_PART].tolist())))
    return result


def table(blocks: Sequence[Block], columns: int) -> tuple[Matrix, Labels]:
    """Numbers and one-hot levels (n, d), labels (n,)."""
    parts, labels = [], []
    for block in blocks:
        part = torch.zeros(len(block.labels), columns, dtype=torch.float64)
        part[:, : block.numbers.shape[1]] = block.numbers.to(torch.float64)
        parts.append(part.scatter_(1, block.codes, 1.0).numpy())
        labels.append(block.labels.numpy())
    return np.vstack(parts), np.concatenate(labels)


def _proven_independent(blocks: Sequence[Block], columns: Collection[int], threads: int) -> bool:
    """Whether a few rows prove that none of these columns follows from the ones before it in all rows.

    What a regression leaves of a column's squares can only grow with more rows, and the column's own squares are at
    most n times its largest magnitude squared, so their quotient in the few rows is a lower bound for all rows.
    """
    chosen = torch.tensor(sorted(columns), dtype=torch.int64)
    rows = _first_rows(blocks)[:, chosen].double()
    n = sum(row_counts(blocks))
    largest = largest_magnitudes(blocks, threads)[chosen].double()
    centred = rows - portable.mean(rows, 0)
    factor, failed = portable.cholesky(portable.long_matmul(centred.T, centred))
    return not bool(failed) and bool((factor.diagonal().square() > _UNEXPLAINED * n * largest.square()).all())


def _first_rows(blocks: Sequence[Block]) -> Tensor:
    """Some numbers of rows from all over the first, the middle and the last block, (m, p)."""
    chosen = [blocks[0], blocks[len(blocks) // 2], blocks[-1]] if len(blocks) > 1 else [blocks[0]]
    steps = [max(1, len(chosen) * len(block.labels) // _LOOKED_AT_FIRST) for block in chosen]
    return torch.cat([block.numbers[::step] for block, step in zip(chosen, steps, strict=True)])


def competing(blocks: Sequence[Block], classes: int, intercept: bool) -> list[int]:
    """The classes that take part in an optimum: with an intercept one without rows is told apart by b alone."""
    rows = rows_of_classes(blocks, classes).tolist()
    return [label for label in range(classes) if rows[label] or not intercept]


def _ranges(mine: Sequence[Tensor], columns: int) -> tuple[Tensor, Tensor]:
    """The lowest and the highest number of every column, over all workers' parts, which may be empty."""
    result = [ranges(part) for part in mine if len(part)]
    none = torch.full((columns,), torch.inf, dtype=torch.float64)
    lowest = torch.stack([none, *(low.double() for low, _ in result)]).amin(0)
    highest = torch.stack([-none, *(high.double() for _, high in result)]).amax(0)
    return workers.all_gather(lowest).amin(0), workers.all_gather(highest).amax(0)


def _correlations(blocks: Sequence[Block], threads: int) -> Tensor:
    """(p, p) float64; 0 for constant columns."""
    n = sum(row_counts(blocks))
    largest = largest_magnitudes(blocks, threads).double()
    (total,) = exact_sums(
        lambda b: [portable.total(b.numbers.double(), 0)], blocks, lambda: [Grid(n * largest + 1e-300)], threads
    )
    mean = total / n

    def products(block: Block) -> list[Tensor]:
        centred = block.numbers.double() - mean
        return [portable.long_matmul(centred.T, centred)]

    reach = 2 * largest
    (gram,) = exact_sums(products, blocks, lambda: [Grid(2 * n * reach[:, None] * reach + 1e-300)], threads)
    deviation = square_root(gram.diagonal())
    deviation = torch.where(deviation > 1e-12 * largest, deviation, torch.inf)
    return gram / deviation[:, None] / deviation

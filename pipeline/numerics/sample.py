"""A sample of the rows that stands for all of them: stratified, weighted, and a function of the data only.

Strata are pairs of (level of the largest category, class). Each gives rows evenly spaced in their order, and at least
a few, so that rare classes and rare levels are all there; a row's weight says how many rows it stands for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.numerics.layout import Rows
from pipeline.numerics.softmax import Block

_AT_LEAST = 16  # rows of a stratum, or all that it has


@dataclass(frozen=True)
class Drawn:
    """Positions among all rows, ascending, and how many rows each stands for; both (m,)."""

    positions: Tensor
    multiplicity: Tensor


def stratified(rows: Rows, target: int) -> Rows:
    """About ``target`` rows of ``rows`` as rows of their own; more where strata are many."""
    drawn = _draw(_strata(rows), min(1.0, target / rows.count))
    return Rows(_gather(rows.blocks, drawn), rows.levels, rows.classes, rows.threads, rows.intercept)


def _strata(rows: Rows) -> Tensor:
    """The stratum of every row, (n,) int64."""
    labels = torch.cat([block.labels for block in rows.blocks])
    if not rows.levels:
        return labels
    largest = max(range(len(rows.levels)), key=lambda category: rows.levels[category])
    codes = torch.cat([block.codes[:, largest] for block in rows.blocks])
    return (codes - rows.numbers - rows.first_level_rows[largest]) * rows.classes + labels


def _draw(strata: Tensor, rate: float) -> Drawn:
    """From each stratum of n_s rows max(rate * n_s, _AT_LEAST), the middles of as many equal stretches."""
    counts = torch.bincount(strata)
    wanted = torch.minimum(counts, (counts.double() * rate).ceil().long().clamp(min=_AT_LEAST))
    order = torch.argsort(strata, stable=True)
    owner = torch.repeat_interleave(torch.arange(len(counts)), wanted)
    place = torch.arange(len(owner)) - (wanted.cumsum(0) - wanted)[owner]
    within = ((2 * place + 1) * counts[owner]) // (2 * wanted[owner])
    positions, by_row = order[(counts.cumsum(0) - counts)[owner] + within].sort()
    return Drawn(positions, (counts[owner].double() / wanted[owner].double())[by_row])


def _gather(blocks: Sequence[Block], drawn: Drawn) -> list[Block]:
    """The drawn rows as blocks no larger than the old ones."""
    ends = torch.tensor([len(block.labels) for block in blocks]).cumsum(0)
    edges = [0, *torch.searchsorted(drawn.positions, ends).tolist()]
    pieces = []
    for block, end, first, last in zip(blocks, ends.tolist(), edges, edges[1:], strict=False):
        local = drawn.positions[first:last] - (end - len(block.labels))
        weights = drawn.multiplicity[first:last]
        if block.weights is not None:
            weights = weights * block.weights[local]
        pieces.append((block.numbers[local], block.codes[local], block.labels[local], weights))
    numbers, codes, labels, weights = (torch.cat(parts) for parts in zip(*pieces, strict=True))
    size = max(len(block.labels) for block in blocks)
    columns = (torch.split(column, size) for column in (numbers, codes, labels, weights))
    return [Block(*parts) for parts in zip(*columns, strict=True)]

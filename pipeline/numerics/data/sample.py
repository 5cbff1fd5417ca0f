"""A sample of the rows that stands for all of them: stratified, weighted, and a function of the data only.

Strata are pairs of (level of the largest category, class). Each gives rows evenly spaced in their order, and at least
a few, so that rare classes and rare levels are all there; a row's weight says how many rows it stands for.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.numerics.data.block import Block, row_counts
from pipeline.numerics.data.layout import Rows
from pipeline.numerics.data.strata import Strata
from pipeline.parallel import workers

_AT_LEAST = 16  # rows of a stratum, or all that it has


def stratified(rows: Rows, target: int) -> Rows:
    """About ``target`` rows of ``rows`` as rows of their own; more where strata are many.

    Of many workers each draws among its own rows, and all get the whole sample.
    """
    positions, multiplicity = _draw(rows.strata, min(1.0, target / rows.count))
    mine = [rows.blocks[place] for place in workers.local_range(len(rows.blocks))]
    columns = _joined(workers.all_gather_lists([_gather(mine, positions, multiplicity)]))
    size = max(row_counts(rows.blocks))
    blocks = [Block(*parts) for parts in zip(*(torch.split(column, size) for column in columns), strict=True)]
    return Rows(blocks, rows.levels, rows.classes, rows.threads, rows.intercept)


def _draw(strata: Strata, rate: float) -> tuple[Tensor, Tensor]:
    """Positions among this worker's rows, ascending, and how many rows each stands for, both (m,).

    From each stratum of n_s rows max(rate * n_s, _AT_LEAST), the middles of as many equal stretches.
    """
    counts = strata.counts
    sizes = torch.minimum(counts, (counts.double() * rate).ceil().long().clamp(min=_AT_LEAST))
    owner = torch.repeat_interleave(torch.arange(len(counts)), sizes)
    place = torch.arange(len(owner)) - (sizes.cumsum(0) - sizes)[owner]
    within = ((2 * place + 1) * counts[owner]) // (2 * sizes[owner]) - strata.before[owner]
    mine = (within >= 0) & (within < strata.own[owner])
    owner, within = owner[mine], within[mine]
    positions, by_row = strata.order[(strata.own.cumsum(0) - strata.own)[owner] + within].sort()
    return positions, (counts[owner].double() / sizes[owner].double())[by_row]


def _gather(blocks: Sequence[Block], positions: Tensor, multiplicity: Tensor) -> list[Tensor]:
    """Numbers, codes, labels and weights of the drawn rows; nothing without blocks."""
    if not blocks:
        return []
    ends = torch.tensor([len(block.labels) for block in blocks]).cumsum(0)
    edges = [0, *torch.searchsorted(positions, ends).tolist()]
    count = len(positions)
    numbers = torch.empty(count, blocks[0].numbers.shape[1], dtype=blocks[0].numbers.dtype)
    codes = torch.empty(count, blocks[0].codes.shape[1], dtype=torch.int64)
    labels, weights = torch.empty(count, dtype=torch.int64), multiplicity.clone()
    for block, end, first, last in zip(blocks, ends.tolist(), edges, edges[1:], strict=False):
        local = positions[first:last] - (end - len(block.labels))
        numbers[first:last] = block.numbers[local]
        codes[first:last] = block.codes[local]
        labels[first:last] = block.labels[local]
        if block.weights is not None:
            weights[first:last] *= block.weights[local]
    return [numbers, codes, labels, weights]


def _joined(parts: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """The columns of all workers, one after the other; those of one worker are not copied."""
    first, *others = filter(None, parts)
    return [torch.cat(column) for column in zip(first, *others, strict=True)] if others else list(first)

"""Strata of the rows for a sample: pairs of (level of one category, class), sorted once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.numerics.data import ordering
from pipeline.numerics.data.block import Block
from pipeline.parallel import workers


@dataclass(frozen=True)
class Strata:
    """Rows in each stratum, (s,): of all workers, of this one, and of those before it.

    ``order`` has the positions of this worker's rows, stratum by stratum, in their order.
    """

    counts: Tensor
    own: Tensor
    before: Tensor
    order: Tensor


class Category(NamedTuple):
    """Its column of the codes, its first column of W, and how many levels it has."""

    column: int
    first: int
    levels: int


def strata_of(blocks: Sequence[Block], classes: int, category: Category | None = None) -> Strata:
    """Sort the rows of all workers' blocks; without a category each class is a stratum."""
    strata = [torch.empty(0, dtype=torch.int64)]
    for place in workers.local_range(len(blocks)):
        block = blocks[place]
        level = block.codes[:, category.column] - category.first if category else 0
        strata.append(level * classes + block.labels)
    keys, count = torch.cat(strata), classes * (category.levels if category else 1)
    own = torch.bincount(keys, minlength=count)
    by_worker = workers.all_gather(own)
    return Strata(
        counts=by_worker.sum(0),
        own=own,
        before=by_worker[: workers.rank()].sum(0),
        order=ordering.by_key(keys, count),
    )

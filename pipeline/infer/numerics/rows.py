"""Training rows as inference passes over them: in float64, numbers about their means, categories as codes.

n rows, t of them in a tile, p number columns, c categories, d columns of W (p numbers, then every category's levels),
k classes, e = p + 1 dense columns: the numbers and a 1 for b. theta is (d + 1, k): W transposed, b as its last row.

With z = x - m and b' = b + W m all logits are what they were; W is the same, and products of columns keep the digits
that a mean far above the deviation would take. ``from_centred`` gives theta back.
"""

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from pipeline.numerics.data.block import Block, Blocks, extent, row_counts, row_weights
from pipeline.numerics.data.centring import centre_of
from pipeline.numerics.data.extremes import ranges
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.sums import Grid, collected, exact_sums

_TILE_NUMBERS = 1 << 20  # of the largest array that a tile makes: it stays in a core's cache
_FEWEST_ROWS = 64


@dataclass(frozen=True)
class Tile:
    """x (e, t) float64 and its transpose, codes (t, c) int32 over all levels, labels (t,), weights (t,) float64."""

    x: Tensor
    codes: Tensor
    labels: Tensor
    weights: Tensor

    @cached_property
    def by_row(self) -> Tensor:
        """x' (t, e), each row in one piece."""
        return self.x.T.contiguous()


class InferenceRows:
    """Blocks of rows of positive weight, and what holds for all of them."""

    def __init__(
        self, blocks: Sequence[Block], levels: Sequence[int], classes: int, threads: int, intercept: bool
    ) -> None:
        """``levels`` counts those of each category. A pass over the rows finds the means.

        Raises: ValueError where there is no block, or one without rows; OverflowError if a number is NaN or infinite.
        """
        counts = row_counts(blocks)
        if not counts or not all(counts):
            without = len(counts) - sum(map(bool, counts))
            raise ValueError(f"expected blocks of one row or more, got {len(counts)}, {without} of them without rows")
        self.blocks, self.levels, self.classes = blocks, tuple(levels), classes
        self.threads, self.intercept = threads, intercept
        self.numbers = blocks[0].numbers.shape[1]
        self.columns = self.numbers + sum(levels)
        self.count = sum(counts)
        self.total_weight, numbers = extent(blocks)
        self.heaviest = _heaviest_of(blocks, threads)
        largest = torch.ones(self.columns + 1, 1, dtype=torch.float64)
        largest[: self.numbers, 0] = numbers
        centre = centre_of(blocks, largest, self.total_weight, threads, intercept)
        self.means = centre.means[:, 0]
        self.largest = torch.ones(self.columns + 1, dtype=torch.float64)  # of |z|, by rows of theta
        if self.numbers:
            self.largest[: self.numbers] = self._largest_magnitudes()

    def _largest_magnitudes(self) -> Tensor:
        """max |z| of each number column, (p,): about the means, so that grids keep all digits."""

        def of_block(block: Block) -> list[Tensor]:
            lowest, highest = ranges(block.numbers)
            return [lowest.to(torch.float64), highest.to(torch.float64)]

        lowest, highest = zip(*collected(of_block, self.blocks, self.threads), strict=True)
        low, high = torch.stack(lowest).amin(0) - self.means, torch.stack(highest).amax(0) - self.means
        return torch.maximum(low.abs(), high.abs())

    def of_level(self, row: int) -> "InferenceRows | None":
        """Those of one level, a row of theta; None if there are none.

        About the same means, so that a theta of z is one of theirs, too; ``largest`` then bounds their |z|.
        """
        category = sum(first + self.numbers <= row for first in self.first_level_rows) - 1

        blocks = rows_where(self.blocks, lambda block: block.codes[:, category] == row, self.threads)
        if not len(blocks):
            return None
        result = copy.copy(self)
        result.blocks = blocks
        result.count = sum(row_counts(blocks))
        result.total_weight = extent(result.blocks)[0]
        result.heaviest = _heaviest_of(result.blocks, self.threads)
        return result

    @property
    def first_level_rows(self) -> list[int]:
        """The first level of each category, counted over all levels."""
        starts = [0]
        for count in self.levels:
            starts.append(starts[-1] + count)
        return starts[:-1]

    def level_columns(self, category: int) -> slice:
        """The rows of theta of a category's levels."""
        first = self.numbers + self.first_level_rows[category]
        return slice(first, first + self.levels[category])

    @property
    def category_pairs(self) -> list[tuple[int, int]]:
        """Each two categories, the earlier first."""
        return list(itertools.combinations(range(len(self.levels)), 2))

    def cells(self, tile: Tile, one: int, other: int) -> Tensor:
        """Where each row is among the cells of two categories, those of a level of ``one`` together: (t,) int32."""
        first, second = self.first_level_rows[one], self.first_level_rows[other]
        return (tile.codes[:, one] - first) * self.levels[other] + (tile.codes[:, other] - second)

    def zero(self) -> Tensor:
        """theta of zeros."""
        return torch.zeros(self.columns + 1, self.classes, dtype=torch.float64)

    def centred(self, theta: Tensor) -> Tensor:
        """theta in the unknowns (W, b') of z."""
        return self._moved(theta, 1.0)

    def from_centred(self, theta: Tensor) -> Tensor:
        """The theta of x, of the theta of z."""
        return self._moved(theta, -1.0)

    def _moved(self, theta: Tensor, sign: float) -> Tensor:
        moved = theta.clone()
        if self.numbers:
            moved[-1] += sign * portable.total(self.means[:, None] * theta[: self.numbers], 0)
        return moved

    def tiles(self, block: Block, numbers_a_row: int) -> Iterator[Tile]:
        """A block's rows, so many at once that ``numbers_a_row`` numbers a row stay in the cache."""
        size = max(_FEWEST_ROWS, _TILE_NUMBERS // max(1, numbers_a_row))
        for start in range(0, len(block.labels), size):
            part = block.part(slice(start, start + size))
            yield self.tile(part)

    def tile(self, block: Block) -> Tile:
        """All of a block's rows."""
        count = len(block.labels)
        x = torch.ones(self.numbers + 1, count, dtype=torch.float64)
        x[: self.numbers] = (block.numbers.to(torch.float64) - self.means).T
        codes = (block.codes - self.numbers).to(torch.int32).contiguous()
        return Tile(x, codes, block.labels, row_weights(block.weights, count))

    def logits(self, tile: Tile, theta: Tensor) -> Tensor:
        """(t, k) float64 of theta of z."""
        dense = torch.cat([theta[: self.numbers], theta[-1:]])
        result = portable.matmul(tile.by_row, dense)
        if self.levels:
            result += portable.levels_sum(tile.codes, theta[self.numbers : -1].contiguous())
        return result

    def probabilities(self, tile: Tile, theta: Tensor) -> Tensor:
        """(t, k) float64 of theta of z."""
        return portable.softmax_(self.logits(tile, theta), 1)

    def add(self, partials: Callable[[Block], Sequence[Tensor]], bounds: Sequence[Tensor]) -> list[Tensor]:
        """The sum of ``partials`` over the blocks, the same bits whoever adds; ``bounds`` on each total's entries."""
        return exact_sums(partials, self.blocks, lambda: [Grid(bound + 1e-300) for bound in bounds], self.threads)


def rows_where(blocks: Sequence[Block], holds: Callable[[Block], Tensor], threads: int) -> Blocks:
    """The rows of which ``holds`` is true, (n,) bool of a block; blocks without any are left out."""
    counts = [int(count) for (count,) in collected(lambda block: [holds(block).sum()], blocks, threads)]
    places = [place for place, count in enumerate(counts) if count]

    def build(place: int) -> Block:
        block = blocks[places[place]]
        return block.part(holds(block))

    return Blocks(build, [counts[place] for place in places])


def _heaviest_of(blocks: Sequence[Block], threads: int) -> float:
    return max(float(heaviest) for (heaviest,) in collected(_heaviest, blocks, threads))


def _heaviest(block: Block) -> list[Tensor]:
    return [row_weights(block.weights, len(block.labels)).max()]

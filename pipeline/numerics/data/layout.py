"""Rows in the layouts of the fast products: packed once, passed over many times.

n rows, p number columns, c category columns, d columns of W (p numbers, then every category's levels), k classes.

``theta`` is W and b in one: (d + 1, k) float64, W transposed, b as its last row.

Two layouts of a block's logits, chosen once for a data set. Without categories, and with categories of few levels,
which become columns of 0 and 1, they are class-major, (k, n): W x is one product with wide rows, and softmax is
element-wise along the rows, whatever k is (torch.softmax over a last dimension of 2 to 7 is ten times slower). With
categories of more levels they are row-major, (n, k'), k' = k rounded up to a multiple of 8: a level's logits are one
gather of a whole row; the padding has logit -1e30, so probability exactly 0.

Two classes have one logit a row where the layout is class-major, (1, n): the second class's less the first's.
"""

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.numerics.data.accelerator import Accelerator
from pipeline.numerics.data.block import PROCESSOR, Block, row_counts
from pipeline.numerics.data.centring import Centre, centre_of
from pipeline.numerics.data.extremes import largest_magnitudes
from pipeline.numerics.data.pieces import cut
from pipeline.numerics.data.sparse_columns import DividedColumns, Division, divided, division_of
from pipeline.numerics.data.strata import Category, Strata, strata_of
from pipeline.numerics.exact.sums import collected
from pipeline.parallel.lazy import CachedSequence, LazySequence

_LANES = 8  # float32 numbers in an AVX2 register
_TIMES_AS_MANY_SPARSE = 8  # numbers in a piece, where most columns are sparse

# Entries of W up to which levels become columns, where classes do not fill a register either. On two threads, 131,072
# rows: 22 columns and 2 classes 3.3 in place of 7.4 milliseconds, 22 and 5: 4.1 and 4.4, 32 and 5: 4.3 and 3.8.
# In memory they take far more than codes, so not where that is more than a gibibyte.
_FEW_ENTRIES, _FEW_CELLS = 128, 1 << 28


@dataclass(frozen=True)
class PackedBlock:
    """A block in the layout of its ``Rows``.

    numbers (n, p) float32 or float64; columns are what products are made of, (n, d) where
    class-major, else the numbers; codes (n, c) int32, counted over the levels of all categories; labels int64 and
    weights float64 as (n, 1) row-major or (1, n) class-major; divided what products are made of in place of the numbers
    where most of these are sparse, never on an accelerator.
    """

    numbers: Tensor
    columns: Tensor
    codes: Tensor
    labels: Tensor
    weights: Tensor | None
    divided: DividedColumns | None = None

    @property
    def rows(self) -> int:
        """n."""
        return len(self.numbers)


class Rows:
    """Packed blocks and what holds for all of them.

    A block is packed when it is first asked for, so that each of several workers packs its own ones only.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        levels: Sequence[int],
        classes: int,
        threads: int,
        intercept: bool = True,
        part_of: "tuple[Rows, Sequence[int]] | None" = None,
        accelerator: Accelerator | None = None,
    ) -> None:
        """Pack the blocks; ``levels`` counts those of each category, ``classes`` is k.

        Blocks of wide rows or many classes are cut into pieces; ``blocks`` holds the pieces then, one for each of
        ``packed``. Where they are the blocks of other Rows, of the same levels and classes, at these positions,
        ``part_of`` says so, and they are not packed again. Without ``intercept`` b is kept at 0. With an
        ``accelerator``, ``packed`` holds larger pieces on its device.
        Raises: OverflowError if a number in the blocks is NaN or infinite.
        """
        counts = row_counts(blocks)
        self.levels, self.classes, self.threads, self.intercept = tuple(levels), classes, threads, intercept
        self.numbers = blocks[0].numbers.shape[1]
        self.columns = self.numbers + sum(levels)
        self.count = sum(counts)
        self.row_major: bool = part_of[0].row_major if part_of else bool(levels) and not self._has_few_columns()
        self._division: Division | None = None
        if accelerator is None:
            self._division = part_of[0]._division if part_of else division_of(blocks[0].numbers)
        width = self.numbers if self.row_major else self.columns
        if self._division is not None:
            width = max(len(self._division.dense), -(-width // _TIMES_AS_MANY_SPARSE))
        self.blocks = blocks = cut(blocks, counts, width, self.columns, classes)
        self.one_logit = not self.row_major and classes == 2
        self.padded_classes = -(-classes // _LANES) * _LANES if self.row_major else classes
        self.total_weight = _total_weight(blocks, threads)
        self.largest = self._largest_magnitudes()
        self.accelerator = accelerator
        # Whether packed blocks are kept from pass to pass; else an accelerator packs them anew in each.
        self.stays = accelerator is None or accelerator.keeps(blocks, width - self.numbers)
        self.packed: Sequence[PackedBlock]
        self.packed = [part_of[0].packed[place] for place in part_of[1]] if part_of else self._all_packed()

    def _has_few_columns(self) -> bool:
        """Whether levels are to be columns."""
        few = self.classes < _LANES and self.classes * self.columns <= _FEW_ENTRIES
        return few and self.count * self.columns <= _FEW_CELLS

    def _all_packed(self) -> Sequence[PackedBlock]:
        if self.accelerator is None:
            return CachedSequence(lambda place: self._pack(self.blocks[place]), len(self.blocks))
        moved = self.accelerator.moved(self.blocks)
        kind = CachedSequence if self.stays else LazySequence
        return kind(lambda place: self._pack(moved[place]), len(moved))

    @property
    def device(self) -> torch.device:
        """The device of the packed blocks."""
        return self.accelerator.device if self.accelerator else PROCESSOR

    def on_processor(self) -> "Rows":
        """The same rows, packed for the processor's threads."""
        if self.accelerator is None:
            return self
        return Rows(self.blocks, self.levels, self.classes, self.threads, self.intercept)

    @functools.cached_property
    def centre(self) -> Centre:
        """The means of the number columns; a pass over them when first asked for."""
        return centre_of(self.blocks, self.largest, self.total_weight, self.threads, self.intercept)

    @property
    def nearly_all_sparse(self) -> bool:
        """Whether a pass takes the time of few of the number columns."""
        return self._division is not None and _TIMES_AS_MANY_SPARSE * len(self._division.dense) <= self.numbers

    @property
    def first_precision(self) -> torch.dtype:
        """In which steps begin."""
        return torch.float64 if self.centre.far else torch.float32

    @property
    def class_dimension(self) -> int:
        """The dimension of a block's logits along which classes lie."""
        return 1 if self.row_major else 0

    @functools.cached_property
    def strata(self) -> Strata:
        """Pairs of (level of the largest category, class); sorted once, for all samples."""
        largest, category = self.largest_category, None
        if largest is not None:
            category = Category(largest, self.numbers + self.first_level_rows[largest], self.levels[largest])
        return strata_of(self.blocks, self.classes, category)

    @property
    def largest_category(self) -> int | None:
        """The category of most levels, the first of several; None without categories."""
        return max(range(len(self.levels)), key=self.levels.__getitem__, default=None)

    @functools.cached_property
    def first_level_rows(self) -> list[int]:
        """The first level of each category, counted over all levels."""
        return list(itertools.accumulate(self.levels, initial=0))[:-1]

    def zero(self) -> Tensor:
        """theta of zeros."""
        return torch.zeros(self.columns + 1, self.classes, dtype=torch.float64)

    def _largest_magnitudes(self) -> Tensor:
        """max_i |x_ij| of every row of theta, (d + 1, 1) float64: 1 for levels and for b."""
        largest = torch.ones(self.columns + 1, 1, dtype=torch.float64)
        if self.numbers:
            largest[: self.numbers, 0] = largest_magnitudes(self.blocks, self.threads)
        if not bool(torch.isfinite(largest).all()):
            raise OverflowError("a number in the rows is NaN or infinite")
        return largest

    def _pack(self, block: Block) -> PackedBlock:
        codes = (block.codes - self.numbers).to(torch.int32)
        dimension = self.class_dimension
        columns = block.numbers if self.row_major or not self.levels else _with_one_hot(block, self.columns)
        # Levels become columns only where columns are too few to be divided, so that numbers are all columns there are.
        division = self._division if columns.shape[1] == self.numbers else None
        return PackedBlock(
            numbers=columns[:, : self.numbers],
            columns=columns,
            codes=codes,
            labels=block.labels.unsqueeze(dimension),
            weights=None if block.weights is None else block.weights.unsqueeze(dimension),
            divided=None if division is None else divided(block.numbers, division),
        )


def _with_one_hot(block: Block, columns: int) -> Tensor:
    """Numbers and every level as a column of 0 and 1, (n, d)."""
    result = block.numbers.new_zeros(len(block.numbers), columns)
    result[:, : block.numbers.shape[1]] = block.numbers
    return result.scatter_(1, block.codes, 1.0)


def _total_weight(blocks: Sequence[Block], threads: int) -> float:
    weights = collected(lambda block: [torch.tensor(block.total_weight, dtype=torch.float64)], blocks, threads)
    return math.fsum(weight.item() for (weight,) in weights)

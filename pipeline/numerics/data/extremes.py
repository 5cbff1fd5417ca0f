"""The lowest, highest and largest numbers of columns. n rows, p number columns."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.numerics.data.block import Block
from pipeline.numerics.exact.sums import collected

# torch takes a maximum over rows one narrow row at a time: 750 microseconds for 8,192 x 28 numbers. So many rows laid
# end to end make a row that fills its registers: 40.
_LAID_END_TO_END = 64


def ranges(numbers: Tensor) -> tuple[Tensor, Tensor]:
    """The lowest and the highest number of every column, each (p,), of numbers (n, p) with n > 0."""
    parts = _folded(numbers)
    lowest = torch.stack([part.amin(0) for part in parts]).amin(0)
    return lowest, torch.stack([part.amax(0) for part in parts]).amax(0)


def largest_magnitudes(blocks: Sequence[Block], threads: int) -> Tensor:
    """max_i |x_ij| of every number column, (p,); NaN where a number is."""

    def of_block(block: Block) -> list[Tensor]:
        if not len(block.labels):
            return []
        lowest, highest = ranges(block.numbers)
        return [torch.maximum(lowest.abs(), highest.abs())]

    return torch.stack([largest for (largest,) in filter(None, collected(of_block, blocks, threads))]).amax(0)


def _folded(numbers: Tensor) -> list[Tensor]:
    """The same numbers as tensors of p columns that have fewer rows."""
    n, p = numbers.shape
    folded = n - n % _LAID_END_TO_END
    if not folded or not p:
        return [numbers]
    wide = numbers[:folded].reshape(-1, _LAID_END_TO_END * p)
    return [torch.stack((wide.amin(0), wide.amax(0))).view(-1, p), *([numbers[folded:]] if folded < n else [])]

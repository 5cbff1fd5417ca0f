"""A block of training rows, and the parameters W and b: the data types of the numerics."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.parallel import workers
from pipeline.parallel.lazy import CachedSequence, LazySequence

PROCESSOR = torch.device("cpu")


@dataclass(frozen=True)
class Block:
    """Rows computed together by one thread: numbers (n, p) float32 or float64, codes (n, c) int64, labels (n,) int64.

    A code is a column of W, p or more. weights (n,) float64, or None where every row weighs 1.
    """

    numbers: Tensor
    codes: Tensor
    labels: Tensor
    weights: Tensor | None = None

    @property
    def total_weight(self) -> float:
        """The sum of the rows' weights."""
        return float(len(self.labels)) if self.weights is None else math.fsum(self.weights.tolist())

    def part(self, rows: slice | Tensor) -> "Block":
        """The rows of a slice, at positions, or where a mask (n,) is true."""
        weights = None if self.weights is None else self.weights[rows]
        return Block(self.numbers[rows], self.codes[rows], self.labels[rows], weights)

    def to(self, device: torch.device) -> "Block":
        """The same rows in the memory of ``device``."""
        weights = None if self.weights is None else self.weights.to(device)
        return Block(self.numbers.to(device), self.codes.to(device), self.labels.to(device), weights)


def joined(blocks: Sequence[Block]) -> Block:
    """Their rows, one block after the other; all have weights, or none has."""
    weights = [block.weights for block in blocks if block.weights is not None]
    return Block(
        torch.cat([block.numbers for block in blocks]),
        torch.cat([block.codes for block in blocks]),
        torch.cat([block.labels for block in blocks]),
        torch.cat(weights) if weights else None,
    )


@dataclass(frozen=True)
class Parameters:
    """W (k, d) float64 and b (k,) float64."""

    weights: Tensor
    bias: Tensor

    def copy(self) -> "Parameters":
        """The same values in memory of their own."""
        return Parameters(self.weights.clone(), self.bias.clone())

    def to(self, device: torch.device) -> "Parameters":
        """The same values in the memory of ``device``."""
        return Parameters(self.weights.to(device), self.bias.to(device))


class Blocks(LazySequence[Block]):
    """Blocks that are built on access, anew each time; how many rows each has is known without building one."""

    def __init__(self, build: Callable[[int], Block], row_counts: Sequence[int]) -> None:
        """``build`` gives the block at a position, of as many rows as ``row_counts`` has there."""
        super().__init__(build, len(row_counts))
        self.row_counts = row_counts


def row_counts(blocks: Sequence[Block]) -> Sequence[int]:
    """The rows of every block."""
    return blocks.row_counts if isinstance(blocks, Blocks) else [len(block.labels) for block in blocks]


def local_blocks(blocks: Sequence[Block]) -> Iterator[Block]:
    """The blocks of this worker that have rows."""
    mine = (blocks[place] for place in workers.local_range(len(blocks)))
    return (block for block in mine if len(block.labels))


def cached(blocks: Sequence[Block]) -> Blocks:
    """The same blocks, each built once."""
    return Blocks(CachedSequence(blocks.__getitem__, len(blocks)).__getitem__, row_counts(blocks))


def row_weights(weights: Tensor | None, count: int) -> Tensor:
    """A block's weights; 1 each of ``count`` rows where it has none. (n,) float64."""
    return torch.ones(count, dtype=torch.float64) if weights is None else weights.reshape(-1)


def extent(blocks: Sequence[Block]) -> tuple[float, Tensor]:
    """The sum of the rows' weights, and max_i |x_ij| of the p number columns, (p,) float64; the same at all workers."""

    def work(block: Block) -> list[Tensor]:
        largest = (
            block.numbers.abs().amax(0) if block.numbers.numel() else block.numbers.new_zeros(block.numbers.shape[1])
        )
        return [torch.tensor(block.total_weight, dtype=torch.float64), largest.to(torch.float64).cpu()]

    weights, largest = zip(*workers.map_and_gather(work, blocks), strict=True)
    return math.fsum(weight.item() for weight in weights), torch.stack(largest).amax(0)

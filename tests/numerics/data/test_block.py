"""Blocks that are built on access, and how many rows each has."""

import torch

from pipeline.numerics.data import reduction
from pipeline.numerics.data.block import Block, Blocks, cached, row_counts
from pipeline.numerics.data.layout import Rows


def _blocks(weights: list[float] | None = None) -> tuple[Blocks, list[int]]:
    """Three blocks of 1, 2 and 3 rows, and the positions that were built."""
    built: list[int] = []

    def build(position: int) -> Block:
        built.append(position)
        rows = position + 1
        own = None if weights is None else torch.full((rows,), weights[position], dtype=torch.float64)
        return Block(torch.ones(rows, 1), torch.empty(rows, 0, dtype=torch.int64), torch.zeros(rows).long(), own)

    return Blocks(build, [1, 2, 3]), built


def test_counting_rows_builds_no_block() -> None:
    """Nor does it of blocks that are to be kept; these are built once each."""
    blocks, built = _blocks()
    once = cached(blocks)
    assert row_counts(blocks) == row_counts(once) == [1, 2, 3]
    assert built == []
    assert once[2] is once[2]
    assert built == [2]


def test_counts_are_those_of_the_rows_that_are_left() -> None:
    """Rows of weight 0 are left out, and blocks without others with them; pieces of a block are counted, too."""
    blocks, _ = _blocks([1.0, 0.0, 2.0])
    counted = reduction.counted(blocks)
    assert list(row_counts(counted)) == [len(block.labels) for block in counted] == [1, 3]
    wide = Block(torch.rand(5000, 300), torch.empty(5000, 0, dtype=torch.int64), torch.arange(5000) % 2)
    pieces = Rows([wide], (), 2, threads=1).blocks
    assert len(pieces) > 1
    assert list(row_counts(pieces)) == [len(piece.labels) for piece in pieces]

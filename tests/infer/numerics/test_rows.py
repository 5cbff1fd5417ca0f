"""Rows of inference: what they are made of, and refused of."""

import pytest
import torch

from pipeline.infer.numerics.rows import InferenceRows
from pipeline.numerics.data.block import Block
from tests.infer.numerics.tables import TABLES, rows_of


@pytest.mark.parametrize("counts", [[], [0], [50, 0, 50]])
def test_a_block_without_rows_is_refused(counts: list[int]) -> None:
    """A largest number over none has no value; rows_where leaves such blocks out."""
    problem = TABLES["weights"]
    block = problem.blocks(50)[0]
    blocks: list[Block] = [block.part(slice(0, count)) for count in counts]
    sentence = f"expected blocks of one row or more, got {len(counts)}, {counts.count(0)} of them without rows"
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        InferenceRows(blocks, problem.levels, problem.classes, 1, True)


def test_cells_count_the_levels_of_two_categories() -> None:
    """The levels of the later one side by side."""
    problem = TABLES["categories"]
    rows = rows_of(problem, size=400)
    tile = rows.tile(rows.blocks[0])
    assert rows.category_pairs == [(0, 1), (0, 2), (1, 2)]
    for one, other in rows.category_pairs:
        expected = problem.codes[:, one] * problem.levels[other] + problem.codes[:, other]
        assert torch.equal(rows.cells(tile, one, other), torch.tensor(expected, dtype=torch.int32))

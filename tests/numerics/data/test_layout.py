"""How rows are cut before they are packed."""

import numpy as np
import pytest

from pipeline.numerics.data.layout import Rows
from tests.problems import Problem, synthetic


def _longest_piece(problem: Problem, classes: int) -> int:
    rows = Rows(problem.blocks(), problem.levels, classes, threads=1)
    return max(len(block.labels) for block in rows.blocks)


@pytest.mark.parametrize(
    ("classes", "longest"), [(3, 16384), (64, 16384), (300, 2048), (1000, 1024), (5000, 256), (100_000, 256)]
)
def test_pieces_of_many_classes_have_logits_that_fit_a_cache(classes: int, longest: int) -> None:
    """At most 2^20 logits a piece, but 256 rows; few classes cut nothing."""
    assert _longest_piece(synthetic(20_000, 2, ()), classes) == longest


@pytest.mark.slow
def test_many_levels_keep_pieces_long() -> None:
    """Each piece's sums are as long as W, so that 2,000 levels of 1,000 classes are not cut to 1,024 rows."""
    assert _longest_piece(synthetic(20_000, 2, (2000,), 3), 1000) == 2 * 2003


@pytest.mark.parametrize(
    ("rows", "levels", "classes", "row_major"),
    [
        (100, (), 3, False),
        (100, (30, 32), 2, False),
        (100, (30, 33), 2, True),
        (100, (15,), 7, False),
        (100, (3,), 8, True),
        (1 << 22, (62,), 2, False),
        ((1 << 22) + 1, (62,), 2, True),
    ],
)
def test_levels_are_columns_where_these_are_few(
    rows: int, levels: tuple[int, ...], classes: int, row_major: bool
) -> None:
    """At most 128 entries of W, fewer classes than a register holds, at most a gibibyte."""
    codes = np.zeros((rows, len(levels)), np.int64)
    labels = np.zeros(rows, np.int64)
    problem = Problem(np.zeros((rows, 2), np.float32), codes, labels, levels)
    assert Rows(problem.blocks(), levels, classes, threads=2).row_major == row_major


def test_a_part_is_laid_out_as_the_whole() -> None:
    """What is packed already is not packed again, and read as it was packed."""
    problem = synthetic(1000, 2, (3,), 3)
    one_list = Rows(problem.blocks(100), problem.levels, 3, threads=1)
    part = Rows([one_list.blocks[2], one_list.blocks[5]], problem.levels, 3, threads=1, part_of=(one_list, [2, 5]))
    assert part.row_major == one_list.row_major
    assert [block is one_list.packed[place] for block, place in zip(part.packed, [2, 5], strict=True)] == [True, True]

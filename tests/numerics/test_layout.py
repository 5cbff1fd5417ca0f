"""How rows are cut before they are packed."""

import pytest

from pipeline.numerics.layout import Rows
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


def test_many_levels_keep_pieces_long() -> None:
    """Each piece's sums are as long as W, so that 2,000 levels of 1,000 classes are not cut to 1,024 rows."""
    assert _longest_piece(synthetic(20_000, 2, (2000,), 3), 1000) == 2 * 2003

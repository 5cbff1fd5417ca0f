"""Folds: cut by content, so that neither the order of rows nor their repetition leaves a trace."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from pipeline.commands.sweep import folds
from pipeline.dataset import reader, shard
from pipeline.dataset.encoder import CategoryColumn, Encoder, NumberColumn
from pipeline.dataset.writer import Writer
from pipeline.errors import UserError
from tests.problems import Problem, synthetic


def prepared(folder: Path, problem: Problem, classes: int | None = None) -> reader.Dataset:
    """A problem as the format holds it; levels and classes are called by their numbers."""
    numbers = tuple(
        NumberColumn(f"x{column}", "number", 0.0, 0.0, 1.0, False) for column in range(problem.numbers.shape[1])
    )
    categories = tuple(
        CategoryColumn(f"c{position}", (*map(str, range(count - 1)), "<unseen>"))
        for position, count in enumerate(problem.levels)
    )
    encoder = Encoder(numbers, categories, "y", tuple(range(classes or problem.classes)), ("",))
    count = len(problem.labels)
    folder.mkdir(exist_ok=True)
    writer = Writer(folder)
    labels, codes = problem.labels.astype(np.int32), problem.codes.astype(np.uint8)
    writer.add("train", shard.Shard(problem.numbers, codes, labels, np.arange(1, count + 1), problem.weights))
    writer.finish({}, encoder)
    return reader.open_dataset(folder)


def rows_of(cut: folds.Folds, fold: int) -> np.ndarray:
    """A fold's numbers, codes and labels side by side, in its order."""
    blocks = [cut.blocks[position] for position in cut.inside(fold)]
    return np.vstack([np.hstack([b.numbers.numpy(), b.codes.numpy(), b.labels.numpy()[:, None]]) for b in blocks])


def test_permuted_rows_give_the_same_folds_bit_for_bit(tmp_path: Path) -> None:
    """Rows lie in their folds by content, whatever their order in the table; another seed cuts otherwise."""
    problem = synthetic(500)
    order = np.random.default_rng(0).permutation(500)
    first = folds.cut(prepared(tmp_path / "a", problem), None, 4, 7)
    second = folds.cut(prepared(tmp_path / "b", problem.take(order)), None, 4, 7)
    other = folds.cut(prepared(tmp_path / "a", problem), None, 4, 8)
    for fold in range(4):
        assert np.array_equal(rows_of(first, fold), rows_of(second, fold))
        assert not np.array_equal(rows_of(first, fold), rows_of(other, fold))


def test_folds_hold_every_row_once_in_blocks_of_the_format(tmp_path: Path) -> None:
    """Together the folds are the table; a block has rows of one fold, 16,384 at most."""
    problem = synthetic(40_000, 2, (3,), 2)
    cut = folds.cut(prepared(tmp_path / "a", problem), None, 2, 0)
    starts = np.array([2])
    table = np.hstack([problem.numbers, problem.codes + starts, problem.labels[:, None]])
    together = np.vstack([rows_of(cut, fold) for fold in range(2)])
    assert np.array_equal(np.sort(together.view("f8,f8,f8,f8"), axis=0), np.sort(table.view("f8,f8,f8,f8"), axis=0))
    assert [len(block.labels) for block in cut.blocks] == 2 * [16384, 3616]
    assert cut.inside(1) == cut.outside(0) == [2, 3]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30)), min_size=1, max_size=200),
    st.integers(2, 10),
)
def test_equal_rows_share_a_fold_and_classes_spread_evenly(rows: list[tuple[int, int]], count: int) -> None:
    """Of distinct rows each fold has as many as the others, but for one; likewise within each class."""
    labels, digests = (np.array(column) for column in zip(*rows, strict=True))
    assigned, distinct = folds.deal(digests.astype(np.uint64), labels, count)
    fold_of = dict(zip(rows, assigned.tolist(), strict=True))
    assert distinct == len(fold_of)
    assert [fold_of[row] for row in rows] == assigned.tolist()
    for chosen in ({*fold_of}, *({row for row in fold_of if row[0] == label} for label in range(4))):
        sizes = np.bincount([fold_of[row] for row in chosen], minlength=count)
        assert sizes.max() - sizes.min() <= 1


def test_folds_are_as_stratified_as_scikit_learns(tmp_path: Path) -> None:
    """The counts of classes in folds differ from StratifiedKFold's by one row at most."""
    problem = synthetic(333, classes=5)
    cut = folds.cut(prepared(tmp_path / "a", problem), None, 5, 0)
    ours = np.stack([np.bincount(rows_of(cut, fold)[:, -1].astype(int), minlength=5) for fold in range(5)])
    splits = StratifiedKFold(5).split(problem.numbers, problem.labels)
    theirs = np.stack([np.bincount(problem.labels[held_out], minlength=5) for _, held_out in splits])
    assert np.abs(np.sort(ours, axis=0) - np.sort(theirs, axis=0)).max() <= 1


def test_minus_zero_is_zero() -> None:
    """A row is the same with either zero."""
    codes = np.zeros((2, 1), np.int64)
    first, second = folds.digests_of(np.array([[0.0, 1.0], [-0.0, 1.0]], np.float32), codes, 3)
    assert first == second


def test_swapped_columns_are_another_row() -> None:
    """The column is part of the content."""
    numbers = np.array([[1.0, 2.0], [2.0, 1.0]], np.float32)
    first, second = folds.digests_of(numbers, np.zeros((2, 0), np.int64), 3)
    assert first != second


def test_too_few_distinct_rows_are_refused(tmp_path: Path) -> None:
    """Ten copies of two rows cannot be cut in three."""
    problem = synthetic(2, 1, (), 2).take(np.repeat([0, 1], 10))
    with pytest.raises(UserError, match=r"sweep\.folds: expected at most 2, .* got 3; lower sweep\.folds"):
        folds.cut(prepared(tmp_path / "a", problem), None, 3, 0)


def test_rows_that_do_not_count_are_no_rows(tmp_path: Path) -> None:
    """Weight 0 by sample or by class leaves a row out of every fold; with none left the message says where to look."""
    data = prepared(tmp_path / "a", synthetic(60, classes=2))
    pieces = folds.cut(data, np.array([1.0, 0.0]), 3, 0)
    assert not any(block.labels.any() for block in pieces.blocks)
    with pytest.raises(UserError, match=r"expected training rows of weight above 0 in the prepared data, got none"):
        folds.cut(data, np.array([0.0, 0.0]), 3, 0)

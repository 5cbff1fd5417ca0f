"""Folds: cut by content, so that neither the order of rows nor their repetition leaves a trace."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedKFold

from pipeline.dataset import reader, row_digests, shard
from pipeline.dataset.encoder import CategoryColumn, Encoder, NumberColumn
from pipeline.dataset.writer import Writer
from pipeline.errors import UserError
from pipeline.train.cross_validation import folds
from tests.problems import Problem, synthetic


def prepared(
    folder: Path, problem: Problem, classes: int | None = None, groups: np.ndarray | None = None
) -> reader.Dataset:
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
    writer.add("train", shard.Shard(problem.numbers, codes, labels, np.arange(1, count + 1), problem.weights, groups))
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
def test_classes_and_equal_rows_spread_evenly(rows: list[tuple[int, int]], count: int) -> None:
    """Each fold has as many rows as the others, but for one; likewise within each class, and of equal rows."""
    labels, digests = (np.array(column) for column in zip(*rows, strict=True))
    assigned = folds.deal(digests.astype(np.uint64), labels, np.ones(len(rows)), count)
    parts = [np.ones(len(rows), dtype=bool), *(labels == label for label in range(4))]
    parts += [(labels == label) & (digests == digest) for label, digest in set(rows)]
    for part in parts:
        sizes = np.bincount(assigned[part], minlength=count)
        assert sizes.max() - sizes.min() <= 1


@given(st.lists(st.integers(0, 20), min_size=1, max_size=200), st.integers(2, 6), st.integers(0, 3))
def test_a_group_shares_a_fold_and_folds_fill_up_evenly(keys: list[int], count: int, seed: int) -> None:
    """No group is cut, no two folds differ by more than the largest group, and the order of rows does not matter."""
    groups = row_digests.mixed(np.array(keys, dtype=np.uint64))
    assigned, distinct = folds.deal_groups(groups, count, seed)
    assert distinct == len(set(keys))
    assert all(len(set(assigned[groups == group])) == 1 for group in groups)
    sizes = np.bincount(assigned, minlength=count)
    assert sizes.max() - sizes.min() <= np.unique(groups, return_counts=True)[1].max()
    assert np.array_equal(folds.deal_groups(groups[::-1], count, seed)[0][::-1], assigned)


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
    first, second = row_digests.digests_of(np.array([[0.0, 1.0], [-0.0, 1.0]], np.float32), codes, 3)
    assert first == second


def test_swapped_columns_are_another_row() -> None:
    """The column is part of the content."""
    numbers = np.array([[1.0, 2.0], [2.0, 1.0]], np.float32)
    first, second = row_digests.digests_of(numbers, np.zeros((2, 0), np.int64), 3)
    assert first != second


def test_too_few_rows_are_refused(tmp_path: Path) -> None:
    """Two rows cannot be cut in three."""
    problem = synthetic(2, 1, (), 2)
    with pytest.raises(folds.TooFewRowsError, match=r"sweep\.folds: expected at most 2, .* got 3; lower sweep\.folds"):
        folds.cut(prepared(tmp_path / "a", problem), None, 3, 0)


def test_a_sample_is_one_of_content(tmp_path: Path) -> None:
    """Half of the rows are the same half in any order, and no row comes in that a smaller share lacks not."""
    problem = synthetic(2000)
    order = np.random.default_rng(0).permutation(2000)
    half, other = (
        folds.cut(prepared(tmp_path / name, part), None, 5, 0, 0.5)
        for name, part in (("a", problem), ("b", problem.take(order)))
    )
    assert [rows_of(half, fold).tolist() for fold in range(5)] == [rows_of(other, fold).tolist() for fold in range(5)]
    assert 900 < sum(len(block.labels) for block in half.blocks) < 1100
    tenth = folds.cut(prepared(tmp_path / "a", problem), None, 5, 0, 0.1)
    rows = {tuple(row) for fold in range(5) for row in rows_of(half, fold).tolist()}
    assert {tuple(row) for fold in range(5) for row in rows_of(tenth, fold).tolist()} < rows


def test_rows_that_do_not_count_are_no_rows(tmp_path: Path) -> None:
    """Weight 0 by sample or by class leaves a row out of every fold; with none left the message says where to look."""
    data = prepared(tmp_path / "a", synthetic(60, classes=2))
    pieces = folds.cut(data, np.array([1.0, 0.0]), 3, 0)
    assert not any(block.labels.any() for block in pieces.blocks)
    with pytest.raises(UserError, match=r"expected training rows of weight above 0 in the prepared data, got none"):
        folds.cut(data, np.array([0.0, 0.0]), 3, 0)

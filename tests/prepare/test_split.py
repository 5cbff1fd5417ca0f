"""Splits: stratified counts that never starve a class, lots that depend on the class alone, columns that say."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.dataset.columns import Texts
from pipeline.dataset.shard import SPLITS
from pipeline.errors import UserError
from pipeline.prepare import split
from pipeline.prepare.params import SplitParams

SHARES = st.sampled_from([0.0, 0.1, 0.15, 0.2, 0.25, 1 / 3, 0.4, 0.49])


@given(st.integers(0, 10_000), SHARES, SHARES)
@settings(deadline=None)
def test_counts_are_the_shares_rounded(rows: int, validation: float, test: float) -> None:
    """Counts add up, lie within one row of the exact shares, and leave every class a training row."""
    counts = split.counts(rows, validation, test)
    assert sum(counts) == rows
    assert min(counts) >= 0
    assert rows == 0 or counts[0] >= 1
    held_out = [Fraction(repr(validation)), Fraction(repr(test))]
    exact = [rows * (1 - sum(held_out)), *(rows * share for share in held_out)]
    # The row given back to training can cost one more than rounding does.
    slack = 1 if rows * (1 - sum(held_out)) >= 1 else 2
    assert all(abs(count - quota) < slack for count, quota in zip(counts, exact, strict=True))


def test_counts_of_the_penguins() -> None:
    """The shares of 152, 68 and 124 rows, worked out by hand: the largest remainder takes the row left over."""
    assert [split.counts(rows, 0.2, 0.2) for rows in (152, 68, 124)] == [(91, 31, 30), (41, 14, 13), (74, 25, 25)]
    assert [split.counts(rows, 0.2, 0.2) for rows in (1, 2, 3, 4, 5)] == [
        (1, 0, 0), (1, 1, 0), (2, 1, 0), (2, 1, 1), (3, 1, 1),
    ]  # fmt: skip
    assert split.counts(1, 0.49, 0.49) == (1, 0, 0)


def _assigned(labels: list[str], method: SplitParams) -> list[str]:
    classes = sorted(set(labels))
    codes = np.array([classes.index(label) for label in labels])
    return [SPLITS[index] for index in split.by_seed(codes, classes, method)]


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=60), st.integers(0, 2**32))
@settings(deadline=None)
def test_lots_are_stratified_and_repeat(labels: list[str], seed: int) -> None:
    """Each class is split by its counts, and the same seed draws the same lots."""
    method = SplitParams(method="seed", seed=seed)
    assigned = _assigned(labels, method)
    assert assigned == _assigned(labels, method)
    for name in set(labels):
        drawn = [where for where, label in zip(assigned, labels, strict=True) if label == name]
        assert tuple(drawn.count(where) for where in SPLITS) == split.counts(len(drawn), 0.2, 0.2)


@given(st.lists(st.sampled_from("ab"), min_size=2, max_size=60).filter(lambda labels: "a" in labels))
@settings(deadline=None)
def test_a_class_does_not_move_when_another_goes(labels: list[str]) -> None:
    """Rows of one class keep their split when all rows of another class are taken out."""
    method = SplitParams(method="seed", seed=7)
    mixed = [where for where, label in zip(_assigned(labels, method), labels, strict=True) if label == "a"]
    assert mixed == _assigned(["a"] * len(mixed), method)


def test_seeds_draw_different_lots() -> None:
    """Ten seeds split 50 rows in ten ways."""
    lots = {tuple(_assigned(["a"] * 50, SplitParams(method="seed", seed=seed))) for seed in range(10)}
    assert len(lots) == 10


def test_classes_draw_independent_lots() -> None:
    """Two classes of equal size are not split in the same pattern, and 1 is not "1"."""
    method = SplitParams(method="seed", seed=0)
    patterns = {tuple(split.by_seed(np.zeros(50, dtype=int), [name], method)) for name in ("a", "b", 1, "1", True)}
    assert len(patterns) == 5


def test_a_column_says_where_rows_go() -> None:
    """The words of a split column are taken row by row."""
    texts = Texts(np.array([1, 0, 2, 1], dtype=np.int32), ("test", "train", "validation"))
    assert split.by_column(Path("t.csv"), "fold", texts).tolist() == [0, 2, 1, 0]


@pytest.mark.parametrize(("cell", "line"), [("dev", 3), ("", 3), ("Train", 3), (" train", 3)])
def test_other_words_are_named_by_line(tmp_path: Path, cell: str, line: int) -> None:
    """Anything but the three words, no value included, is named with its line."""
    source = tmp_path / "t.csv"
    source.write_text(f"x,fold\n1,train\n2,{cell}\n")
    codes = np.array([0, -1 if cell == "" else 1], dtype=np.int32)
    with pytest.raises(UserError, match=f"line {line}, column fold: expected train, validation or test, got '{cell}'"):
        split.by_column(source, "fold", Texts(codes, ("train", cell) if cell else ("train",)))


def test_shares_leave_rows_to_train() -> None:
    """Shares that leave nothing to train on are refused when params are read."""
    with pytest.raises(ValidationError, match="less than 1"):
        SplitParams(method="seed", validation=0.5, test=0.5)


def test_a_split_by_column_names_the_column() -> None:
    """The method without its column is refused when params are read."""
    with pytest.raises(ValidationError, match=r"split\.column"):
        SplitParams(method="column")

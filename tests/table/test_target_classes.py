"""Labels: which classes the texts of a target stand for, and which targets are none."""

from pathlib import Path

import pytest

from pipeline.dataset import columns
from pipeline.errors import UserError
from pipeline.table import target_classes

SOURCE = Path("t.csv")

TARGETS = {
    "integers": (["10", "9", "-1"], [-1, 9, 10]),
    "whole floats and leading zeros": (["1.0", "01", "2", "3e0"], [1, 2, 3]),
    "beyond float64's integers": (["9007199254740993", "9007199254740992"], [9007199254740992, 9007199254740993]),
    "booleans": (["true", "FALSE", "True"], [False, True]),
    "texts": (["b", "B", "a"], ["B", "a", "b"]),
    "numbers and texts": (["1", "2", "none"], ["1", "2", "none"]),
    "booleans and texts": (["true", "maybe"], ["maybe", "true"]),
}


@pytest.mark.parametrize(("texts", "classes"), TARGETS.values(), ids=TARGETS.keys())
def test_classes_are_sorted_values_of_one_type(texts: list[str], classes: list[columns.Class]) -> None:
    """Integers, booleans and texts are told apart over all labels, and sorted as what they are."""
    ordered = target_classes.classes_of(SOURCE, "y", dict.fromkeys(texts, 1), as_text=False)
    assert list(ordered) == texts
    assert sorted(set(ordered.values())) == classes
    assert {type(value) for value in ordered.values()} == {type(classes[0])}


def test_declared_targets_are_texts() -> None:
    """A target declared as a category keeps its texts, fractions and many numbers included."""
    texts = [f"{value / 2}" for value in range(3_000)]
    assert target_classes.classes_of(SOURCE, "y", dict.fromkeys(texts, 1), as_text=True) == {
        text: text for text in texts
    }


def test_a_thousand_numbers_are_still_classes() -> None:
    """The rule for continuous targets allows 1,000 distinct whole numbers and not one more."""
    numbers = [str(value) for value in range(target_classes.MANY_NUMBERS + 1)]
    assert (
        len(target_classes.classes_of(SOURCE, "y", dict.fromkeys(numbers[1:], 1), as_text=False))
        == target_classes.MANY_NUMBERS
    )
    with pytest.raises(UserError, match=r"t.csv, column y: looks continuous: it has 1,001 distinct numbers"):
        target_classes.classes_of(SOURCE, "y", dict.fromkeys(numbers, 1), as_text=False)


@pytest.mark.parametrize("text", ["0.5", "1e19", "1e-400"])
def test_quantities_are_named_by_line(tmp_path: Path, text: str) -> None:
    """A fraction, or a number too large for an index of a class, is named with its line."""
    source = tmp_path / "t.csv"
    source.write_text(f"x,y\n1,1\n2,{text}\n")
    with pytest.raises(UserError, match=f"line 3, column y: looks continuous: it holds {text};"):
        target_classes.classes_of(source, "y", {"1": 1, text: 1}, as_text=False)


def test_one_class_is_nothing_to_learn() -> None:
    """Two spellings of one class are one class, and too few."""
    with pytest.raises(UserError, match="expected a target with two classes or more, got only 1;"):
        target_classes.classes_of(SOURCE, "y", {"1": 5, "1.0": 2}, as_text=False)

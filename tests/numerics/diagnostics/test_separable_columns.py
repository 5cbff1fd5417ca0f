"""Columns that alone tell a class from all others, against their definition row by row."""

import itertools

import numpy as np
import pytest

from pipeline.numerics.diagnostics.separable_columns import RowArrays, Separable, separable_classes

SMALL = range(120)


def drawn(seed: int) -> tuple[RowArrays, int, int, int]:
    """A few rows of few values, so that columns often tell a class apart; numbers, columns of W and classes."""
    generator = np.random.default_rng(seed)
    rows, numbers, classes = generator.integers(2, 9), int(generator.integers(0, 4)), int(generator.integers(2, 5))
    levels = generator.integers(2, 4, size=generator.integers(0, 3)).tolist()
    first = numbers + np.cumsum([0, *levels], dtype=np.int64)[: len(levels)]
    codes = (
        np.stack([generator.integers(0, count, rows) for count in levels], 1) if levels else np.zeros((rows, 0), int)
    )
    part = RowArrays(
        numbers=generator.integers(-2, 3, size=(rows, numbers)).astype(np.float32),
        codes=codes + first,
        labels=generator.integers(0, classes, rows).astype(np.int32),
    )
    return part, numbers, numbers + sum(levels), classes


def by_definition(rows: RowArrays, numbers: int, columns: int, classes: int, intercept: bool) -> set[Separable]:
    """Every pair of class and column of which a direction of W has no row against it, and a row for it."""
    table = np.zeros((len(rows.labels), columns))
    table[:, :numbers] = rows.numbers
    for codes in rows.codes.T:
        table[np.arange(len(codes)), codes] = 1.0
    present = sorted(set(rows.labels.tolist())) if intercept else range(classes)
    result = set()
    for label, column in itertools.product(present, range(columns)):
        mine, others = table[rows.labels == label, column], table[rows.labels != label, column]
        if column >= numbers:  # a level: told by never being in the class
            apart = bool(others.any()) and not mine.any()
        else:
            cuts = sorted({0.0, *table[:, column].tolist()}) if intercept else [0.0]
            sides = [(mine - cut, others - cut) for cut in cuts]
            sides += [(-one, -other) for one, other in sides]
            apart = any((a <= 0).all() and (b >= 0).all() and bool(a.any() or b.any()) for a, b in sides)
            apart = apart and len(present) > 1 and (not intercept or len(set(table[:, column].tolist())) > 1)
        if apart:
            result.add(Separable(label, column))
    return result


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("seed", SMALL)
def test_pairs_are_those_of_the_definition(seed: int, intercept: bool) -> None:
    """With b any cut parts a number, without it 0 alone; a class without rows takes part only without b."""
    rows, numbers, columns, classes = drawn(seed)
    result = separable_classes([rows], numbers, columns, classes, intercept)
    assert len(result) == len(set(result))
    assert set(result) == by_definition(rows, numbers, columns, classes, intercept)


def test_some_tables_have_pairs_and_some_have_none() -> None:
    """The tables above try both answers."""
    counts = [len(separable_classes([rows], *rest, True)) for rows, *rest in map(drawn, SMALL)]
    assert 10 < counts.count(0) < len(SMALL) - 10


@pytest.mark.parametrize("seed", range(20))
def test_parts_are_one_table(seed: int) -> None:
    """In any cut, empty parts among them, and with many classes."""
    generator = np.random.default_rng(seed)
    rows = 400
    whole = RowArrays(
        generator.normal(size=(rows, 3)).astype(np.float32),
        generator.integers(3, 9, size=(rows, 1)),
        generator.integers(0, 150, rows).astype(np.int32),
    )
    edges = [0, *sorted(generator.integers(0, rows, 4).tolist()), rows]
    parts = [RowArrays(whole.numbers[a:b], whole.codes[a:b], whole.labels[a:b]) for a, b in itertools.pairwise(edges)]
    assert separable_classes(parts, 3, 9, 150, True) == separable_classes([whole], 3, 9, 150, True)

"""Linear rules that are never wrong, against data made with and without one."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from pipeline.numerics.diagnostics.separation import separating
from tests.problems import standardised


def _labelled(random: np.random.Generator, rows: int, columns: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose label is the largest of some random linear scores: separable by construction; each class has rows."""
    while True:
        x = random.normal(size=(rows, columns))
        labels = (x @ random.normal(size=(columns, classes))).argmax(1)
        if len(np.unique(labels)) == classes:
            return x, labels


@pytest.mark.slow
@given(rows=st.integers(40, 800), columns=st.integers(2, 6), classes=st.integers(2, 4), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=25)
def test_labels_by_the_largest_score_are_told_apart_completely(
    rows: int, columns: int, classes: int, seed: int
) -> None:
    """Also where rows are more than the first program sees; every pair of classes is."""
    x, labels = _labelled(np.random.default_rng(seed), rows, columns, classes)
    rules = separating(x, labels, classes)
    assert rules is not None
    assert rules.complete
    assert rules.pairs == tuple((a, b) for a in range(classes) for b in range(a + 1, classes))


@given(columns=st.integers(1, 5), classes=st.integers(2, 4), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=25)
def test_rows_that_every_class_has_are_not_told_apart(columns: int, classes: int, seed: int) -> None:
    """The same 30 rows with every label: any rule that is right for one is wrong for another."""
    x = np.random.default_rng(seed).normal(size=(30, columns))
    assert separating(np.tile(x, (classes, 1)), np.repeat(np.arange(classes), 30), classes) is None


@pytest.mark.parametrize("seed", range(4))
def test_few_rows_of_many_columns_that_every_class_has_are_not_told_apart(seed: int) -> None:
    """Four rows of eleven columns, each with every label: a mean margin of 0 stays 0 whatever rounding makes of it."""
    x = np.repeat(standardised(np.random.default_rng(seed).normal(size=(4, 11))).astype(float), 3, axis=0)
    assert separating(x, np.tile([0, 1, 1], 4), 2) is None


def test_one_row_that_contradicts_undoes_a_rule_in_many_rows() -> None:
    """5,000 rows told apart by a sum; two rows deep on the wrong sides leave no rule."""
    x = np.random.default_rng(1).normal(size=(5000, 3))
    labels = (x[:, 0] + x[:, 1] > 0).astype(int)
    assert separating(x, labels, 2) is not None
    wrong = np.array([[3.0, 3.0, 0.0], [-3.0, -3.0, 0.0]])
    assert separating(np.vstack([x, wrong]), np.append(labels, [0, 1]), 2) is None


def test_the_rule_takes_few_columns() -> None:
    """One column of forty tells some rows apart, and it alone is named."""
    random = np.random.default_rng(2)
    x = random.normal(size=(2000, 40))
    x[:, 17] = random.integers(2, size=2000)
    labels = np.where(x[:, 17] == 1, 1, random.integers(2, size=2000))
    rules = separating(x, labels, 2)
    assert rules is not None
    assert (rules.columns, rules.complete) == ((17,), False)


@pytest.mark.parametrize(("intercept", "expected"), [(True, True), (False, False)])
def test_without_an_intercept_the_border_goes_through_zero(intercept: bool, expected: bool) -> None:
    """Numbers 1 to 6, told apart at 3.5: only with b."""
    x, labels = np.arange(1.0, 7.0)[:, None], np.array([0, 0, 0, 1, 1, 1])
    assert (separating(x, labels, 2, intercept) is not None) is expected

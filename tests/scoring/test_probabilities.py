"""Softmax, log-softmax and ranks against SciPy and PyTorch, and their properties on logits of any size."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipeline.scoring import probabilities

EPSILON = np.finfo(np.float64).eps

logits_of_any_size = arrays.arrays(
    np.float64, arrays.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6), elements=st.floats(-1e4, 1e4)
)
# Multiples of 1/1024 within 16 of 0: neighbours differ by more than any rounding of softmax.
distinguishable_logits = arrays.arrays(np.int64, (5, 4), elements=st.integers(-(2**14), 2**14), unique=True).map(
    lambda steps: steps / 1024
)


@pytest.fixture
def logits() -> np.ndarray:
    """300 rows of 7 classes, up to about 30 apart."""
    return np.random.default_rng(3).normal(scale=8.0, size=(300, 7))


def test_softmax_equals_scipy(logits: np.ndarray) -> None:
    """Softmax is SciPy's, up to the rounding of an exponent near 60."""
    np.testing.assert_allclose(probabilities.softmax(logits), scipy.special.softmax(logits, axis=1), rtol=64 * EPSILON)


def test_log_softmax_equals_scipy(logits: np.ndarray) -> None:
    """Log-softmax is SciPy's, up to a few roundings of numbers near 60."""
    expected = scipy.special.log_softmax(logits, axis=1)
    np.testing.assert_allclose(probabilities.log_softmax(logits), expected, rtol=4 * EPSILON, atol=64 * EPSILON)


def test_one_hot_times_log_softmax_is_cross_entropy(logits: np.ndarray) -> None:
    """Minus the mean of one-hot times log-softmax, by hand, is torch's cross-entropy."""
    labels = np.random.default_rng(4).integers(0, 7, size=len(logits))
    by_hand = -(np.eye(7)[labels] * probabilities.log_softmax(logits)).sum() / len(logits)
    expected = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels))
    # A mean of 300 numbers below 60: each library adds them in its own order.
    assert by_hand == pytest.approx(expected.item(), rel=300 * EPSILON)


@given(logits_of_any_size)
def test_probabilities_sum_to_one(logits: np.ndarray) -> None:
    """Every row is a distribution, however large its logits are."""
    result = probabilities.softmax(logits)
    assert np.all((result >= 0) & (result <= 1))
    np.testing.assert_allclose(result.sum(axis=1), 1.0, rtol=logits.shape[1] * EPSILON)


@given(logits_of_any_size, st.integers(-100, 100))
def test_adding_a_constant_to_a_row_changes_nothing(logits: np.ndarray, constant: int) -> None:
    """Softmax sees only differences of logits; the shift itself rounds them by 1e4 * eps at most."""
    shifted = probabilities.softmax(logits + constant)
    np.testing.assert_allclose(shifted, probabilities.softmax(logits), rtol=5e4 * EPSILON, atol=1e-300)


@given(distinguishable_logits)
def test_ranks_by_logit_equal_ranks_by_probability(logits: np.ndarray) -> None:
    """Softmax keeps the order, so ranking logits or probabilities is the same, and is SciPy's ranking."""
    by_logit = probabilities.ranks(logits)
    np.testing.assert_array_equal(by_logit, probabilities.ranks(probabilities.softmax(logits)))
    np.testing.assert_array_equal(by_logit, scipy.stats.rankdata(-logits, method="ordinal", axis=1))


@given(logits_of_any_size)
def test_a_better_rank_never_has_a_smaller_probability(logits: np.ndarray) -> None:
    """Where probabilities round to one number or to 0, ranks still never contradict them."""
    order = np.argsort(probabilities.ranks(logits), axis=1)
    ranked = np.take_along_axis(probabilities.softmax(logits), order, axis=1)
    assert np.all(np.diff(ranked, axis=1) <= 0)


def test_equal_logits_rank_in_the_order_of_the_classes() -> None:
    """Ties go to the earlier class, and every rank is used once."""
    np.testing.assert_array_equal(probabilities.ranks(np.array([[0.5, 2.0, 0.5, 2.0]])), [[3, 1, 4, 2]])


def test_extreme_logits_stay_finite() -> None:
    """Logits of plus and minus 10,000 give exact certainty, and the log of the tiny probability is kept."""
    logits = np.array([[1e4, -1e4], [-1e4, -1e4], [0.0, 1e4]])
    np.testing.assert_array_equal(probabilities.softmax(logits), [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    np.testing.assert_array_equal(
        probabilities.log_softmax(logits), [[0.0, -2e4], [-np.log(2), -np.log(2)], [-1e4, 0.0]]
    )


def test_a_row_has_the_same_bits_alone_and_among_others(logits: np.ndarray) -> None:
    """A row's probabilities do not depend on the rows beside it or on the memory layout of the block."""
    together = probabilities.softmax(logits)
    alone = np.vstack([probabilities.softmax(logits[row : row + 1]) for row in range(len(logits))])
    assert together.tobytes() == alone.tobytes()
    assert together.tobytes() == probabilities.softmax(np.asfortranarray(logits)).tobytes()

"""Log loss against scikit-learn and PyTorch, calibration against its definition row by row."""

import math

import numpy as np
import pytest
import sklearn.metrics
from statsmodels.stats.proportion import proportion_confint

from pipeline.evaluate import calibration, metrics
from pipeline.scoring import probabilities


@pytest.fixture
def logits() -> np.ndarray:
    """500 rows of 4 classes."""
    return np.random.default_rng(1).normal(scale=2.0, size=(500, 4))


@pytest.fixture
def labels() -> np.ndarray:
    """A class for each of the 500 rows, unrelated to the logits."""
    return np.random.default_rng(2).integers(0, 4, size=500)


def log_likelihoods(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Log probability of each row's class."""
    return probabilities.log_softmax(logits)[np.arange(len(labels)), labels]


@pytest.mark.parametrize("weighted", [False, True])
def test_log_loss_equals_scikit_learn(logits: np.ndarray, labels: np.ndarray, weighted: bool) -> None:
    """Where nothing is clipped, log loss is scikit-learn's, with and without weights."""
    weights = np.random.default_rng(5).uniform(0.1, 3.0, size=500) if weighted else np.ones(500)
    expected = sklearn.metrics.log_loss(labels, probabilities.softmax(logits), sample_weight=weights)
    # 500 rounded additions on scikit-learn's side.
    assert metrics.log_loss(log_likelihoods(logits, labels), weights) == pytest.approx(expected, rel=500 * 2**-52)


def test_log_loss_of_a_confident_error_is_not_clipped() -> None:
    """A wrong answer 1,000 nats away costs 1,000 nats; scikit-learn's clipping would say 36."""
    assert metrics.log_loss(np.array([-1000.0]), np.ones(1)) == 1000.0


def test_log_loss_of_a_perfect_model_is_zero_without_a_sign() -> None:
    """Certainty costs 0.0, never -0.0, which would print as such."""
    assert math.copysign(1.0, metrics.log_loss(np.zeros(3), np.ones(3))) == 1.0


def test_log_loss_does_not_depend_on_the_order_of_rows(logits: np.ndarray, labels: np.ndarray) -> None:
    """Sums are exact, so any order of rows gives the same bits."""
    likelihoods = log_likelihoods(logits, labels)
    order = np.random.default_rng(6).permutation(500)
    assert metrics.log_loss(likelihoods, np.ones(500)) == metrics.log_loss(likelihoods[order], np.ones(500))


def test_calibration_equals_its_definition_row_by_row(logits: np.ndarray, labels: np.ndarray) -> None:
    """The error is the sum over bins of share times |accuracy - confidence|, as Guo et al. define it."""
    probability = probabilities.softmax(logits)
    confidence, hit = probability.max(axis=1), probability.argmax(axis=1) == labels
    expected = 0.0
    for low in range(10):
        rows = [row for row in range(500) if low / 10 < confidence[row] <= (low + 1) / 10]
        if rows:
            gap = sum(float(hit[row]) for row in rows) - sum(confidence[row] for row in rows)
            expected += abs(gap) / 500
    calibrated = calibration.calibration(confidence, hit, np.ones(500), 10)
    # 500 rounded additions in each of the two.
    assert calibration.expected_calibration_error(calibrated) == pytest.approx(expected, abs=500 * 2**-52)


def test_a_weight_of_two_is_a_row_given_twice(logits: np.ndarray, labels: np.ndarray) -> None:
    """Weights count rows."""
    confidence, hit = probabilities.softmax(logits).max(axis=1), labels == 0
    twice = calibration.calibration(np.tile(confidence, 2), np.tile(hit, 2), np.ones(1000), 7)
    weighted = calibration.calibration(confidence, hit, np.full(500, 2.0), 7)
    np.testing.assert_array_equal(weighted.weight, twice.weight)
    # Sums of up to 1,000 numbers, added in two different orders.
    np.testing.assert_allclose(weighted.predicted, twice.predicted, rtol=1000 * 2**-52)
    np.testing.assert_array_equal(weighted.observed, twice.observed)


def test_of_hardly_any_weight_a_share_may_be_anything() -> None:
    """A weight may be as small as float64 has it; nothing is warned of."""
    low, high = calibration.wilson_interval(np.array([0.5, 1.0]), np.array([1e-300, 5e-324]))
    assert (low.tolist(), high.tolist()) == ([0.0, 0.0], [1.0, 1.0])


def test_a_bin_holds_its_upper_edge_and_the_first_holds_zero() -> None:
    """0 and 0.5 fall into the lower of two bins, 1 into the upper."""
    calibrated = calibration.calibration(np.array([0.0, 0.5, 1.0]), np.array([False, True, True]), np.ones(3), 2)
    np.testing.assert_array_equal(calibrated.weight, [2.0, 1.0])
    np.testing.assert_array_equal(calibrated.observed, [0.5, 1.0])


def test_certain_and_right_is_perfectly_calibrated() -> None:
    """The error is 0 for certain hits and 1 for certain misses."""
    for hit, expected in ((True, 0.0), (False, 1.0)):
        calibrated = calibration.calibration(np.ones(4), np.full(4, hit), np.ones(4), 10)
        assert calibration.expected_calibration_error(calibrated) == expected


def test_intervals_of_shares_equal_statsmodels() -> None:
    """Wilson's interval, also of shares 0 and 1 and of one row."""
    hits, rows = np.array([0, 1, 1, 7, 300, 999]), np.array([1, 1, 3, 9, 1000, 999])
    low, high = calibration.wilson_interval(hits / rows, rows.astype(np.float64))
    expected = proportion_confint(hits, rows, method="wilson")
    # A dozen roundings of numbers up to 1 on either side.
    np.testing.assert_allclose(low, expected[0], atol=12 * 2**-52)
    np.testing.assert_allclose(high, expected[1], atol=12 * 2**-52)

"""Metrics in replicates: scikit-learn's with the same weights, and relations that hold whatever the rows are."""

import dataclasses

import numpy as np
import pytest
import sklearn.metrics

from pipeline.evaluate.calibration import calibration, expected_calibration_error
from pipeline.evaluate.metrics import Predictions, score
from pipeline.evaluate.replicates import Replicates, replicate_metrics
from pipeline.resampling.poisson_weights import poisson_weights
from tests.evaluate.test_metrics import predictions_of, random_predictions, rows_of

# Numbers on a grid of 2^-39 of the largest, added a few hundred times.
GRID = 1e-9


def arrays(replicates: Replicates) -> list[np.ndarray]:
    """All of them, in one order."""
    return [*replicates.metrics.values(), *replicates.of_classes.values(), replicates.gaps, replicates.own_gaps]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [2, 5])
def test_three_replicates_equal_scikit_learn(classes: int, weighted: bool) -> None:
    """sample_weight is the row's weight times that of its unit; units of three rows."""
    given = random_predictions(300, classes, weighted=weighted)
    given = dataclasses.replace(given, units=given.units // 3)
    replicates = replicate_metrics(given, 10)
    y, p, predicted = given.labels, given.probabilities, given.predicted
    for place in (0, 17, 999):
        w = given.weights * poisson_weights(given.units)[:, place]
        labels = np.arange(classes)
        by_class = sklearn.metrics.precision_recall_fscore_support(y, predicted, labels=labels, sample_weight=w)
        expected = {
            "log_loss": sklearn.metrics.log_loss(y, p, sample_weight=w),
            "accuracy": sklearn.metrics.accuracy_score(y, predicted, sample_weight=w),
            "balanced_accuracy": sklearn.metrics.balanced_accuracy_score(y, predicted, sample_weight=w),
            "macro_f1": sklearn.metrics.f1_score(y, predicted, average="macro", sample_weight=w),
            "brier": sklearn.metrics.brier_score_loss(y, p, sample_weight=w),
        }
        result = {name: values[place] for name, values in replicates.metrics.items()}
        assert result == pytest.approx(expected, rel=GRID)
        for name, column in zip(("precision", "recall", "f1"), by_class, strict=False):
            assert replicates.of_classes[name][place] == pytest.approx(column, rel=GRID)
        error = expected_calibration_error(calibration(p.max(axis=1), predicted == y, w, 10))
        assert np.abs(replicates.gaps[place]).sum() == pytest.approx(error, rel=GRID)


def test_own_gaps_are_those_of_the_calibration_error() -> None:
    given = random_predictions(300, 3, weighted=True)
    error = score(given, [0, 1, 2], 7).values["expected_calibration_error"]
    assert np.abs(replicate_metrics(given, 7).own_gaps).sum() == pytest.approx(error, rel=GRID)


@pytest.mark.parametrize("threads", ["1", "3"])
def test_no_bit_depends_on_the_order_of_rows_or_threads(threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = random_predictions(3000, 4, weighted=True)
    expected = arrays(replicate_metrics(given, 10))
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    again = arrays(replicate_metrics(rows_of(given, np.random.default_rng(1).permutation(3000)), 10))
    for one, other in zip(expected, again, strict=True):
        assert one.tobytes() == other.tobytes()


def test_a_row_twice_in_a_unit_is_a_row_of_weight_2() -> None:
    given = random_predictions(60, 3)
    twice = rows_of(given, np.repeat(np.arange(60), 2))
    heavy = dataclasses.replace(given, weights=np.full(60, 2.0))
    for one, other in zip(arrays(replicate_metrics(twice, 10)), arrays(replicate_metrics(heavy, 10)), strict=True):
        assert one == pytest.approx(other, rel=GRID, nan_ok=True)


def test_replicates_without_a_class_do_not_define_its_recall_nor_the_means() -> None:
    """Of a class with one row e^-1 of the replicates have none; of one that never was, no mean is spoilt."""
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2])
    replicates = replicate_metrics(predictions_of(3.0 * np.eye(4)[[0, 0, 1, 0, 1, 1, 1, 0, 2]], labels), 10)
    absent = poisson_weights(np.array([9]))[0] == 0
    assert np.isnan(replicates.of_classes["recall"][absent, 2]).all()
    assert np.isnan(replicates.of_classes["recall"][:, 3]).all()
    for name in ("balanced_accuracy", "macro_f1"):
        assert np.isnan(replicates.metrics[name][absent]).all()
        assert np.isfinite(replicates.metrics[name]).mean() > 0.5


def test_an_infinite_log_loss_is_left_out() -> None:
    one = np.ones(1, dtype=np.uint64)
    ruled_out = Predictions(np.array([1]), np.array([0]), np.array([[1.0, 0.0]]), np.array([-np.inf]), np.ones(1), one)
    assert "log_loss" not in replicate_metrics(ruled_out, 10).metrics

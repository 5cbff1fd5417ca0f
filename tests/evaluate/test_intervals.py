"""Which metrics have an interval, what it is, and what is said where there is none."""

import dataclasses

import numpy as np
import pytest

from pipeline.evaluate.intervals import AREA, CALIBRATION_ERROR, Measure, metric_intervals, paired_intervals
from pipeline.evaluate.metrics import score
from pipeline.evaluate.replicates import replicate_metrics
from pipeline.resampling.mean_difference import mean_difference
from tests.evaluate.test_metrics import predictions_of, random_predictions, rows_of


@pytest.mark.parametrize("classes", [2, 4])
def test_every_metric_has_an_interval_that_holds_its_value(classes: int) -> None:
    """But the calibration error, whose own value is too large."""
    given = random_predictions(400, classes, weighted=True)
    scored = score(given, list(range(classes)), 10)
    result = metric_intervals(given, 10)
    assert result.refused == {}
    of_all = {measure.metric: interval for measure, interval in result.bounds.items() if measure.label is None}
    assert of_all.keys() == scored.values.keys()
    for name, interval in of_all.items():
        assert interval.low < interval.high
        assert name == CALIBRATION_ERROR or interval.low < scored.values[name] < interval.high
    for label, record in enumerate(scored.per_class):
        for name in ("precision", "recall", "f1"):
            interval = result.bounds[Measure(name, label)]
            assert interval.low <= record[name] <= interval.high


def test_a_percentile_interval_is_the_25th_and_976th_replicate() -> None:
    given = random_predictions(400, 3)
    ordered = np.sort(replicate_metrics(given, 10).metrics["brier"])
    interval = metric_intervals(given, 10).bounds[Measure("brier")]
    assert (interval.low, interval.high, interval.left_out) == (ordered[24], ordered[975], 0)


def test_groups_of_repeated_rows_have_the_intervals_of_one_row_each() -> None:
    given = random_predictions(200, 3)
    grouped = rows_of(given, np.repeat(np.arange(200), 5))
    once, again = (metric_intervals(each, 10).bounds for each in (given, grouped))
    assert once.keys() == again.keys()
    for measure, interval in once.items():
        assert dataclasses.astuple(again[measure]) == pytest.approx(dataclasses.astuple(interval), rel=1e-9)


@pytest.mark.parametrize("rows", [1, 2])
def test_a_row_or_two_alike_have_reasons_instead(rows: int) -> None:
    given = predictions_of(np.tile([[0.0, 1.0]], (rows, 1)), np.ones(rows, dtype=int))
    result = metric_intervals(given, 10)
    assert result.bounds == {}
    reasons = {"every replicate has the same value"}
    assert {reason for measure, reason in result.refused.items()} == reasons
    assert Measure(AREA) not in result.refused  # not defined at all, which metrics say


def test_what_has_no_error_has_no_interval() -> None:
    """Resampling rows without an error shows none; an area of 1 has no logit."""
    labels = np.arange(30) % 3
    result = metric_intervals(predictions_of(np.linspace(2, 9, 30)[:, None] * np.eye(3)[labels], labels), 10)
    assert result.refused[Measure("accuracy")] == "every replicate has the same value"
    assert result.refused[Measure(AREA)] == "the area is exactly 1"
    assert Measure("log_loss") in result.bounds


def test_probabilities_of_exactly_0_and_1_leave_log_loss_without_interval() -> None:
    given = predictions_of(1e4 * np.eye(2)[[0, 1, 1, 0, 1, 0]], np.array([0, 1, 0, 0, 1, 1]))
    given = dataclasses.replace(given, log_likelihoods=np.where(given.predicted == given.labels, 0.0, -np.inf))
    result = metric_intervals(given, 10)
    assert Measure("log_loss") not in {*result.bounds, *result.refused}
    assert {Measure("brier"), Measure("accuracy")} <= result.bounds.keys()


def test_replicates_that_lack_a_class_are_counted_or_too_many() -> None:
    """A class with one row is left out of e^-1 of the replicates, of two such classes of 1 - (1 - e^-1)^2."""
    labels = np.array([0] * 20 + [1] * 20 + [2])
    generator = np.random.default_rng(0)
    one = metric_intervals(predictions_of(generator.normal(size=(41, 3)), labels), 10)
    assert one.bounds[Measure("balanced_accuracy")].left_out == pytest.approx(1000 / np.e, abs=100)
    assert "one independent row" in one.refused[Measure(AREA)]
    two = metric_intervals(predictions_of(generator.normal(size=(42, 4)), np.append(labels, 3)), 10)
    assert "of 1,000 replicates have the rows" in two.refused[Measure("balanced_accuracy")]


def test_a_paired_mean_is_that_of_mean_difference() -> None:
    a = random_predictions(300, 3, weighted=True)
    b = dataclasses.replace(predictions_of(np.log(a.probabilities) * 0.7, a.labels), weights=a.weights)
    interval = paired_intervals(a, b, 10).bounds[Measure("log_loss")]
    expected = mean_difference(a.units, a.weights, -a.log_likelihoods, -b.log_likelihoods)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_pairs_are_surer_than_each_alone_and_turn_with_the_sides() -> None:
    a = random_predictions(500, 3)
    b = predictions_of(np.log(a.probabilities) * 0.9, a.labels)
    alone, ahead, back = metric_intervals(a, 10).bounds, paired_intervals(a, b, 10), paired_intervals(b, a, 10)
    for measure, interval in ahead.bounds.items():
        opposite = back.bounds[measure]
        assert (interval.low, interval.high) == pytest.approx((-opposite.high, -opposite.low), abs=1e-12)
    for name in ("log_loss", "brier"):
        one, pair = alone[Measure(name)], ahead.bounds[Measure(name)]
        assert pair.high - pair.low < 0.5 * (one.high - one.low)
    assert "accuracy" in {measure.metric for measure in ahead.refused}  # no prediction is another

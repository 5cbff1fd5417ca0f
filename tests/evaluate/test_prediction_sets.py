"""The record of prediction sets in metrics.json, counted by hand and against scipy's intervals."""

import numpy as np
import pytest
from scipy.stats import beta, binomtest

from pipeline.evaluate.metrics import Predictions
from pipeline.evaluate.prediction_sets import SetCounts, prediction_set_records
from pipeline.scoring.decision import Decision
from pipeline.scoring.prediction_sets import PredictionSets

CLASSES = ["a", "b", "c"]


def rows(labels: np.ndarray, weights: np.ndarray | None = None) -> Predictions:
    """Rows of these classes, of which only labels and weights are looked at."""
    n = len(labels)
    nothing = np.zeros(n)
    return Predictions(
        labels,
        labels,
        np.zeros((n, 3)),
        nothing,
        np.ones(n) if weights is None else weights,
        np.arange(n).astype(np.uint64),
    )


def decision(set_rows: float | None = 99, level: float = 0.9) -> Decision:
    """Sets from so many validation rows."""
    return Decision(sets=PredictionSets("lac", np.array([0.5])), set_rows=set_rows, level=level)


def test_shares_and_sizes_are_counted_and_intervals_are_scipys() -> None:
    """Blocks are added up; Clopper and Pearson's interval is binomtest's, the expected one that of Beta(90, 10)."""
    generator = np.random.default_rng(0)
    labels, contained = generator.integers(0, 2, 200), generator.random((200, 3)) < 0.6
    counts = SetCounts(3)
    for part in (slice(0, 50), slice(50, 200)):
        counts.add("test", rows(labels[part]), contained[part])
    (record,) = prediction_set_records(counts, decision(), CLASSES)
    covered, size = contained[np.arange(200), labels], contained.sum(axis=1)
    interval = binomtest(int(covered.sum()), 200).proportion_ci(0.95, method="exact")
    expected = {
        "split": "test",
        "coverage": 0.9,
        "rows": 200,
        "covered": covered.mean(),
        "low": pytest.approx(interval.low, abs=1e-9),
        "high": pytest.approx(interval.high, abs=1e-9),
        "expected_low": pytest.approx(beta.ppf(0.025, 90, 10), abs=1e-9),
        "expected_high": pytest.approx(beta.ppf(0.975, 90, 10), abs=1e-9),
        "mean_size": size.mean(),
        "sizes": [{"size": s, "rows": int((size == s).sum())} for s in range(4) if (size == s).any()],
        "per_class": [
            {
                "class": name,
                "rows": int((labels == place).sum()),
                "covered": covered[labels == place].mean() if place < 2 else None,
                "mean_size": size[labels == place].mean() if place < 2 else None,
            }
            for place, name in enumerate(CLASSES)
        ],
    }
    assert record == expected


def test_a_whole_weight_is_that_many_rows_and_another_has_no_interval() -> None:
    """All numbers but the count of rows; weights that are not whole give a share without an interval."""
    generator = np.random.default_rng(1)
    labels, contained = generator.integers(0, 3, 60), generator.random((60, 3)) < 0.7
    weights = generator.integers(0, 4, 60).astype(float)
    times = weights.astype(int)
    weighted, repeated, halved = SetCounts(3), SetCounts(3), SetCounts(3)
    weighted.add("test", rows(labels, weights), contained)
    repeated.add("test", rows(np.repeat(labels, times)), np.repeat(contained, times, axis=0))
    halved.add("test", rows(labels, weights / 2), contained)
    records = [prediction_set_records(each, decision(), CLASSES)[0] for each in (weighted, repeated, halved)]
    assert [record.pop("rows") for record in records] == [(times > 0).sum(), times.sum(), (times > 0).sum()]
    assert records[0] == records[1]
    assert (records[2]["low"], records[2]["high"]) == (None, None)
    assert records[2]["covered"] == records[0]["covered"]


def test_only_rows_that_nothing_was_fitted_on_are_counted() -> None:
    """Those of train and validation are not exchangeable with new ones; without test rows there is no record."""
    counts = SetCounts(3)
    for split in ("train", "validation"):
        counts.add(split, rows(np.array([0, 1])), np.ones((2, 3), dtype=bool))
    assert prediction_set_records(counts, decision(), CLASSES) == []
    counts.add("test", rows(np.array([0, 1])), None)
    assert prediction_set_records(counts, decision(), CLASSES) == []


def test_ends_of_the_intervals_are_0_and_1() -> None:
    """Nothing or everything covered; sets of all classes are expected to cover everything; by class there is no n."""
    for share, (low, high) in ((0, (0.0, 0.84)), (1, (0.15, 1.0))):
        counts = SetCounts(3)
        counts.add("test", rows(np.array([2, 1])), np.full((2, 3), bool(share)))
        (record,) = prediction_set_records(counts, decision(5), CLASSES)
        assert (record["low"], record["high"]) == pytest.approx((low, high), abs=0.01)
        assert (record["expected_low"], record["expected_high"]) == (1.0, 1.0)
        (record,) = prediction_set_records(counts, decision(None), CLASSES)
        assert (record["expected_low"], record["expected_high"]) == (None, None)

"""Every metric against scikit-learn called in its plainest way, and what is said where a metric is not defined."""

import dataclasses
import itertools
import warnings

import numpy as np
import pytest
import sklearn.metrics

from pipeline.evaluate.metrics import Predictions, score
from pipeline.scoring import probabilities

# Each side adds at most a few hundred rounded numbers below 10.
ROUNDING = 1e-13

ONE = np.ones(1, dtype=np.uint64)


def predictions_of(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray | None = None) -> Predictions:
    """What a model with these logits says about rows of these classes."""
    return Predictions(
        labels=labels,
        predicted=logits.argmax(axis=1),
        probabilities=probabilities.softmax(logits),
        log_likelihoods=probabilities.log_softmax(logits)[np.arange(len(labels)), labels],
        weights=np.ones(len(labels)) if weights is None else weights,
        units=np.arange(1, len(labels) + 1, dtype=np.uint64),
    )


def rows_of(given: Predictions, index: np.ndarray) -> Predictions:
    """The chosen rows, in that order."""
    return Predictions(*(getattr(given, column.name)[index] for column in dataclasses.fields(given)))


def random_predictions(rows: int, classes: int, *, weighted: bool = False) -> Predictions:
    """Logits that lean towards the true class."""
    generator = np.random.default_rng(rows + classes)
    labels = generator.integers(0, classes, size=rows)
    logits = generator.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[labels]
    return predictions_of(logits, labels, generator.uniform(0.1, 3.0, size=rows) if weighted else None)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [2, 3, 6])
def test_values_equal_scikit_learn(classes: int, weighted: bool) -> None:
    """All metrics are the library's own definitions, for two classes and more, with and without weights."""
    given = random_predictions(400, classes, weighted=weighted)
    y, p, w = given.labels, given.probabilities, given.weights
    ranked = p[:, 1] if classes == 2 else p
    expected = {
        "log_loss": sklearn.metrics.log_loss(y, p, sample_weight=w),
        "accuracy": sklearn.metrics.accuracy_score(y, p.argmax(axis=1), sample_weight=w),
        "balanced_accuracy": sklearn.metrics.balanced_accuracy_score(y, p.argmax(axis=1), sample_weight=w),
        "macro_f1": sklearn.metrics.f1_score(y, p.argmax(axis=1), average="macro", sample_weight=w),
        "roc_auc_ovr": sklearn.metrics.roc_auc_score(y, ranked, multi_class="ovr", sample_weight=w),
        "brier": sklearn.metrics.brier_score_loss(y, ranked, sample_weight=w),
    }
    result = score(given, list(range(classes)), bins=10)
    assert {name: result.values[name] for name in expected} == pytest.approx(expected, rel=ROUNDING)
    assert result.undefined == {}


def test_per_class_equals_scikit_learn() -> None:
    """Precision, recall, F1 and support of each class, under its own name."""
    given = random_predictions(200, 3)
    report = sklearn.metrics.classification_report(
        given.labels, given.predicted, target_names=["a", "b", "c"], output_dict=True
    )
    for record in score(given, ["a", "b", "c"], bins=10).per_class:
        expected = report[record["class"]]
        values = [record["precision"], record["recall"], record["f1"], record["support"]]
        assert values == pytest.approx([expected[n] for n in ("precision", "recall", "f1-score", "support")])


def test_brier_of_a_confident_error_is_one_for_two_classes_and_two_for_more() -> None:
    """Both usual conventions, told apart by the number of classes."""
    for classes, worst in ((2, 1.0), (3, 2.0)):
        logits = 1e4 * np.eye(classes)[[1]]
        assert score(predictions_of(logits, np.array([0])), list(range(classes)), bins=10).values["brier"] == worst


def test_one_class_only_leaves_the_area_undefined() -> None:
    """The area under the ROC curve is null with a reason, the rest is there, and nothing warns."""
    given = predictions_of(np.random.default_rng(0).normal(size=(20, 3)), np.full(20, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = score(given, ["x", "y", "z"], bins=10)
    assert result.values["roc_auc_ovr"] is None
    assert result.undefined == {"roc_auc_ovr": "no row here is of class x, y"}
    assert result.values["balanced_accuracy"] == result.values["accuracy"]


def test_an_absent_class_has_no_recall_and_an_unpredicted_one_no_precision() -> None:
    """What would be 0/0 is null; macro averages leave it out, as scikit-learn does."""
    logits = 5.0 * np.eye(4)[[0, 0, 1, 1]]
    given = predictions_of(logits, np.array([0, 0, 1, 2]))
    result = score(given, ["a", "b", "c", "d"], bins=10)
    assert [record["recall"] for record in result.per_class] == [1.0, 1.0, 0.0, None]
    assert [record["precision"] for record in result.per_class] == [1.0, 0.5, None, None]
    assert [record["f1"] for record in result.per_class] == pytest.approx([1.0, 2 / 3, 0.0, None])
    expected = sklearn.metrics.f1_score(given.labels, given.predicted, average="macro")
    assert result.values["macro_f1"] == pytest.approx(expected, rel=ROUNDING)
    assert result.values["balanced_accuracy"] == pytest.approx(2 / 3, rel=ROUNDING)


def test_a_single_row_has_metrics() -> None:
    """The smallest split that can be."""
    result = score(predictions_of(np.array([[0.0, 1.0]]), np.array([1])), [False, True], bins=10)
    assert result.values["accuracy"] == 1.0
    assert result.values["log_loss"] == pytest.approx(np.log1p(np.exp(-1.0)), rel=ROUNDING)


def test_an_infinite_log_loss_is_null_with_a_reason() -> None:
    """A class that was ruled out but occurs makes log loss infinite, which JSON cannot hold."""
    ruled_out = Predictions(np.array([1]), np.array([0]), np.array([[1.0, 0.0]]), np.array([-np.inf]), np.ones(1), ONE)
    result = score(ruled_out, [0, 1], bins=10)
    assert result.values["log_loss"] is None
    assert "probability 0" in result.undefined["log_loss"]


def test_an_integer_weight_is_a_repeated_row() -> None:
    """Every metric counts a row of weight 3 as three rows, and a row of weight 0 not at all."""
    given = random_predictions(60, 3)
    weights = np.tile([0.0, 1.0, 3.0], 20)
    weighted = dataclasses.replace(given, weights=weights).weighted_rows()
    repeated = rows_of(given, np.repeat(np.arange(60), weights.astype(int)))
    classes = [0, 1, 2]
    assert score(weighted, classes, 10).values == pytest.approx(score(repeated, classes, 10).values, rel=ROUNDING)


def test_scores_repeat_bit_for_bit() -> None:
    """The same predictions give the same bits, whatever was computed before."""
    given = random_predictions(5000, 4, weighted=True)
    assert score(given, [0, 1, 2, 3], 10) == score(given, [0, 1, 2, 3], 10)


def test_joined_parts_are_the_whole() -> None:
    """Scoring shard by shard keeps every row in order."""
    predictions = random_predictions(100, 3)
    halves = [rows_of(predictions, np.arange(0, 37)), rows_of(predictions, np.arange(37, 100))]
    joined = Predictions.join(halves)
    np.testing.assert_array_equal(joined.probabilities, predictions.probabilities)
    np.testing.assert_array_equal(joined.labels, predictions.labels)


def _pairwise(numbers: list[float]) -> float:
    """numpy's order for contiguous numbers: eight running sums up to 128 of them, halves beyond."""
    count = len(numbers)
    if count < 8:
        total = 0.0
        for number in numbers:
            total += number
        return total
    if count > 128:
        half = count // 2 // 8 * 8
        return _pairwise(numbers[:half]) + _pairwise(numbers[half:])
    a, b, c, d, e, f, g, h = numbers[:8]
    whole = count // 8 * 8
    for i in range(8, whole, 8):
        lanes = numbers[i : i + 8]
        a, b, c, d = a + lanes[0], b + lanes[1], c + lanes[2], d + lanes[3]
        e, f, g, h = e + lanes[4], f + lanes[5], g + lanes[6], h + lanes[7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for number in numbers[whole:]:
        total += number
    return total


@pytest.mark.parametrize("count", [1, 7, 8, 100, 129, 1_000, 100_003])
def test_sums_of_metrics_have_one_order_on_every_processor(count: int) -> None:
    """numpy's sum, weighted mean, bincount and cumulative sum, which scikit-learn adds with, to the last bit."""
    generator = np.random.default_rng(count)
    x, w = generator.normal(size=count), generator.uniform(0.5, 2.0, size=count)
    assert np.sum(x) == _pairwise(x.tolist())
    assert np.average(x, weights=w) == _pairwise((x * w).tolist()) / _pairwise(w.tolist())
    in_turn = list(itertools.accumulate(x.tolist()))
    assert np.cumulative_sum(x).tolist() == in_turn
    assert np.bincount(np.zeros(count, dtype=np.int64), x)[0] == in_turn[-1]

"""The plot tables: what they hold, and that they stay small."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics

from pipeline.evaluate import plots
from pipeline.evaluate.metrics import Predictions
from tests.evaluate.test_metrics import predictions_of, random_predictions
from tests.test_model import make_model


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_confusion_has_scikit_learns_counts() -> None:
    """A line a pair of classes, with its rows and their share of the actual class."""
    given = random_predictions(300, 3)
    lines = plots.confusion_lines(given, ["a", "b", "c"])
    assert [(actual, predicted) for actual, predicted, *_ in lines] == [(a, b) for a in "abc" for b in "abc"]
    counts = sklearn.metrics.confusion_matrix(given.labels, given.predicted)
    np.testing.assert_array_equal([rows for *_, rows, _ in lines], counts.ravel())
    shares = sklearn.metrics.confusion_matrix(given.labels, given.predicted, normalize="true")
    np.testing.assert_allclose([share for *_, share in lines], shares.ravel(), rtol=2**-52)


def test_confusion_of_many_classes_has_those_of_most_rows() -> None:
    """A matrix too large to read has its largest classes, in their order; one without rows has shares of 0."""
    labels = np.concatenate([np.arange(60), np.arange(20, 60)])
    lines = plots.confusion_lines(predictions_of(np.eye(60)[labels], labels), list(range(60)))
    assert [*dict.fromkeys(actual for actual, *_ in lines)] == [str(label) for label in range(20, 60)]
    lines = plots.confusion_lines(predictions_of(np.eye(2)[:1], np.zeros(1, dtype=int)), ["a", "b"])
    assert lines == [("a", "a", 1, 1.0), ("a", "b", 0, 0.0), ("b", "a", 0, 0.0), ("b", "b", 0, 0.0)]


def test_roc_is_scikit_learns_curve_when_it_is_short() -> None:
    """A curve of few corners is kept whole."""
    given = random_predictions(80, 3)
    curve = sklearn.metrics.roc_curve(given.labels == 1, given.probabilities[:, 1])
    np.testing.assert_array_equal(plots.roc_points(given, 1), np.column_stack(curve[:2]))


def test_a_long_roc_is_thinned_and_keeps_its_ends_and_area() -> None:
    """At most 200 points, from (0, 0) to (1, 1), nowhere further than a pixel from the whole curve."""
    given = random_predictions(20_000, 3)
    points = np.array(plots.roc_points(given, 2))
    assert len(points) <= plots.ROC_POINTS
    np.testing.assert_array_equal(points[[0, -1]], [[0, 0], [1, 1]])
    area = sklearn.metrics.roc_auc_score(given.labels == 2, given.probabilities[:, 2])
    # Chords of length 2/199 cut off triangles of at most half that height squared, 200 of them.
    assert np.trapezoid(points[:, 1], points[:, 0]) == pytest.approx(area, abs=200 * (2 / 199) ** 2 / 8)


def test_every_table_names_the_split_and_every_class_has_its_curve(tmp_path: Path) -> None:
    """The folder holds what dvc.yaml draws, and class names stand in it as they are."""
    given = random_predictions(200, 3)
    plots.write(tmp_path / "plots", "test", given, make_model(classes=("a/b c", "é", "7")), 10)
    names = sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert names == ["calibration.csv", "confusion_matrix.csv", "cost_curve.csv", "largest_coefficients.csv", "roc.csv"]
    for name in ("calibration.csv", "confusion_matrix.csv", "roc.csv"):
        assert {row["split"] for row in table(tmp_path / "plots" / name)} == {"test"}
    assert [*dict.fromkeys(row["class"] for row in table(tmp_path / "plots" / "roc.csv"))] == ["a/b c", "é", "7"]
    rows = [float(row["rows"]) for row in table(tmp_path / "plots" / "calibration.csv")]
    assert sum(rows) == 200


def test_a_split_of_one_class_has_no_curve() -> None:
    """Without rows of other classes there is no false positive rate."""
    assert plots.roc_lines(predictions_of(np.eye(3), np.zeros(3, dtype=int)), [0, 1, 2]) == []


def test_only_the_largest_of_very_many_classes_are_drawn() -> None:
    """A page of hundreds of curves is not looked at, so the classes with the most rows are kept."""
    labels = np.concatenate([np.arange(50), np.arange(10, 50)])
    given: Predictions = predictions_of(np.random.default_rng(0).normal(size=(90, 50)), labels)
    drawn = dict.fromkeys(name for name, _, _ in plots.roc_lines(given, list(range(50))))
    assert [*drawn] == [str(label) for label in range(10, 42)]


def test_coefficients_come_with_the_largest_first_and_as_the_model_has_them() -> None:
    """Every coefficient of a small model is there once, ordered by the feature's largest in size."""
    model = make_model()
    lines = plots.coefficient_lines(model)
    values = {(feature, label): value for feature, label, value in lines}
    for row, label in enumerate(model.classes):
        for column, feature in enumerate(model.features):
            assert values.pop((feature, label)) == model.weights[row, column]
    assert not values
    sizes = [max(abs(value) for _, _, value in lines[start : start + 3]) for start in range(0, len(lines), 3)]
    assert sizes == sorted(sizes, reverse=True)


def test_features_without_a_coefficient_are_left_out() -> None:
    """A column of zeros says nothing; a model of zeros alone still has a line to draw."""
    model = make_model()
    half = dataclasses.replace(model, weights=np.where(np.arange(8) < 4, model.weights, 0.0))
    assert {feature for feature, _, _ in plots.coefficient_lines(half)} == set(model.features[:4])
    none = dataclasses.replace(model, weights=np.zeros_like(model.weights))
    assert [value for _, _, value in plots.coefficient_lines(none)] == [0.0, 0.0, 0.0]

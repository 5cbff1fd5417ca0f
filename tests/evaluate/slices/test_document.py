"""What slices.json says, against scikit-learn, fairlearn and its definitions."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import fairlearn.metrics
import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
from scipy.stats import false_discovery_control, norm

from pipeline.dataset.reader import Dataset
from pipeline.evaluate.slices.document import slices_document
from tests.evaluate.slices.problems import CLASSES, predicted, prepared, table

RATES = ("true_positive_rate", "false_positive_rate", "selection_rate")
COLUMNS = ["colour", "region", "size", "who"]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """The table."""
    return table(900)


@pytest.fixture(scope="module")
def dataset(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The table, weighted, all rows of which train."""
    return prepared(tmp_path_factory.mktemp("table"), frame, weights="w", leave_out=[])


@pytest.fixture(scope="module")
def document(dataset: Dataset) -> dict[str, Any]:
    """Of all kinds of columns, with costs."""
    predictions, _ = predicted(dataset, "train")
    costs = np.arange(len(predictions.labels)) % 7 / 7
    return slices_document(dataset, "train", predictions, COLUMNS, 10, costs)


def test_values_equal_scikit_learn(dataset: Dataset, frame: pd.DataFrame, document: dict[str, Any]) -> None:
    """Rows, log loss, accuracy, rates and cost of each colour, weighted."""
    predictions, rows = predicted(dataset, "train")
    costs = np.arange(len(rows)) % 7 / 7
    colours = frame["colour"].iloc[rows].to_numpy()
    records = [record for record in document["slices"] if record["column"] == "colour"]
    assert [record["value"] for record in records] == ["blue", "green", "red"]
    for record in records:
        inside = colours == record["value"]
        labels, guesses = predictions.labels[inside], predictions.predicted[inside]
        weights = predictions.weights[inside]
        assert record["rows"] == inside.sum()
        loss = sklearn.metrics.log_loss(labels, predictions.probabilities[inside], sample_weight=weights)
        # Sums are of numbers on a grid of 2^-39 of the largest.
        assert record["log_loss"] == pytest.approx(loss, rel=1e-9)
        assert record["accuracy"] == pytest.approx(
            sklearn.metrics.accuracy_score(labels, guesses, sample_weight=weights), rel=1e-9
        )
        assert record["cost"] == pytest.approx(np.average(costs[inside], weights=weights), rel=1e-9)
        for place, rates in enumerate(record["per_class"]):
            assert rates["class"] == CLASSES[place]
            actual, chosen = labels == place, guesses == place
            for name in RATES:
                expected = getattr(fairlearn.metrics, name)(actual, chosen, sample_weight=weights)
                assert rates[name] == pytest.approx(expected)
                assert rates[f"{name}_low"] <= rates[name] <= rates[f"{name}_high"]


def test_disparities_equal_fairlearn(dataset: Dataset, frame: pd.DataFrame, document: dict[str, Any]) -> None:
    """The ratio between the lowest and the highest group of MetricFrame, and the groups' names."""
    predictions, rows = predicted(dataset, "train")
    given = {"sample_weight": predictions.weights}
    checked = 0
    for record in document["disparities"]:
        if record["column"] != "colour" or record["measure"] == "accuracy":
            continue
        place = CLASSES.index(record["class"])
        expected = fairlearn.metrics.MetricFrame(
            metrics=getattr(fairlearn.metrics, record["measure"]),
            y_true=predictions.labels == place,
            y_pred=predictions.predicted == place,
            sensitive_features=frame["colour"].iloc[rows].to_numpy(),
            sample_params=given,
        )
        assert record["ratio"] == pytest.approx(expected.ratio())
        assert (record["lowest"], record["highest"]) == (expected.by_group.idxmin(), expected.by_group.idxmax())
        assert record["low"] <= record["high"] <= 1
        checked += 1
    assert checked == 9


def test_p_values_are_adjusted_over_all_slices(document: dict[str, Any]) -> None:
    """Benjamini and Hochberg's, over the slices of all columns that have one."""
    tested = [record for record in document["slices"] if record["p_value"] is not None]
    expected = false_discovery_control([record["p_value"] for record in tested])
    np.testing.assert_array_equal([record["adjusted_p_value"] for record in tested], expected)
    assert {record["column"] for record in tested} == {"colour", "region", "size"}


def test_a_slice_that_is_worse_is_told_and_one_that_is_not_is_not(dataset: Dataset, frame: pd.DataFrame) -> None:
    """A group whose losses are larger has the p-value of a test of two means, nearly; noise has none below 0.05."""
    predictions, rows = predicted(dataset, "train")
    assert all(
        record["adjusted_p_value"] > 0.05
        for record in slices_document(dataset, "train", predictions, COLUMNS[:3], 10)["slices"]
    )
    worse = frame["colour"].iloc[rows].to_numpy() == "green"
    changed = replace(predictions, log_likelihoods=predictions.log_likelihoods - 0.5 * worse)
    records = slices_document(dataset, "train", changed, ["colour"], 10)["slices"]
    [green] = [record for record in records if record["value"] == "green"]
    parts = [(-changed.log_likelihoods[chosen], changed.weights[chosen]) for chosen in (worse, ~worse)]
    means = [np.average(loss, weights=weight) for loss, weight in parts]
    errors = [
        np.sum((weight * (loss - mean)) ** 2) / weight.sum() ** 2
        for (loss, weight), mean in zip(parts, means, strict=True)
    ]
    z = (means[0] - means[1]) / np.sqrt(sum(errors))
    assert norm.isf(green["p_value"] / 2) == pytest.approx(z, rel=0.1)  # 1,000 replicates: 2.2 % a standard deviation
    assert green["adjusted_p_value"] < 0.001


def test_a_column_without_slices_has_a_reason(document: dict[str, Any]) -> None:
    """The others stand, and the document is plain JSON."""
    [left_out] = document["left_out"]
    assert left_out["column"] == "who"
    assert "prepare.keep_values" in left_out["reason"]
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_slices_do_not_depend_on_the_order_of_rows(
    frame: pd.DataFrame, tmp_path: Path, document: dict[str, Any]
) -> None:
    """Rows the other way round, each with its number of before, give the same records but for the calibration error.

    That is a sum in the order of the rows.
    """
    (tmp_path / "other").mkdir()
    other = prepared(tmp_path / "other", frame.iloc[::-1], weights="w", leave_out=[])
    predictions, rows = predicted(prepared(tmp_path, frame, weights="w", leave_out=[]), "train")
    back = replace(predictions, **{name: getattr(predictions, name)[::-1] for name in vars(predictions)})
    costs = np.arange(len(rows))[::-1] % 7 / 7
    turned = slices_document(other, "train", back, COLUMNS, 10, costs)
    for first, second in zip(document["slices"], turned["slices"], strict=True):
        error = second.pop("expected_calibration_error")
        assert first["expected_calibration_error"] == pytest.approx(error)
        assert {**second, "expected_calibration_error": first["expected_calibration_error"]} == first
    assert turned["disparities"] == document["disparities"]


def test_infinite_losses_few_rows_and_many_classes_leave_gaps(dataset: Dataset) -> None:
    """A log loss that is infinite has no number; everything else is there."""
    predictions, _ = predicted(dataset, "train")
    losses = predictions.log_likelihoods.copy()
    losses[3] = -np.inf
    document = slices_document(dataset, "train", replace(predictions, log_likelihoods=losses), ["colour"], 10)
    assert {record["log_loss"] for record in document["slices"]} == {None}
    assert {record["p_value"] for record in document["slices"]} == {None}
    assert all(record["accuracy"] is not None and record["cost"] is None for record in document["slices"])
    one = replace(predictions, **{name: getattr(predictions, name)[:1] for name in vars(predictions)})
    few = slices_document(dataset, "train", one, [], 10)
    assert few == {"slices": [], "disparities": [], "left_out": []}

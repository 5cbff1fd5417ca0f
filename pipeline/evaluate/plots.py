"""The tables that DVC draws: confusion matrix, ROC curves and calibration of one split, and the coefficients.

Each table of a split has a ``split`` column that says which. No table's size grows with the number of rows scored.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, roc_curve

from pipeline import files
from pipeline.dataset.columns import Class, class_text
from pipeline.evaluate import calibration, cost_curve
from pipeline.evaluate.metrics import Predictions
from pipeline.model import Model

# Cells of a larger matrix cannot be read.
CONFUSION_CLASSES = 40
# A curve 300 pixels wide shows no more.
ROC_POINTS = 200
# Each class has a small chart of its own; a page of more than these is not looked at.
ROC_CLASSES = 32
COEFFICIENT_CLASSES = 12
# Bars in such a chart that can still be told apart, with several revisions beside one another.
COEFFICIENT_FEATURES = 20


def write(folder: Path, split: str, predictions: Predictions, model: Model, bins: int) -> None:
    """Fill ``folder`` (replaced whole) with a table for each plot."""
    classes = model.classes
    with files.new_folder(folder) as new:
        cells = confusion_lines(predictions, classes)
        _write_split(new / "confusion_matrix.csv", ("actual", "predicted", "rows", "share"), split, cells)
        calibrated = calibration_lines(predictions, bins)
        _write_split(new / "calibration.csv", ("predicted", "observed", "low", "high", "rows"), split, calibrated)
        curves = roc_lines(predictions, classes)
        _write_split(new / "roc.csv", ("class", "false_positive_rate", "true_positive_rate"), split, curves)
        costs = cost_curve.cost_curve_lines(predictions)
        _write_split(new / "cost_curve.csv", cost_curve.COLUMNS, split, costs)
        coefficients = coefficient_lines(model)
        files.write_text(
            new / "largest_coefficients.csv", files.csv_text([("feature", "class", "coefficient"), *coefficients])
        )


def confusion_lines(predictions: Predictions, classes: Sequence[Class]) -> list[tuple[str, str, int, float]]:
    """(actual, predicted, rows, their share of the actual class) of every pair of the classes that have most rows.

    The share of a class without rows is 0. Weights are ignored.
    """
    counts = confusion_matrix(predictions.labels, predictions.predicted, labels=np.arange(len(classes)))
    rows = counts.sum(axis=1)
    drawn = np.sort(np.argsort(-rows, kind="stable")[:CONFUSION_CLASSES])
    shares = counts / np.maximum(rows, 1)[:, np.newaxis]
    names = [class_text(label) for label in classes]
    return [
        (names[actual], names[predicted], int(counts[actual, predicted]), float(shares[actual, predicted]))
        for actual in drawn
        for predicted in drawn
    ]


def roc_lines(predictions: Predictions, classes: Sequence[Class]) -> list[tuple[str, float, float]]:
    """(class, false positive rate, true positive rate) of each class that has both rows and other rows."""
    return [
        (class_text(classes[index]), false_positive, true_positive)
        for index in _drawn_classes(predictions, len(classes))
        for false_positive, true_positive in roc_points(predictions, index)
    ]


def roc_points(predictions: Predictions, index: int) -> list[list[float]]:
    """(false positive rate, true positive rate) of one class against the rest, at most ROC_POINTS of the curve."""
    rates = roc_curve(
        predictions.labels == index, predictions.probabilities[:, index], sample_weight=predictions.weights
    )
    false_positive, true_positive = rates[:2]
    # Evenly spaced along the staircase, whose length is 2: no corner lies further than 0.0101 from one kept.
    length = false_positive + true_positive
    corners = np.unique(np.searchsorted(length, np.linspace(0.0, length[-1], ROC_POINTS)))
    points: list[list[float]] = np.column_stack([false_positive, true_positive])[corners].tolist()
    return points


def calibration_lines(predictions: Predictions, bins: int) -> list[list[float]]:
    """Each bin of the calibration error: mean probability of the predicted class, share that was right with its 95 %
    interval, and weight.
    """
    hit = predictions.predicted == predictions.labels
    result = calibration.calibration(predictions.probabilities.max(axis=1), hit, predictions.weights, bins)
    lines: list[list[float]] = np.column_stack(
        [result.predicted, result.observed, result.low, result.high, result.weight]
    ).tolist()
    return lines


def coefficient_lines(model: Model) -> list[tuple[str, str, float]]:
    """(feature, class, coefficient) of the features whose coefficients are largest in size, the largest first.

    A coefficient is in nats per unit of the encoded feature; the bias is none.
    """
    coefficients = model.weights[:COEFFICIENT_CLASSES]
    size = np.abs(coefficients).max(axis=0)
    # Features that no training row has keep a weight of 0; DVC needs at least one line.
    largest = np.argsort(-size, kind="stable")[: min(COEFFICIENT_FEATURES, max(1, np.count_nonzero(size)))]
    names = [class_text(label) for label in model.classes]
    return [
        (model.features[column], names[row], float(coefficients[row, column]))
        for column in largest
        for row in range(len(coefficients))
    ]


def _drawn_classes(predictions: Predictions, count: int) -> NDArray[np.int64]:
    """The classes that have both rows and other rows, the largest first where there are too many."""
    support = np.bincount(predictions.labels, minlength=count)
    drawable = np.flatnonzero((support > 0) & (support < len(predictions.labels)))
    largest = drawable[np.argsort(-support[drawable], kind="stable")]
    return np.sort(largest[:ROC_CLASSES])


def _write_split(path: Path, columns: Sequence[str], split: str, lines: Iterable[Sequence[Any]]) -> None:
    files.write_text(path, files.csv_text([(*columns, "split"), *((*line, split) for line in lines)]))

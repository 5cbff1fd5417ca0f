"""The tables that DVC's own plot templates draw: confusion matrix, ROC curves and calibration of one split.

Each table has a ``split`` column that says which, and a size that does not grow with the number of rows scored.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, roc_curve

from pipeline import files
from pipeline.numerics import metrics
from pipeline.predictions import class_text
from pipeline.scores import Predictions
from pipeline.table.columns import Class

# DVC's confusion template counts lines, so a line has to stand for one row, or for an equal share of many.
CONFUSION_LINES = 10_000
# A curve 300 pixels wide shows no more.
ROC_POINTS = 200
# DVC draws each class's curve by itself; a page of more than this is not looked at.
ROC_CLASSES = 32


def write(folder: Path, split: str, predictions: Predictions, classes: Sequence[Class], bins: int) -> None:
    """Fill ``folder`` (replaced whole) with confusion.csv, calibration.csv and roc/<index>-<class>.csv."""
    with files.new_folder(folder) as new:
        _write_table(new / "confusion.csv", ("actual", "predicted"), split, confusion_lines(predictions, classes))
        calibrated = calibration_lines(predictions, bins)
        _write_table(new / "calibration.csv", ("predicted", "observed", "rows"), split, calibrated)
        for index in _drawn_classes(predictions, len(classes)):
            name = re.sub(r"[^\w.-]+", "_", class_text(classes[index]))[:64]
            lines = roc_lines(predictions, index)
            _write_table(
                new / "roc" / f"{index}-{name}.csv", ("false_positive_rate", "true_positive_rate"), split, lines
            )


def confusion_lines(predictions: Predictions, classes: Sequence[Class]) -> list[tuple[str, str]]:
    """One (actual, predicted) pair a row, up to CONFUSION_LINES rows; beyond, each pair stands for as many rows.

    A pair that occurs keeps at least one line, so that no kind of error vanishes from the picture. Weights are ignored.
    """
    names = [class_text(label) for label in classes]
    counts = confusion_matrix(predictions.labels, predictions.predicted, labels=np.arange(len(classes)))
    rows_per_line = max(1.0, len(predictions.labels) / CONFUSION_LINES)
    return [
        (names[actual], names[predicted])
        for actual, predicted in np.argwhere(counts)
        for _ in range(max(1, round(counts[actual, predicted] / rows_per_line)))
    ]


def roc_lines(predictions: Predictions, index: int) -> list[list[float]]:
    """(false positive rate, true positive rate) of one class against the rest, at most ROC_POINTS of the curve."""
    rates = roc_curve(
        predictions.labels == index, predictions.probabilities[:, index], sample_weight=predictions.weights
    )
    false_positive, true_positive = rates[:2]
    # Evenly spaced along the staircase, whose length is 2: no corner lies further than 0.0101 from one kept.
    length = false_positive + true_positive
    kept = np.unique(np.searchsorted(length, np.linspace(0.0, length[-1], ROC_POINTS)))
    points: list[list[float]] = np.column_stack([false_positive, true_positive])[kept].tolist()
    return points


def calibration_lines(predictions: Predictions, bins: int) -> list[list[float]]:
    """(mean probability of the predicted class, share that was right, weight) of each bin of the calibration error."""
    hit = predictions.predicted == predictions.labels
    result = metrics.calibration(predictions.probabilities.max(axis=1), hit, predictions.weights, bins)
    lines: list[list[float]] = np.column_stack([result.predicted, result.observed, result.weight]).tolist()
    return lines


def _drawn_classes(predictions: Predictions, count: int) -> NDArray[np.int64]:
    """The classes that have both rows and other rows, the largest first where there are too many."""
    support = np.bincount(predictions.labels, minlength=count)
    drawable = np.flatnonzero((support > 0) & (support < len(predictions.labels)))
    largest = drawable[np.argsort(-support[drawable], kind="stable")]
    return np.sort(largest[:ROC_CLASSES])


def _write_table(path: Path, columns: Sequence[str], split: str, lines: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*columns, "split"])
    writer.writerows([*line, split] for line in lines)
    files.write_text(path, text.getvalue())

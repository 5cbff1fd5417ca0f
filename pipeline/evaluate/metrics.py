"""Metrics of predicted probabilities on one set of rows, None where one is not defined.

n is the number of rows, k the number of classes; labels are class indices in [0, k).

Sums over rows have the same bits on every processor: scikit-learn 1.9 takes numpy's bincount and cumulative_sum, which
add one row after another, and numpy's sum, which adds contiguous numbers pairwise, in plain C whatever instructions the
processor has (``tests/evaluate/test_metrics.py`` holds that order). No metric here comes to a BLAS product, nor to a
sort that is not stable.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, precision_recall_fscore_support, roc_auc_score

from pipeline.dataset.columns import Class
from pipeline.evaluate import calibration

# What scikit-learn returns for 0/0; looked for afterwards and told as "not defined".
_UNDEFINED = np.nan


@dataclass(frozen=True)
class Predictions:
    """Predictions for rows whose class is known.

    Shapes: labels and predicted (n,), the true and the most probable class; probabilities (n, k); log_likelihoods (n,),
    the log probability of the true class in nats; weights (n,); units (n,), the row's number in the source, or the
    digest of the group that it belongs to: rows of a unit are resampled together.
    """

    labels: NDArray[np.integer[Any]]
    predicted: NDArray[np.integer[Any]]
    probabilities: NDArray[np.float64]
    log_likelihoods: NDArray[np.float64]
    weights: NDArray[np.float64]
    units: NDArray[np.uint64]

    def weighted_rows(self) -> "Predictions":
        """These predictions without the rows of weight 0, which no metric should see."""
        counts = self.weights > 0
        return self if counts.all() else Predictions(*(getattr(self, part.name)[counts] for part in fields(self)))

    @staticmethod
    def join(parts: Iterable["Predictions"]) -> "Predictions":
        """The rows of all parts, in order."""
        read = list(parts)
        columns = ([getattr(part, column.name) for part in read] for column in fields(Predictions))
        return Predictions(*(np.concatenate(column) for column in columns))


@dataclass
class Metrics:
    """``values`` holds a number, or None for a metric that is not defined here; ``undefined`` then says why.

    ``per_class`` has one record a class, in their order; precision is None for a class that was never predicted, recall
    for one without rows, f1 for one with neither.
    """

    values: dict[str, float | None] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)
    per_class: list[dict[str, Any]] = field(default_factory=list)


def score(predictions: Predictions, classes: Sequence[Class], bins: int) -> Metrics:
    """All metrics of at least one row, weighted.

    log_loss is in nats; brier is 0 to 1 for two classes and 0 to 2 for more (scikit-learn's and Brier's convention);
    balanced_accuracy is the mean recall of the classes that have rows; macro_f1 the mean F1 of the classes that have
    rows or were predicted; roc_auc_ovr the mean over classes of one-versus-rest areas;
    expected_calibration_error compares the probability of the predicted class with accuracy, in ``bins`` bins.
    """
    result = Metrics(per_class=_per_class(predictions, classes))
    hit = predictions.predicted == predictions.labels
    calibrated = calibration.calibration(predictions.probabilities.max(axis=1), hit, predictions.weights, bins)
    result.values = {
        "log_loss": log_loss(predictions.log_likelihoods, predictions.weights),
        "accuracy": float(np.average(hit, weights=predictions.weights)),
        "balanced_accuracy": _mean_of_defined(result.per_class, "recall"),
        "macro_f1": _mean_of_defined(result.per_class, "f1"),
        "roc_auc_ovr": None,
        "brier": _brier(predictions),
        "expected_calibration_error": calibration.expected_calibration_error(calibrated),
    }
    _add_roc_auc(result, predictions, classes)
    if not np.isfinite(predictions.log_likelihoods).all():
        result.values["log_loss"] = None
        result.undefined["log_loss"] = "infinite: a class that has rows here was given probability 0"
    return result


def doubts(predictions: Predictions, classes: Sequence[Class]) -> Iterator[str]:
    """Limits of these rows: what their metrics cannot tell, however good they are."""
    present = np.unique(predictions.labels)
    if len(present) == 1 and len(classes) > 1:
        rows = len(predictions.labels)
        were = "its only row is" if rows == 1 else f"all its {rows:,} rows are"
        say_nothing = "accuracy, balanced accuracy and F1 say nothing of the other classes"
        yield f"{were} of class {classes[present[0]]}; {say_nothing}"


def _per_class(predictions: Predictions, classes: Sequence[Class]) -> list[dict[str, Any]]:
    columns = precision_recall_fscore_support(
        predictions.labels,
        predictions.predicted,
        labels=np.arange(len(classes)),
        sample_weight=predictions.weights,
        zero_division=_UNDEFINED,
    )[:3]
    support = np.bincount(predictions.labels, minlength=len(classes))
    named = zip(("precision", "recall", "f1"), columns, strict=True)
    numbers = {name: [None if np.isnan(value) else float(value) for value in column] for name, column in named}
    return [
        {"class": label, "support": int(support[index])} | {name: column[index] for name, column in numbers.items()}
        for index, label in enumerate(classes)
    ]


def _mean_of_defined(per_class: list[dict[str, Any]], name: str) -> float:
    return float(np.mean([entry[name] for entry in per_class if entry[name] is not None]))


def _brier(predictions: Predictions) -> float:
    """Weighted mean squared distance between probabilities and the one-hot truth, halved for two classes."""
    labels = np.arange(predictions.probabilities.shape[1])
    return float(
        brier_score_loss(
            predictions.labels, predictions.probabilities, labels=labels, sample_weight=predictions.weights
        )
    )


def _add_roc_auc(result: Metrics, predictions: Predictions, classes: Sequence[Class]) -> None:
    absent = [entry["class"] for entry in result.per_class if entry["support"] == 0]
    if absent:
        names = ", ".join(str(label) for label in absent)
        result.undefined["roc_auc_ovr"] = f"no row here is of class {names}"
        return
    binary = len(classes) == 2
    result.values["roc_auc_ovr"] = float(
        roc_auc_score(
            predictions.labels,
            predictions.probabilities[:, 1] if binary else predictions.probabilities,
            multi_class="raise" if binary else "ovr",
            average="macro",
            sample_weight=predictions.weights,
        )
    )


def log_loss(log_probabilities: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Weighted mean of minus the log probability of the true class, in nats; infinite if one of them is.

    Shapes: log_probabilities (n,), weights (n,) of positive sum.
    scikit-learn's log_loss starts from probabilities and so has to clip them at 2e-16, which hides any confident error
    worse than 36 nats. The sums are exact (math.fsum), hence the same in every order of rows.
    """
    # Adding 0.0 turns the -0.0 of a loss-free model into 0.0.
    return -math.fsum((weights * log_probabilities).tolist()) / math.fsum(weights.tolist()) + 0.0

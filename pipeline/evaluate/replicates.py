"""Metrics of predictions in every replicate of a bootstrap.

n rows, k classes, R replicates. All metrics here are functions of sums over rows, so that one pass over the rows gives
them in every replicate. The sums are exact (``pipeline.resampling``); what is made of them takes operations that round
in one way, so that no bit depends on processor, threads or the order of the rows.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pipeline.arithmetic.sums import halving_sum
from pipeline.evaluate import calibration
from pipeline.evaluate.metrics import Predictions
from pipeline.resampling.fixed_point import FixedPoint, to_fixed_point
from pipeline.resampling.replicate_sums import replicate_sums

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Replicates:
    """Metrics by name, (R,) or of each class (R, k), NaN in replicates without the rows that a metric needs.

    ``gaps`` (R, bins) are the shares that bins add to the expected calibration error, with their sign: weighted sums
    of predicted less observed over the total weight; ``own_gaps`` (bins,) those of the rows as they are.
    """

    metrics: dict[str, Floats]
    of_classes: dict[str, Floats]
    gaps: Floats
    own_gaps: Floats


@dataclass(frozen=True)
class _Columns:
    """What is summed: ``entries`` (n, m), and the grids of its parts; counts of each class are weights, too."""

    entries: sparse.csr_array
    loss: FixedPoint | None
    brier: FixedPoint
    weights: FixedPoint
    gap: FixedPoint


def replicate_metrics(predictions: Predictions, bins: int) -> Replicates:
    """Of at least one row, all of positive weight; log_loss is left out where it is infinite.

    A mean over classes (balanced_accuracy, macro_f1) is of those that it is of without resampling: it is NaN in a
    replicate where one of them has none of the rows that it needs.
    """
    columns = _columns(predictions, bins)
    sums = replicate_sums(predictions.units, columns.entries)
    own_sums = np.ones((1, len(predictions.labels)), dtype=np.int64) @ columns.entries
    k = predictions.probabilities.shape[1]
    support, predicted, hits = (sums[:, 2 + place * k : 2 + (place + 1) * k] for place in range(3))
    rows_of_class, rows_predicted = own_sums[0, 2 : 2 + k] > 0, own_sums[0, 2 + k : 2 + 2 * k] > 0
    total = support.sum(axis=1)
    weight = columns.weights.floats(total)
    recall, f1 = _ratio(hits, support), _ratio(2 * hits, support + predicted)
    metrics = {
        "accuracy": _ratio(hits.sum(axis=1), total),
        "balanced_accuracy": _mean(recall[:, rows_of_class]),
        "macro_f1": _mean(f1[:, rows_of_class | rows_predicted]),
        "brier": _ratio(columns.brier.floats(sums[:, 1]), weight),
    }
    if columns.loss is not None:
        metrics["log_loss"] = _ratio(columns.loss.floats(sums[:, 0]), weight)
    return Replicates(
        metrics=metrics,
        of_classes={"precision": _ratio(hits, predicted), "recall": recall, "f1": f1},
        gaps=_ratio(columns.gap.floats(sums[:, 2 + 3 * k :]), weight[:, np.newaxis]),
        own_gaps=_gaps_of(own_sums, columns, k),
    )


def _gaps_of(own_sums: NDArray[np.int64], columns: _Columns, k: int) -> Floats:
    weight = columns.weights.floats(own_sums[:, 2 : 2 + k].sum(axis=1))
    result: Floats = (columns.gap.floats(own_sums[:, 2 + 3 * k :]) / weight)[0]
    return result


def _columns(predictions: Predictions, bins: int) -> _Columns:
    """Loss, Brier score, then per class weight, weight predicted and weight predicted rightly, then gaps by bin."""
    n, k = predictions.probabilities.shape
    labels, predicted = predictions.labels.astype(np.int64), predictions.predicted.astype(np.int64)
    hit = labels == predicted
    confidence = predictions.probabilities.max(axis=1)
    weights = to_fixed_point(predictions.weights)
    finite = bool(np.isfinite(predictions.log_likelihoods).all())
    loss = to_fixed_point(-predictions.weights * predictions.log_likelihoods) if finite else None
    brier = to_fixed_point(predictions.weights * _brier_of_rows(predictions))
    gap = to_fixed_point(predictions.weights * (confidence - hit))
    parts: list[tuple[NDArray[np.int64] | int, NDArray[np.int64] | int]] = [
        (0, loss.integers if loss else 0),
        (1, brier.integers),
        (2 + labels, weights.integers),
        (2 + k + predicted, weights.integers),
        (2 + 2 * k + labels, weights.integers * hit),
        (2 + 3 * k + calibration.bin_of(confidence, bins), gap.integers),
    ]
    places, entries = (np.empty((n, len(parts)), dtype=np.int64) for _ in range(2))
    for position, (place, entry) in enumerate(parts):
        places[:, position], entries[:, position] = place, entry
    starts = np.arange(0, n * len(parts) + 1, len(parts))
    rows = (entries.ravel(), places.ravel(), starts)
    table = sparse.csr_array(rows, shape=(n, 2 + 3 * k + bins))  # type: ignore[no-untyped-call]
    return _Columns(table, loss, brier, weights, gap)


def _brier_of_rows(predictions: Predictions) -> Floats:
    """(n,) squared distances of probabilities from the one-hot truth, halved for two classes."""
    distances = predictions.probabilities.copy()
    distances[np.arange(len(distances)), predictions.labels] -= 1
    squares: Floats = halving_sum(distances * distances, axis=1)
    return squares / 2 if distances.shape[1] == 2 else squares


def _ratio(a: NDArray[Any], b: NDArray[Any]) -> Floats:
    """a / b, NaN where b is 0."""
    defined = np.broadcast_to(b > 0, a.shape)
    result: Floats = np.divide(a, b, out=np.full(a.shape, np.nan), where=defined)
    return result


def _mean(values: Floats) -> Floats:
    """(R,) means of values (R, m), NaN where one is."""
    means: Floats = halving_sum(np.ascontiguousarray(values), axis=1) / values.shape[1]
    return means

"""Sums over the rows of each slice, as they are and in every replicate of the bootstrap.

n rows, k classes, s slices, R replicates. Arrays have R + 1 lines: the rows as they are, then the replicates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluate.metrics import Predictions
from pipeline.evaluate.slices.columns import SlicedColumn
from pipeline.resampling.entries import entries_of
from pipeline.resampling.fixed_point import to_fixed_point
from pipeline.resampling.replicate_sums import replicate_sums

Floats = NDArray[np.float64]

# Slices times classes squared: beyond, the sums of 1,000 replicates take more than 80 MB.
_MOST_CELLS = 10_000


@dataclass(frozen=True)
class ClassSums:
    """Weight of the rows of each class, predicted as it, and both, (R + 1, s, k)."""

    actual: Floats
    predicted: Floats
    right: Floats


@dataclass(frozen=True)
class SliceSums:
    """Weight, weight predicted rightly, and weighted sums of loss, gap and cost, (R + 1, s).

    The gap of a row is the probability of its predicted class, less 1 where that is right. ``loss`` is None where one
    is infinite, ``cost`` where none is known, ``of_classes`` of too many slices and classes.
    """

    weight: Floats
    right: Floats
    gap: Floats
    loss: Floats | None
    cost: Floats | None
    of_classes: ClassSums | None


def slice_sums(predictions: Predictions, column: SlicedColumn, costs: Floats | None) -> SliceSums:
    """Sums of at least one row, all of positive weight; ``costs`` (n,) are those of each row's decision."""
    k, s = predictions.probabilities.shape[1], len(column.labels)
    right = predictions.labels == predictions.predicted
    # Weights are counted by pair of classes, or, where these are too many, by whether the prediction is right.
    has_classes = s * k * k <= _MOST_CELLS
    width = k * k if has_classes else 2
    cells = predictions.labels.astype(np.int64) * k + predictions.predicted if has_classes else right
    weights = to_fixed_point(predictions.weights)
    # Values are averaged.
    values = {"gap": predictions.probabilities.max(axis=1) - right}
    if np.isfinite(predictions.log_likelihoods).all():
        values["loss"] = -predictions.log_likelihoods
    if costs is not None:
        values["cost"] = costs
    fixed = {name: to_fixed_point(predictions.weights * value) for name, value in values.items()}
    # All is added in one pass.
    parts = [(column.codes * width + cells, weights.integers)]
    parts += [(s * (width + place) + column.codes, part.integers) for place, part in enumerate(fixed.values())]
    entries = entries_of(parts, len(right), s * (width + len(fixed)))
    own = np.ones((1, len(right)), dtype=np.int64) @ entries
    sums = np.concatenate([own, replicate_sums(predictions.units, entries)])
    counts = sums[:, : s * width].reshape(-1, s, width)
    averaged = sums[:, s * width :].reshape(-1, len(fixed), s)
    totals = {name: part.floats(averaged[:, place]) for place, (name, part) in enumerate(fixed.items())}
    pairs = counts.reshape(-1, s, k, k) if has_classes else None
    return SliceSums(
        weight=weights.floats(counts.sum(axis=2)),
        right=weights.floats(counts[:, :, 1] if pairs is None else np.trace(pairs, axis1=2, axis2=3)),
        gap=totals["gap"],
        loss=totals.get("loss"),
        cost=totals.get("cost"),
        of_classes=None
        if pairs is None
        else ClassSums(
            actual=weights.floats(pairs.sum(axis=3)),
            predicted=weights.floats(pairs.sum(axis=2)),
            right=weights.floats(np.diagonal(pairs, axis1=2, axis2=3)),
        ),
    )

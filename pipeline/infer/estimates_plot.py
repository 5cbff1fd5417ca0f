"""estimates.csv, which DVC draws: estimates per standard deviation of a column, against the reference class."""

from collections.abc import Sequence
from typing import Any

import torch

from pipeline import distributions
from pipeline.dataset.columns import class_text
from pipeline.dataset.encoder import Encoder
from pipeline.infer import contrasts
from pipeline.infer.contrasts import Coefficients
from pipeline.infer.fit import Inference

# Each class has a small chart, each feature a line in all of them, with several revisions beside one another.
_MOST_CLASSES = 12
_MOST_FEATURES = 20


def lines(
    inference: Inference, encoder: Encoder, confidence: float, per_deviation: Coefficients
) -> Sequence[Sequence[Any]]:
    """A line for each feature, those of largest |z| first, and class, with the ends of its interval; no intercept."""
    pairs = contrasts.class_pairs(inference)[: min(_MOST_CLASSES, inference.rows.classes - 1)]
    estimates, errors = contrasts.differences(inference, per_deviation, pairs)
    rows = inference.design.columns.tolist()
    places = [place for place, row in enumerate(rows) if row != inference.rows.columns]
    if not places:
        return ()
    sizes = (estimates / torch.where(errors > 0, errors, torch.inf)).abs().amax(0)
    largest = sorted(places, key=lambda place: -float(sizes[place]))[:_MOST_FEATURES]
    reach = distributions.normal_quantile(confidence) * errors
    low, high = estimates - reach, estimates + reach
    labels = [class_text(label) for label in encoder.classes]
    return [
        (
            encoder.features[rows[place]], labels[label], labels[other],
            *(float(values[line, place]) for values in (estimates, low, high)),
        )
        for place in largest
        for line, (label, other) in enumerate(pairs)
    ]  # fmt: skip

"""influence.csv: the rows that move the coefficients most when they are left out."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from pipeline import screen
from pipeline.dataset.columns import class_text
from pipeline.dataset.reader import Dataset
from pipeline.infer import contrasts
from pipeline.infer.fit import Inference
from pipeline.infer.numerics import influence
from pipeline.infer.terms import INTERCEPT


def lines(inference: Inference, dataset: Dataset, largest: int) -> Iterator[Sequence[Any]]:
    """The ``largest`` rows by Cook's distance; ``row`` is the data row in the source. None of a penalised fit."""
    if inference.penalised or not largest:
        return
    rows, design, encoder = inference.rows, inference.design, dataset.encoder
    theta, inverse = inference.maximum.theta, inference.maximum.factor.inverse()
    units = contrasts.own_units(inference, encoder)
    with screen.bar("influence of rows"):
        most = influence.most_influential(rows, design, theta, inverse, largest, units)
    numbers = _source_rows(dataset, most.positions)
    labels = [class_text(label) for label in encoder.classes]
    names = [*encoder.features, INTERCEPT]
    for place, row in enumerate(numbers):
        residuals = most.residuals[place]
        feature, label = most.moved[place].tolist()
        yield (
            row, labels[int(torch.argmax(residuals))], float(most.probabilities[place]), float(most.leverages[place]),
            float(most.distances[place]), names[feature], labels[label], float(most.moves[place]), *residuals.tolist(),
        )  # fmt: skip


def _source_rows(dataset: Dataset, positions: torch.Tensor) -> list[int]:
    """The data rows of positions among the training rows of positive weight."""
    places, result, first = positions.numpy(), np.zeros(len(positions), dtype=np.int64), 0
    for shard in dataset.splits["train"].shards:
        counted = shard.rows[shard.counted]
        here = (places >= first) & (places < first + len(counted))
        result[here] = counted[places[here] - first]
        first += len(counted)
    return [int(row) for row in result]

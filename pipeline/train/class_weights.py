"""Weights of the classes, as params or the class counts give them."""

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset import reader
from pipeline.errors import UserError, listed
from pipeline.train.params import TrainParams
from pipeline.training_rows.class_totals import class_totals


def class_weights(params: TrainParams, prepared: reader.Dataset) -> NDArray[np.float64] | None:
    """Weight of each class, (k,): given by name, or n / (classes with rows * rows of the class) for ``balanced``."""
    if params.class_weight == "none":
        return None
    if params.class_weight == "balanced":
        totals = class_totals(prepared)
        present = totals > 0  # of rows of weight 0 no weight makes more
        return np.where(present, math.fsum(totals) / (np.count_nonzero(present) * np.where(present, totals, 1.0)), 0.0)
    given = {str(name): weight for name, weight in params.class_weight.items()}
    classes = [str(name) for name in prepared.encoder.classes]
    if set(given) != set(classes):
        raise UserError(
            f"params.yaml: train.class_weight: expected one weight for each of the classes {listed(classes)}, "
            f"got {listed(given) or 'none'}; name every class once"
        )
    weights = np.array([given[name] for name in classes])
    if not weights.any():
        raise UserError("params.yaml: train.class_weight: expected a weight > 0 for some class, got 0 for all")
    return weights

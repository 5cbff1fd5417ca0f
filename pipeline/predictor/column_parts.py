"""What each column of a table adds to each logit of a row: the coefficients times the row's values."""

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.encoder import Encoded
from pipeline.model import Model

BIAS = "(intercept)"


def column_parts(model: Model, encoded: Encoded) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Names of the table's columns and b's, and their parts (n, columns, k) of the logits, in nats.

    A date's parts and a column's indicator of missing values count with their column. Parts depend on how categories
    are coded and on where numbers have their 0, as coefficients do; differences between rows do not.
    """
    encoder = model.encoder
    names = tuple(encoder.types)
    place = {name: position for position, name in enumerate(names)}
    parts = np.zeros((len(encoded.numbers), len(names) + 1, len(model.bias)))
    owners = [column.column for column in (*encoder.numbers, *encoder.indicators)]
    for position, owner in enumerate(owners):
        parts[:, place[owner]] += np.multiply.outer(
            encoded.numbers[:, position].astype(np.float64), model.weights[:, position]
        )
    first_columns = encoder.first_columns.tolist()
    for category, first, codes in zip(encoder.categories, first_columns, encoded.codes.T, strict=True):
        parts[:, place[category.name]] += model.weights.T[first + codes.astype(np.int64)]
    parts[:, -1] = model.bias
    return (*names, BIAS), parts

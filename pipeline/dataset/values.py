"""Ranges of encoded rows: checked wherever rows come from outside, since a matching digest stops no forger.

Each array is looked at while it lies in the processor's cache, at a fraction of what the digest of its bytes costs.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.encoder import Encoder
from pipeline.dataset.shard import Shard
from pipeline.errors import UserError, shortened

_ROWS_AT_ONCE = 4096
_REMEDY = "run `dvc repro -f prepare` to write it anew"


def require(rows: Shard, encoder: Encoder, place: object) -> None:
    """Check that numbers are finite, codes and labels the encoder's, row numbers >= 1, weights finite and >= 0.

    Raises: UserError that begins with ``place`` and names row and column.
    """
    for start in range(0, len(rows.labels), _ROWS_AT_ONCE):
        for array, lowest, highest, name_of, expected in _ranges(rows, encoder):
            part = array[start : start + _ROWS_AT_ONCE]
            if part.size and not (part.min() >= lowest and part.max() <= highest):
                row, *column = np.argwhere(~((part >= lowest) & (part <= highest)))[0].tolist()
                raise UserError(
                    f"{place}: row {start + row + 1}, {name_of(*column)}: expected {expected}, "
                    f"got {part[(row, *column)].item()!r}; {_REMEDY}"
                )


_Range = tuple[NDArray[Any], float, float, Callable[..., str], str]


def _ranges(rows: Shard, encoder: Encoder) -> Iterator[_Range]:
    """Arrays with their least and largest value, the name of a column by its position, and what is expected there."""
    largest = float(np.finfo(encoder.dtype).max)
    yield rows.numbers, -largest, largest, lambda j: f"column {shortened(encoder.features[j])}", "a finite number"
    for position, category in enumerate(encoder.categories):
        most = len(category.levels) - 1
        name = f"column {shortened(category.name)}"
        yield rows.codes[:, position], 0, most, lambda name=name: name, f"the code of a level, 0 to {most}"
    most = len(encoder.classes) - 1
    yield rows.labels, 0, most, lambda: f"column {shortened(encoder.target)}", f"the index of a class, 0 to {most}"
    yield rows.rows, 1, np.iinfo(np.int64).max, lambda: "the row's number in the source", "a number >= 1"
    if rows.weights is not None:
        yield rows.weights, 0, np.finfo(np.float64).max, lambda: "the row's weight", "a finite weight >= 0"

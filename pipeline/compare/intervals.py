"""How sure a difference of two metrics is, from the predictions of the same rows by both models."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Two-sided 95 % of the normal distribution.
_QUANTILE = 1.959963984540054

# A probability that was rounded to 0 would make a loss infinite; scikit-learn clips at the same place.
_SMALLEST = np.finfo(np.float64).eps

_IDENTITY = ("row", "split", "actual")


@dataclass(frozen=True)
class Scored:
    """Per row of one split: the loss in nats and whether the prediction was right, each (n,) float64."""

    log_loss: NDArray[np.float64]
    accuracy: NDArray[np.float64]


def paired(a: bytes, b: bytes) -> dict[tuple[str, str], list[float]]:
    """95 % intervals of the difference b - a by split and metric; empty if the rows are not the same.

    ``a`` and ``b`` are the predictions.csv of evaluate. The mean of the n differences of a row is taken as normal, with
    their standard deviation over the root of n: rows are what varies, the models are as they are.
    """
    first, second = _read(a), _read(b)
    if not all(np.array_equal(first[name], second[name]) for name in _IDENTITY):
        return {}
    found: dict[tuple[str, str], list[float]] = {}
    for split in np.unique(first["split"]):
        one, other = _scored(first, first["split"] == split), _scored(second, second["split"] == split)
        for metric in ("log_loss", "accuracy"):
            differences = getattr(other, metric) - getattr(one, metric)
            if len(differences) > 1:
                half = _QUANTILE * differences.std(ddof=1) / np.sqrt(len(differences))
                found[str(split), metric] = [float(differences.mean() - half), float(differences.mean() + half)]
    return found


def _read(content: bytes) -> dict[str, NDArray[Any]]:
    """Columns by name; classes stay text, as they are in the names of their columns."""
    import pyarrow as pa
    import pyarrow.csv

    texts = {name: pa.string() for name in ("split", "actual", "predicted")}
    # A thread of Arrow's would let go of ``content`` later, and end the program with SIGABRT if that is ending by then.
    read = pyarrow.csv.ReadOptions(use_threads=False)
    convert = pyarrow.csv.ConvertOptions(column_types=texts, strings_can_be_null=False)
    table = pyarrow.csv.read_csv(pa.BufferReader(content), read_options=read, convert_options=convert)
    return {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}


def _scored(columns: dict[str, NDArray[Any]], chosen: NDArray[np.bool_]) -> Scored:
    actual = columns["actual"][chosen]
    probability = np.zeros(len(actual))
    for label in np.unique(actual):
        mine = actual == label
        probability[mine] = columns[f"probability_{label}"][chosen][mine]
    loss = -np.log(np.clip(probability, _SMALLEST, 1.0))
    return Scored(loss, (columns["predicted"][chosen] == actual).astype(np.float64))

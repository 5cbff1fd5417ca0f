"""Confidence intervals of the difference of two metrics, from predictions of the same rows by both models."""

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.elementary import log
from pipeline.errors import UserError, listed, shortened
from pipeline.output_files import PREDICTIONS_FILE
from pipeline.results.checks import REMEDY

# Two-sided 95 % of the normal distribution.
_QUANTILE = 1.959963984540054

# A probability that was rounded to 0 would make a loss infinite; scikit-learn clips at the same place.
_SMALLEST = np.finfo(np.float64).eps

_PROBABILITY = "probability_"
_IDENTITY = ("row", "split", "actual")


def paired(
    a: bytes, b: bytes, places: tuple[str, str] = (PREDICTIONS_FILE, PREDICTIONS_FILE)
) -> dict[tuple[str, str], list[float]]:
    """95 % intervals of the difference b - a by split and metric; empty if the rows are not the same.

    ``a`` and ``b`` are the predictions.csv of evaluate, ``places`` how errors call them. The mean of the n differences
    of a row is taken as normal, with their standard deviation over the root of n: rows are what varies, the models are
    as they are.
    Raises: UserError if one of them is no such table.
    """
    first, second = _read(a, places[0]), _read(b, places[1])
    if not all(np.array_equal(first[name], second[name]) for name in _IDENTITY):
        return {}
    bounds: dict[tuple[str, str], list[float]] = {}
    for split in np.unique(first["split"]):
        one, other = _scored(first, first["split"] == split), _scored(second, second["split"] == split)
        for metric in one:
            differences = other[metric] - one[metric]
            if len(differences) > 1:
                half = _QUANTILE * differences.std(ddof=1) / np.sqrt(len(differences))
                bounds[str(split), metric] = [float(differences.mean() - half), float(differences.mean() + half)]
    return bounds


def _read(content: bytes, place: str) -> dict[str, NDArray[Any]]:
    """Columns by name; classes stay text, as they are in the names of their columns. Raises: UserError."""
    import pyarrow as pa
    import pyarrow.csv

    texts = {name: pa.string() for name in ("split", "actual", "predicted")}
    # A thread of Arrow's would let go of ``content`` later, and end the program with SIGABRT if that is ending by then.
    read = pyarrow.csv.ReadOptions(use_threads=False)
    convert = pyarrow.csv.ConvertOptions(column_types=texts, strings_can_be_null=False)
    try:
        table = pyarrow.csv.read_csv(pa.BufferReader(content), read_options=read, convert_options=convert)
        columns = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
        classes = set(table["actual"].unique().to_pylist())
    except (pa.ArrowInvalid, KeyError, ValueError):  # KeyError of a name that is missing or stands twice
        _refuse(place, "a table of predictions, each column once", "something else")
    needed = [*_IDENTITY, "predicted", *(f"{_PROBABILITY}{label}" for label in classes)]
    missing = [name for name in needed if name not in columns]
    if missing:
        _refuse(
            place, "row, split, actual, predicted, and a probability for each class of a row", f"no {listed(missing)}"
        )
    for name, values in columns.items():
        if name.startswith(_PROBABILITY) and not _are_probabilities(values):
            _refuse(f"{place}: column {shortened(name)}", "probabilities, from 0 to 1", "others")
    return columns


def _are_probabilities(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "fi" and bool(((values >= 0) & (values <= 1)).all())


def _refuse(place: str, expected: str, came: str) -> NoReturn:
    raise UserError(f"{place}: expected {expected}, got {came}: {REMEDY}")


def _scored(columns: dict[str, NDArray[Any]], chosen: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
    """Per chosen row the loss in nats and whether the prediction is right, each (n,)."""
    actual = columns["actual"][chosen]
    probability = np.zeros(len(actual))
    for label in np.unique(actual):
        mine = actual == label
        probability[mine] = columns[f"{_PROBABILITY}{label}"][chosen][mine]
    loss = -log(np.clip(probability, _SMALLEST, 1.0))
    return {"log_loss": loss, "accuracy": (columns["predicted"][chosen] == actual).astype(np.float64)}

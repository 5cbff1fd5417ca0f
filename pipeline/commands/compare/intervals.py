"""Confidence intervals of the difference of two metrics, from predictions of the same rows by both models."""

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.elementary import log
from pipeline.errors import UserError, listed, shortened
from pipeline.evaluate.intervals import CALIBRATION_ERROR as CALIBRATION_ERROR
from pipeline.evaluate.intervals import paired_intervals
from pipeline.evaluate.metrics import Predictions
from pipeline.output_files import PREDICTIONS_FILE
from pipeline.results.checks import REMEDY

_PROBABILITY = "probability_"
_IDENTITY = ("row", "split", "actual")
_WEIGHT, _GROUP = "weight", "group"  # of files whose rows have them


def paired(
    a: bytes,
    b: bytes,
    places: tuple[str, str] = (PREDICTIONS_FILE, PREDICTIONS_FILE),
    *,
    bins: int,
    weighted: bool = False,
) -> dict[tuple[str, str], list[float]]:
    """95 % intervals of the difference b - a by split and metric; empty if the rows are not the same.

    ``a`` and ``b`` are the predictions.csv of evaluate, ``places`` how errors call them, ``bins`` is
    evaluate.calibration_bins. Rows (or groups of them) are what varies, the models are as they are: both are resampled
    by the same weights. Of ``weighted`` rows whose weights the files do not have, there is none.
    Raises: UserError if one of them is no such table.
    """
    first, second = _read(a, places[0]), _read(b, places[1])
    if not _have_same_rows(first, second) or (weighted and _WEIGHT not in first):
        return {}
    bounds: dict[tuple[str, str], list[float]] = {}
    for split in np.unique(first["split"]):
        chosen = first["split"] == split
        if _WEIGHT in first:
            chosen &= first[_WEIGHT] > 0
        if chosen.any():
            intervals = paired_intervals(_predictions(first, chosen), _predictions(second, chosen), bins).bounds
            bounds |= {(str(split), measure.metric): [each.low, each.high] for measure, each in intervals.items()}
    return bounds


def _have_same_rows(a: dict[str, NDArray[Any]], b: dict[str, NDArray[Any]]) -> bool:
    return all(
        (name in a) == (name in b) and (name not in a or np.array_equal(a[name], b[name]))
        for name in (*_IDENTITY, _WEIGHT, _GROUP)
    )


def _read(content: bytes, place: str) -> dict[str, NDArray[Any]]:
    """Columns by name; classes stay text, as they are in the names of their columns. Raises: UserError."""
    import pyarrow as pa
    import pyarrow.csv

    types = {name: pa.string() for name in ("split", "actual", "predicted")}
    types |= {"row": pa.int64(), _WEIGHT: pa.float64(), _GROUP: pa.uint64()}
    # A thread of Arrow's would let go of ``content`` later, and end the program with SIGABRT if that is ending by then.
    read = pyarrow.csv.ReadOptions(use_threads=False)
    convert = pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=False)
    try:
        table = pyarrow.csv.read_csv(pa.BufferReader(content), read_options=read, convert_options=convert)
        columns = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
        classes = {label for name in ("actual", "predicted") for label in table[name].unique().to_pylist()}
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
    if _WEIGHT in columns and not ((columns[_WEIGHT] >= 0) & np.isfinite(columns[_WEIGHT])).all():
        _refuse(f"{place}: column {_WEIGHT}", "weights, from 0", "others")
    return columns


def _are_probabilities(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "fi" and bool(((values >= 0) & (values <= 1)).all())


def _refuse(place: str, expected: str, came: str) -> NoReturn:
    raise UserError(f"{place}: expected {expected}, got {came}: {REMEDY}")


def _predictions(columns: dict[str, NDArray[Any]], chosen: NDArray[np.bool_]) -> Predictions:
    """What evaluate scored, of the chosen rows; classes are those that have a column."""
    classes = [name.removeprefix(_PROBABILITY) for name in columns if name.startswith(_PROBABILITY)]
    probabilities = np.column_stack([columns[f"{_PROBABILITY}{label}"][chosen] for label in classes]).astype(float)
    actual, predicted = (_places(columns[name][chosen], classes) for name in ("actual", "predicted"))
    return Predictions(
        labels=actual,
        predicted=predicted,
        probabilities=probabilities,
        log_likelihoods=log(probabilities[np.arange(len(actual)), actual]),
        weights=columns[_WEIGHT][chosen] if _WEIGHT in columns else np.ones(len(actual)),
        units=columns[_GROUP if _GROUP in columns else "row"][chosen].astype(np.uint64),
    )


def _places(values: NDArray[Any], classes: list[str]) -> NDArray[np.int64]:
    place = {label: index for index, label in enumerate(classes)}
    return np.array([place[value] for value in values], dtype=np.int64)

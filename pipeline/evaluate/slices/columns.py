"""Which slice of a column each row lies in: a level, a number of few different ones, a range between quantiles.

n is the number of rows of a split that have weight.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.encoder import MISSING, NumberColumn
from pipeline.dataset.reader import Dataset
from pipeline.dataset.shard import Shard
from pipeline.errors import listed

MAX_SLICES = 100  # of a column

_FEW_NUMBERS = 10  # so many different ones are slices of their own
_RANGES = 4
_NAMED = 5


class NoSlicesError(ValueError):
    """Why a column has no slices, as a clause."""


@dataclass(frozen=True)
class SlicedColumn:
    """The slices of a column that have rows: their labels, and the slice of each row, (n,)."""

    name: str
    labels: list[str]
    codes: NDArray[np.int64]


def slice_column(dataset: Dataset, name: str, split: str) -> SlicedColumn:
    """The slices of the rows of positive weight of ``split``; numbers are cut at quantiles of the training rows.

    A category or a number of the features, a part of a date, or a column of prepare.keep_values.
    Raises: NoSlicesError for any other column, or one of more than MAX_SLICES.
    """
    encoder = dataset.encoder
    for position, category in enumerate(encoder.categories):
        if category.name == name:
            codes = _gathered(dataset, split, partial(_codes, position=position))
            return _with_rows(name, list(category.levels), codes)
    for position, number in enumerate(encoder.numbers):
        if number.name == name:
            values = [_numbers(dataset, part, position, number) for part in ("train", split)]
            return _with_rows(name, *_cut(*values))
    if name in dataset.kept_values:
        return _of_kept(dataset, name, split)
    raise NoSlicesError(_unknown(dataset, name))


def _unknown(dataset: Dataset, name: str) -> str:
    if name in dataset.kept:
        return "only digests of its values lie beside the rows: name it in prepare.keep_values"
    numbers, categories = dataset.encoder.numbers, dataset.encoder.categories
    features = [*(number.name for number in numbers), *(category.name for category in categories)]
    known = listed([*features, *dataset.kept_values], _NAMED)
    return f"no such column among features and prepare.keep_values ({known})"


def _gathered(dataset: Dataset, split: str, part: Callable[[Shard], NDArray[Any]]) -> NDArray[Any]:
    """What ``part`` takes from the rows of a split that have weight."""
    return np.concatenate([part(shard)[shard.counted] for shard in dataset.splits[split].shards])


def _numbers(dataset: Dataset, split: str, position: int, number: NumberColumn) -> NDArray[np.float64]:
    """(n,) in the column's own unit, NaN where there is no value."""
    encoder = dataset.encoder
    encoded = _gathered(dataset, split, lambda shard: shard.numbers[:, position])
    values: NDArray[np.float64] = encoded.astype(np.float64) * number.scale + number.shift
    if number.indicator:
        indicator = len(encoder.numbers) + encoder.indicators.index(number)
        values[_gathered(dataset, split, lambda shard: shard.numbers[:, indicator]) > 0] = np.nan
    return values


def _cut(training: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[list[str], NDArray[np.int64]]:
    """Labels and codes of ``values``: ranges that end at quantiles of ``training``, or at each of few numbers.

    A label is the lowest and the highest number in the slice.
    """
    ordered = np.sort(training[~np.isnan(training)])
    ends = np.unique(ordered)
    if len(ends) > _FEW_NUMBERS:
        ranks = [math.ceil(part * len(ordered) / _RANGES) for part in range(1, _RANGES)]
        ends = np.unique(ordered[np.array(ranks) - 1])
    else:
        ends = ends[:-1]
    codes = np.searchsorted(ends, values)
    missing = np.isnan(values)
    codes[missing] = len(ends) + 1
    labels = [_range(values[(codes == place) & ~missing]) for place in range(len(ends) + 1)]
    return [*labels, MISSING], codes.astype(np.int64)


def _range(values: NDArray[np.float64]) -> str:
    if not len(values):
        return ""
    low, high = float(values.min()), float(values.max())
    texts = [f"{bound:.6g}" for bound in (low, high)]
    return texts[0] if texts[0] == texts[1] else " to ".join(texts)


def _of_kept(dataset: Dataset, name: str, split: str) -> SlicedColumn:
    position, texts = dataset.kept.index(name), dataset.kept_values[name]
    digests = [_gathered(dataset, part, lambda shard: _kept(shard, position)) for part in ("train", split)]
    values = [np.array([texts[digest] for digest in part.tolist()], dtype=object) for part in digests]
    if len(texts) > _FEW_NUMBERS and _are_numbers(texts.values()):
        numbers = [np.array([math.nan if text is None else float(text) for text in part]) for part in values]
        return _with_rows(name, *_cut(*numbers))
    # A text that reads <missing> is told apart from no value by nothing that a reader would see.
    labels = [*sorted(text for text in texts.values() if text not in (None, MISSING)), MISSING]
    places = {text: place for place, text in enumerate(labels[:-1])}
    codes = [places.get(text, len(labels) - 1) for text in values[1]]
    return _with_rows(name, labels, np.array(codes, dtype=np.int64))


def _codes(shard: Shard, position: int) -> NDArray[np.int64]:
    return shard.codes[:, position].astype(np.int64)


def _kept(shard: Shard, position: int) -> NDArray[np.uint64]:
    assert shard.kept is not None
    return shard.kept[:, position]


def _are_numbers(texts: Iterable[str | None]) -> bool:
    try:
        # Python alone takes 1_2, a code, for 12.
        return all(text is None or ("_" not in text and math.isfinite(float(text))) for text in texts)
    except ValueError:
        return False


def _with_rows(name: str, labels: list[str], codes: NDArray[np.int64]) -> SlicedColumn:
    """Without the slices that have no rows. Raises: NoSlicesError for more than MAX_SLICES."""
    present, compact = np.unique(codes, return_inverse=True)
    if len(present) > MAX_SLICES:
        raise NoSlicesError(
            f"{len(present):,} different values, and at most {MAX_SLICES} slices can be read; name a coarser column"
        )
    return SlicedColumn(name, [labels[place] for place in present], compact.astype(np.int64))

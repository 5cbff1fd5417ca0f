"""What rows must have for a table of coefficients: overlapping classes, and a covariance that memory holds."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.encoder import Encoder
from pipeline.dataset.reader import Dataset
from pipeline.errors import listed
from pipeline.infer.params import InferParams
from pipeline.infer.refusal import RefusalError
from pipeline.infer.terms import Term
from pipeline.model import Model
from pipeline.numerics.diagnostics.separable_columns import RowArrays, separable_classes
from pipeline.parallel import workers

_MOST_BYTES = 1 << 28  # of the covariance
_NAMED = 3


def require_classes(model: Model, totals: NDArray[np.float64]) -> None:
    """Check that there are two classes or more, and rows of each; ``totals`` (k,). Raises: RefusalError."""
    empty = [str(label) for label, total in zip(model.classes, totals.tolist(), strict=True) if not total]
    if len(model.classes) < 2:
        raise RefusalError("one class only: there is nothing to compare it with")
    if empty:
        raise RefusalError(
            f"no training row counts for class {listed(empty, _NAMED, str)}: its coefficients are infinite"
        )


def require_memory(size: int, params: InferParams) -> None:
    """Check that the covariance of ``size`` coefficients is not too large. Raises: RefusalError."""
    if 8 * size * size > _MOST_BYTES:
        raise RefusalError(
            f"the covariance of {size:,} coefficients takes {8 * size * size >> 20:,} MiB, more than "
            f"{_MOST_BYTES >> 20}; {'name fewer columns in' if params.columns != 'all' else 'name columns in'} "
            "infer.columns"
        )


def most_coefficients(encoder: Encoder, terms: Sequence[Term], intercept: bool, penalised: bool) -> int:
    """How many there are, unless columns follow from others or levels have no row."""
    columns = int(intercept) + sum(len(term.rows) for term in terms)
    categories = sum(term.category is not None for term in terms)
    columns -= categories  # of UNSEEN
    if penalised:
        return len(encoder.classes) * columns
    return (len(encoder.classes) - 1) * (columns - (categories if intercept else max(0, categories - 1)))


def require_overlap(dataset: Dataset, terms: Sequence[Term], intercept: bool) -> None:
    """Check that no column alone tells a class apart without error. Raises: RefusalError that names both."""
    encoder = dataset.encoder
    among = {row for term in terms for row in term.rows}
    separable = separable_classes(
        _rows(dataset), encoder.number_count, len(encoder.features), len(encoder.classes), intercept
    )
    pairs = [
        f"class {encoder.classes[one.label]} by {encoder.features[one.column]}"
        for one in separable
        if one.column in among
    ]
    if pairs:
        raise told_apart(f"told apart without error: {listed(pairs, _NAMED, str)}")


def told_apart(sentence: str) -> RefusalError:
    """The refusal of rows of which the sentence is true."""
    return RefusalError(
        f"{sentence}; an estimate without penalty is infinite, so there is no standard error: set infer.firth to true, "
        "or leave the column out by infer.columns"
    )


def _rows(dataset: Dataset) -> Iterator[RowArrays]:
    """This worker's training rows of positive weight."""
    shards = dataset.splits["train"].shards
    for shard in (shards[place] for place in workers.local_range(len(shards))):
        rows = shard.counted
        yield RowArrays(shard.numbers[rows], shard.codes[rows] + dataset.encoder.first_columns, shard.labels[rows])

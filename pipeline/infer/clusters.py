"""The cluster of each training row, from the column that infer.cluster names."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.dataset.encoder import OTHER
from pipeline.dataset.reader import Dataset
from pipeline.dataset.shard import Shard
from pipeline.errors import UserError, quoted
from pipeline.infer.terms import Term, terms_of, unknown_cluster

_EXACT = 1 << 24


def clusters_of(dataset: Dataset, column: str, counts: Sequence[int]) -> tuple[list[Tensor], int]:
    """Each block's clusters (n,) int64 in 0 ... G - 1, and G, of training rows of positive weight.

    ``counts`` are those of the blocks. Raises: UserError if the column is not in the prepared data, or there is one
    cluster only.
    """
    values = _values(dataset, column)
    _, codes = np.unique(values, return_inverse=True)
    count = int(codes.max()) + 1
    if count < 2:
        raise UserError(
            f"params.yaml: infer.cluster: expected a column of two values or more in the training rows, got one in "
            f"{quoted(column)}"
        )
    return list(torch.split(torch.from_numpy(codes.astype(np.int64)), list(counts))), count


def _values(dataset: Dataset, column: str) -> NDArray[np.uint64]:
    """A number for each row, equal where the column's values are."""
    shards = dataset.splits["train"].shards
    if column in dataset.kept:
        position = dataset.kept.index(column)
        return np.concatenate([shard.kept[shard.counted, position] for shard in shards if shard.kept is not None])
    if column in _keys(dataset) and shards[0].groups is not None:
        return np.concatenate([shard.groups[shard.counted] for shard in shards if shard.groups is not None])
    terms = {term.column: term for term in terms_of(dataset.encoder)}
    if (term := terms.get(column)) is None:
        raise unknown_cluster(list(terms), column)
    if term.category is None:
        return _whole_numbers(dataset, term, shards)
    _require_own_levels(dataset, term)
    return np.concatenate([shard.codes[shard.counted, term.category] for shard in shards]).astype(np.uint64)


def _keys(dataset: Dataset) -> list[str]:
    """prepare.split.key, as the schema has it."""
    return [column["name"] for column in dataset.schema["columns"] if column.get("role") == "key"]


def _require_own_levels(dataset: Dataset, term: Term) -> None:
    assert term.category is not None
    if OTHER in dataset.encoder.categories[term.category].levels:
        raise UserError(
            f"params.yaml: infer.cluster: expected a column whose values are all known, but rare ones of "
            f"{quoted(term.column)} share the level {OTHER}; raise prepare.max_levels, or name it in prepare.keep"
        )


def _whole_numbers(dataset: Dataset, term: Term, shards: Sequence[Shard]) -> NDArray[np.uint64]:
    """Numbers that float32 holds exactly, so that any dtype does; others may have become equal."""
    columns = [dataset.encoder.numbers[row] for row in term.rows if row < len(dataset.encoder.numbers)]
    numbers = np.concatenate([shard.numbers[shard.counted][:, list(term.rows)] for shard in shards])
    exact = all(column.scale == 1 and column.shift == 0 for column in columns)
    if not exact or not ((np.abs(numbers) < _EXACT) & (numbers == np.rint(numbers))).all():
        raise UserError(
            f"params.yaml: infer.cluster: expected a category or whole numbers below {_EXACT:,} that are not "
            f"standardised, but {quoted(term.column)} is stored in {dataset.encoder.dtype}, where values may have "
            "become equal; leave it out of the features and name it in prepare.keep"
        )
    _, codes = np.unique(numbers + numbers.dtype.type(0), axis=0, return_inverse=True)
    return np.asarray(codes, dtype=np.uint64)

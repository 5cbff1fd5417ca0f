"""How the rows of a table are told apart: from a split to a function that assigns the rows of each chunk."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError
from pipeline.roles import Roles
from pipeline.split import Assignment, Split, by_column, by_hash, by_seed
from pipeline.table import digests, places
from pipeline.table.columns import Chunk, Class
from pipeline.table.sources import Where

Assign = Callable[[Chunk], Assignment]


def row_wise(split: Split, source: Where, columns: Roles, missing_values: Sequence[str]) -> Assign | None:
    """The assignment of a row that needs no other rows; None for a split that does."""
    if split.method == "seed":
        return None
    if split.method == "hash":
        hashed = [*columns.features, columns.target] if split.key is None else [split.key]
        return lambda chunk: _by_hash(split, source, chunk, hashed, missing_values)
    if (column := split.reads_column) is None:
        return lambda chunk: np.zeros(chunk.rows, dtype=np.uint8)
    return lambda chunk: by_column(source, column, chunk.texts[column])


def _by_hash(
    split: Split, source: Where, chunk: Chunk, hashed: Sequence[str], missing_values: Sequence[str]
) -> Assignment:
    key = split.key
    if key is not None and chunk.lacks(key):
        line = places.lines_without_value(source, key, missing_values, limit=1)[0]
        raise UserError(f"{source}, line {line}, column {key}: expected a key to split by, got no value")
    return by_hash(digests.of_rows(chunk, hashed, split.seed), split)


def by_lot(
    split: Split, texts: Sequence[str], codes: Sequence[NDArray[np.int32]], classes: Mapping[str, Class]
) -> Assign:
    """The assignment by the labels of all rows: ``codes``, in pieces (n,) in order, number them within ``texts``."""
    names = sorted(set(classes.values()))
    of_text = np.array([names.index(classes[text]) for text in texts], dtype=np.int32)
    assigned = by_seed(of_text[np.concatenate(codes)], names, split)
    return lambda chunk: assigned[chunk.first_row - 1 :][: chunk.rows]

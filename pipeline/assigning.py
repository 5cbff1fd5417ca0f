"""How the rows of a table are told apart: from a split to a function that assigns the rows of each chunk."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UserError, shortened
from pipeline.roles import Roles
from pipeline.split import DROPPED, Assignment, Split, by_column, by_hash, by_seed
from pipeline.table import digests, places
from pipeline.table.columns import Chunk, Class
from pipeline.table.sources import Where

Assign = Callable[[Chunk], Assignment]


def row_wise(
    split: Split, source: Where, columns: Roles, missing_values: Sequence[str], others: places.Others
) -> Assign | None:
    """The assignment of a row that needs no other rows; None for a split that does.

    A row without a label is DROPPED, wherever it would belong. ``others``: what rows must hold to be found at fault.
    """
    if split.method == "seed":
        return None
    if split.method == "hash":
        hashed = [*columns.features, columns.target] if split.key is None else [split.key]
        return _of_labelled(
            columns.target, lambda chunk: _by_hash(split, source, chunk, hashed, missing_values, others)
        )
    if (column := split.reads_column) is None:
        return _of_labelled(columns.target, lambda chunk: np.zeros(chunk.rows, dtype=np.uint8))
    return _of_labelled(columns.target, lambda chunk: by_column(source, column, chunk.texts[column], others))


def _of_labelled(target: str, assign: Assign) -> Assign:
    """``assign`` that sees only rows with a label; the others are DROPPED."""

    def assigned(chunk: Chunk) -> Assignment:
        if not chunk.lacks(target):
            return assign(chunk)
        everywhere = np.full(chunk.rows, DROPPED, dtype=np.uint8)
        everywhere[chunk.texts[target].codes >= 0] = assign(chunk.having(target))
        return everywhere

    return assigned


def _by_hash(
    split: Split,
    source: Where,
    chunk: Chunk,
    hashed: Sequence[str],
    missing_values: Sequence[str],
    others: places.Others,
) -> Assignment:
    key = split.key
    if key is not None and chunk.lacks(key):
        line = places.lines_without_value(source, key, missing_values, 1, others)[0]
        raise UserError(f"{source}, line {line}, column {shortened(key)}: expected a key to split by, got no value")
    return by_hash(digests.of_rows(chunk, hashed, split.seed), split)


def by_lot(
    split: Split, texts: Sequence[str], codes: Sequence[NDArray[np.int32]], classes: Mapping[str, Class]
) -> Assign:
    """The assignment by the labels of all rows: ``codes``, in pieces (n,) in order, number them within ``texts``.

    Code -1 is no label.
    """
    names = sorted(set(classes.values()))
    of_text = np.array([*(names.index(classes[text]) for text in texts), -1], dtype=np.int32)
    assigned = by_seed(of_text[np.concatenate(codes)], names, split)
    return lambda chunk: assigned[chunk.first_row - 1 :][: chunk.rows]

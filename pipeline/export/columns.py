"""What both exports say of a model's columns: how a value that is none is known, and where a level's weights lie."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.columns import Class, class_text
from pipeline.dataset.encoder import MISSING, OTHER, RESERVED, UNSEEN, CategoryColumn
from pipeline.errors import UserError, quoted
from pipeline.model import Model
from pipeline.table import locate

_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True)
class CategoryWeights:
    """A category: the levels that training saw, each with weights (k,); those of no value, and of other texts."""

    name: str
    levels: tuple[str, ...]
    weights: NDArray[np.float64]
    of_missing: NDArray[np.float64]
    of_others: NDArray[np.float64]


def categories(model: Model) -> list[CategoryWeights]:
    """The categories of a model; ``weights`` (levels, k)."""
    encoder = model.encoder
    return [
        _category(column, np.ascontiguousarray(model.weights[:, start : start + len(column.levels)].T))
        for column, start in zip(encoder.categories, encoder.first_columns, strict=True)
    ]


def _category(column: CategoryColumn, weights: NDArray[np.float64]) -> CategoryWeights:
    place = {level: position for position, level in enumerate(column.levels)}
    others = place.get(OTHER, place[UNSEEN])
    ordinary = tuple(level for level in column.levels if level not in RESERVED)
    return CategoryWeights(
        column.name, ordinary, weights[: len(ordinary)], weights[place.get(MISSING, place[UNSEEN])], weights[others]
    )


def missing_numbers(missing_values: Sequence[str]) -> list[float]:
    """The numbers that a table writes where it has no value, such as -999."""
    return sorted({float(text) for text in missing_values if locate.is_number(text)})


def missing_texts(missing_values: Sequence[str]) -> list[str]:
    """The texts that stand for no value where there is no null: the empty one only where no other does."""
    return sorted({*missing_values}) or [""]


def labels(classes: Sequence[Class]) -> list[str] | list[int]:
    """The classes as integers of 64 bits where all are, else as texts."""
    if all(isinstance(label, int) and not isinstance(label, bool) and label in _INT64 for label in classes):
        return [int(label) for label in classes]
    return [class_text(label) for label in classes]


def require_columns(model: Model) -> None:
    """Raises: UserError for a model that looks at no column, and so has nothing to be asked for."""
    if not model.encoder.types:
        raise UserError(f"a model of {quoted(model.encoder.target)} without columns: expected at least one to export")

"""How far each column of a table moves the logits, in nats: what a model's coefficients come to, column by column."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.columns import Class
from pipeline.dataset.encoder import UNSEEN
from pipeline.model import Model


@dataclass(frozen=True)
class ColumnEffect:
    """The largest change of a class's logit against the mean of all classes, in nats, and what it is for.

    Of a number (a part of a date, too) by one standard deviation, of a category from one of its levels to another.
    ``value``: the level that speaks for ``label``; of a number "more" or "less".
    """

    column: str
    nats: float
    value: str
    label: Class


def column_effects(model: Model, deviations: Mapping[str, float]) -> list[ColumnEffect]:
    """The effects of all columns, the largest first.

    ``deviations``: the standard deviation of numbers in the table's own units, where known; else one encoded unit.
    """
    encoder = model.encoder
    centred = model.weights - model.weights.mean(axis=0)
    effects = [
        _of_number(column.name, centred[:, position] * deviations.get(column.name, column.scale) / column.scale, model)
        for position, column in enumerate(encoder.numbers)
    ]
    ends = np.cumsum([encoder.number_count, *encoder.level_counts])
    effects += [
        _of_category(category.name, category.levels, centred[:, start : start + len(category.levels)], model)
        for category, start in zip(encoder.categories, ends[:-1], strict=True)
    ]
    return sorted(effects, key=lambda effect: -effect.nats)


def _of_number(name: str, by_class: NDArray[np.float64], model: Model) -> ColumnEffect:
    place = int(np.abs(by_class).argmax())
    return ColumnEffect(
        name, float(abs(by_class[place])), "more" if by_class[place] > 0 else "less", model.classes[place]
    )


def _of_category(name: str, levels: tuple[str, ...], weights: NDArray[np.float64], model: Model) -> ColumnEffect:
    seen = [position for position, level in enumerate(levels) if level != UNSEEN]
    own = weights[:, seen]
    place = int(np.ptp(own, axis=1).argmax())
    highest = int(own[place].argmax())
    return ColumnEffect(name, float(np.ptp(own[place])), levels[seen[highest]], model.classes[place])

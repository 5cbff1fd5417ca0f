"""How unequal the slices of a column are: the lowest rate over the highest, as fairlearn's ratios are.

The interval is of the same ratio in every replicate of the bootstrap. The lowest and the highest of several noisy rates
lie apart even where the true ones are equal, so a ratio below 1 alone says little: its interval and rows do.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.columns import Class
from pipeline.evaluate.slices.columns import SlicedColumn
from pipeline.evaluate.slices.measures import FEW_ROWS, Record, class_rates, ratio, varying_intervals
from pipeline.evaluate.slices.sums import Floats, SliceSums


def disparity_records(column: SlicedColumn, sums: SliceSums, classes: Sequence[Class]) -> Iterator[Record]:
    """Ratios of accuracy, and of each class's rates, over the slices of FEW_ROWS rows or more; none of fewer than two.

    A slice without the rows of a rate does not take part in it.
    """
    compared = np.flatnonzero(np.bincount(column.codes, minlength=len(column.labels)) >= FEW_ROWS)
    if len(compared) < 2:
        return
    labels = [column.labels[place] for place in compared]
    yield from _records(column.name, labels, "accuracy", None, ratio(sums.right, sums.weight)[:, compared])
    if sums.of_classes is not None:
        for measure, parts in class_rates(sums.of_classes, sums.weight).items():
            rates = ratio(*parts)[:, compared]
            for place, name in enumerate(classes):
                yield from _records(column.name, labels, measure, name, rates[:, :, place])


def _records(column: str, labels: Sequence[str], measure: str, name: Class | None, rates: Floats) -> Iterator[Record]:
    """One record of rates (R + 1, s), or none where fewer than two are defined, or all are 0."""
    defined = np.flatnonzero(~np.isnan(rates[0]))
    rates, labels = rates[:, defined], [labels[place] for place in defined.tolist()]
    if rates.shape[1] < 2 or rates[0].max() == 0:
        return
    ratios = _lowest_over_highest(rates)
    (low,), (high,) = varying_intervals(ratios[1:, np.newaxis])
    yield {
        "column": column,
        **({} if name is None else {"class": name}),
        "measure": measure,
        "ratio": float(ratios[0]),
        "low": None if np.isnan(low) else float(low),
        "high": None if np.isnan(high) else float(high),
        "lowest": labels[int(rates[0].argmin())],
        "highest": labels[int(rates[0].argmax())],
    }


def _lowest_over_highest(rates: Floats) -> NDArray[np.float64]:
    """(R + 1,) of rates (R + 1, s); NaN where one is not defined or all are 0."""
    return ratio(rates.min(axis=1), rates.max(axis=1))

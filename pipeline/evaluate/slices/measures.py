"""What is said of each slice: metrics with their intervals, and whether its log loss is another than that of the rest.

s slices, k classes. Arrays have R + 1 lines: the rows as they are, then the replicates of the bootstrap.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.sums import halving_sum
from pipeline.dataset.columns import Class
from pipeline.distributions import two_sided
from pipeline.evaluate import calibration
from pipeline.evaluate.metrics import Predictions
from pipeline.evaluate.slices.columns import SlicedColumn
from pipeline.evaluate.slices.sums import ClassSums, Floats, SliceSums
from pipeline.resampling.percentiles import percentile_intervals

FEW_ROWS = 10  # fewer are neither tested nor compared: their replicates tell too little of their spread

Record = dict[str, Any]


@dataclass(frozen=True)
class Estimates:
    """Values with their 95 % intervals, NaN where not defined, (s,) or (s, k)."""

    values: Floats
    low: Floats
    high: Floats

    def record(self, name: str, place: int | tuple[int, int]) -> Record:
        """One of them, None in place of NaN."""
        bounds = {name: self.values, f"{name}_low": self.low, f"{name}_high": self.high}
        return {key: None if np.isnan(numbers[place]) else float(numbers[place]) for key, numbers in bounds.items()}


def slice_records(
    predictions: Predictions, column: SlicedColumn, sums: SliceSums, classes: Sequence[Class], bins: int
) -> list[Record]:
    """A record a slice, in the order of its labels; ``p_value`` is not adjusted for the number of slices yet."""
    rows = np.bincount(column.codes, minlength=len(column.labels))
    numbers = {
        "log_loss": _mean(sums.loss, sums.weight),
        "accuracy": _share(sums.right, sums.weight),
        "calibration_gap": _mean(sums.gap, sums.weight),
        "cost": _mean(sums.cost, sums.weight),
    }
    rates = (
        {}
        if sums.of_classes is None
        else {name: _share(*parts) for name, parts in class_rates(sums.of_classes, sums.weight).items()}
    )
    p_values = _p_values(sums, rows)
    records = []
    for place, label in enumerate(column.labels):
        record: Record = {"column": column.name, "value": label, "rows": int(rows[place]), "p_value": p_values[place]}
        for name, estimates in numbers.items():
            record |= {name: None} if estimates is None else estimates.record(name, place)
        record["expected_calibration_error"] = _calibration_error(predictions, column.codes == place, bins)
        record["per_class"] = [
            {"class": name} | _merged(of.record(rate, (place, position)) for rate, of in rates.items())
            for position, name in enumerate(classes)
            if rates
        ]
        records.append(record)
    return records


def _merged(records: Iterable[Record]) -> Record:
    return {name: value for record in records for name, value in record.items()}


def class_rates(sums: ClassSums, weight: Floats) -> dict[str, tuple[Floats, Floats]]:
    """Numerators and denominators, (R + 1, s, k), of each class against the rest."""
    everyone = np.broadcast_to(weight[:, :, np.newaxis], sums.actual.shape)
    return {
        "true_positive_rate": (sums.right, sums.actual),
        "false_positive_rate": (sums.predicted - sums.right, everyone - sums.actual),
        "selection_rate": (sums.predicted, everyone),
    }


def ratio(numerators: Floats, denominators: Floats) -> Floats:
    """NaN where the denominator is 0."""
    result: Floats = np.divide(numerators, denominators, out=np.full(numerators.shape, np.nan), where=denominators > 0)
    return result


def _mean(totals: Floats | None, weight: Floats) -> Estimates | None:
    """Means (s,) with percentile intervals; None where nothing is known."""
    if totals is None:
        return None
    means = ratio(totals, weight)
    return Estimates(means[0], *varying_intervals(means[1:]))


def varying_intervals(replicates: Floats) -> tuple[Floats, Floats]:
    """Percentile intervals of replicates (R, ...); NaN where all are alike, as those of one row are."""
    low, high = percentile_intervals(replicates)
    alike = low == high
    low[alike] = high[alike] = np.nan
    return low, high


def _share(numerators: Floats, denominators: Floats) -> Estimates:
    """Shares with percentile intervals; Wilson's where all replicates are alike, as those of a share of 0 or 1 are."""
    shares = ratio(numerators, denominators)
    low, high = percentile_intervals(shares[1:])
    alike = (low == high) & (denominators[0] > 0)
    low[alike], high[alike] = calibration.wilson_interval(shares[0][alike], denominators[0][alike])
    return Estimates(shares[0], low, high)


def _p_values(sums: SliceSums, rows: NDArray[np.int64]) -> list[float | None]:
    """Of the difference between a slice's log loss and that of all other rows, in units of its replicates' spread."""
    if sums.loss is None:
        return [None] * len(rows)
    losses, weights = (total.sum(axis=1, keepdims=True) - total for total in (sums.loss, sums.weight))
    differences = ratio(sums.loss, sums.weight) - ratio(losses, weights)
    replicates = np.ascontiguousarray(differences[1:])
    count = len(replicates)
    means = halving_sum(replicates, axis=0) / count
    away = replicates - means
    spread = np.sqrt(halving_sum(away * away, axis=0) / (count - 1))
    tested = (rows >= FEW_ROWS) & (rows.sum() - rows >= FEW_ROWS) & (spread > 0)  # NaN is not above 0
    p_values = two_sided(differences[0] / np.where(tested, spread, 1.0))
    return [float(p) if is_tested else None for p, is_tested in zip(p_values, tested, strict=True)]


def _calibration_error(predictions: Predictions, chosen: NDArray[np.bool_], bins: int) -> float:
    confidence = predictions.probabilities[chosen].max(axis=1)
    right = predictions.predicted[chosen] == predictions.labels[chosen]
    return calibration.expected_calibration_error(
        calibration.calibration(confidence, right, predictions.weights[chosen], bins)
    )

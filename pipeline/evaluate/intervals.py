"""95 % intervals of metrics: how far each would move on other rows of the same kind, the model as it is.

They come from 1,000 replicates of the Poisson bootstrap; the expected calibration error's from its own use of them, the
area under the ROC curve's from its placement values. docs/metrics.md says how often they hold the true value.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluate.calibration_interval import calibration_interval
from pipeline.evaluate.delong import UndefinedAreaError, area_interval, difference_interval, macro_area
from pipeline.evaluate.metrics import Predictions
from pipeline.evaluate.replicates import Replicates, replicate_metrics
from pipeline.resampling.percentiles import percentile_interval

CALIBRATION_ERROR = "expected_calibration_error"
AREA = "roc_auc_ovr"

_ALIKE = "every replicate has the same value"


class Measure(NamedTuple):
    """A metric, of one class or (None) of all."""

    metric: str
    label: int | None = None


@dataclass(frozen=True)
class Interval:
    """Bounds; ``left_out`` replicates had none of the rows that the metric needs."""

    low: float
    high: float
    left_out: int = 0


@dataclass
class Intervals:
    """Intervals by measure, and the reason where there is none; neither for a metric that is not defined."""

    bounds: dict[Measure, Interval] = field(default_factory=dict)
    refused: dict[Measure, str] = field(default_factory=dict)

    def add(self, measure: Measure, bounds: Callable[[], Interval]) -> None:
        """Add what ``bounds`` returns, or why it raises NoIntervalError or UndefinedAreaError."""
        try:
            self.bounds[measure] = bounds()
        except (NoIntervalError, UndefinedAreaError) as reason:
            self.refused[measure] = str(reason)


class NoIntervalError(ValueError):
    """Why there is no interval, as a clause."""


def metric_intervals(predictions: Predictions, bins: int) -> Intervals:
    """Intervals of every metric of at least one row, all of positive weight; rows of a unit are drawn together."""
    replicates = replicate_metrics(predictions, bins)
    result = Intervals()
    for name, values in replicates.metrics.items():
        result.add(Measure(name), lambda values=values: _percentiles(values))  # type: ignore[misc]
    result.add(Measure(CALIBRATION_ERROR), lambda: _of_calibration(replicates))
    if _has_every_class(predictions):
        result.add(Measure(AREA), lambda: Interval(*area_interval(macro_area(predictions))))
    for name, columns in replicates.of_classes.items():
        for label, values in enumerate(columns.T):
            if not np.isnan(values).all():
                result.add(Measure(name, label), lambda values=values: _percentiles(values))  # type: ignore[misc]
    return result


def paired_intervals(a: Predictions, b: Predictions, bins: int) -> Intervals:
    """Intervals of b - a of the metrics of all classes; the rows of ``a`` and ``b`` are the same, in one order.

    Two calibration errors are biased each in its own way, so that no resampling of their difference holds the truth as
    often as it says; its bounds are the differences of their opposite bounds, which are mostly too wide.
    """
    replicates = [replicate_metrics(side, bins) for side in (a, b)]
    one, other = (side.metrics for side in replicates)
    result = Intervals()
    for name in sorted({*one} & {*other}):
        result.add(Measure(name), lambda name=name: _percentiles(other[name] - one[name]))  # type: ignore[misc]

    def of_calibration() -> Interval:
        first, second = map(_of_calibration, replicates)
        return Interval(second.low - first.high, second.high - first.low, first.left_out)

    result.add(Measure(CALIBRATION_ERROR), of_calibration)
    if _has_every_class(a) and _has_every_class(b):
        result.add(Measure(AREA), lambda: Interval(*difference_interval(macro_area(a), macro_area(b))))
    return result


def _has_every_class(predictions: Predictions) -> bool:
    return bool(len(np.unique(predictions.labels)) == predictions.probabilities.shape[1] > 1)


def _percentiles(values: NDArray[np.float64]) -> Interval:
    """The percentile interval of the replicates (R,) that are defined, no NaN. Raises: NoIntervalError."""
    defined = values[~np.isnan(values)]
    _require_half(len(defined), len(values))
    if defined.min() == defined.max():
        raise NoIntervalError(_ALIKE)
    return Interval(*percentile_interval(defined), left_out=len(values) - len(defined))


def _of_calibration(replicates: Replicates) -> Interval:
    is_defined = ~np.isnan(replicates.gaps[:, 0])
    defined = replicates.gaps[is_defined]
    _require_half(len(defined), len(is_defined))
    if (defined == defined[0]).all():
        raise NoIntervalError(_ALIKE)
    bounds = calibration_interval(replicates.own_gaps, defined)
    return Interval(*bounds, left_out=len(is_defined) - len(defined))


def _require_half(defined: int, replicates: int) -> None:
    if 2 * defined < replicates:
        raise NoIntervalError(f"only {defined} of {replicates:,} replicates have the rows that it needs")

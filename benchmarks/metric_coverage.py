"""How often 95 % intervals of metrics hold the truth: `python -m benchmarks.metric_coverage`.

Tables are drawn from populations of 3 classes whose probabilities are known, and a model that is what it is predicts
them; the truth is the metric of 2,000,000 further rows (of the calibration error: of their probabilities, without the
noise of classes). Three kinds of tables: each metric by population and number of rows; differences of two models of the
same rows; and the calibration error by other methods than the one taken. Titles name the Monte Carlo error. About two
minutes.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from pipeline.evaluate import metrics
from pipeline.evaluate.calibration import calibration, expected_calibration_error
from pipeline.evaluate.calibration_interval import calibration_interval
from pipeline.evaluate.intervals import CALIBRATION_ERROR, Intervals, Measure, metric_intervals, paired_intervals
from pipeline.evaluate.metrics import Predictions
from pipeline.evaluate.replicates import replicate_metrics
from pipeline.resampling.percentiles import percentile_interval
from pipeline.scoring import probabilities

Floats = NDArray[np.float64]
Bounds = tuple[float, float]

BINS, TRUTH_ROWS, TABLES = 10, 2_000_000, 600
SIZES, CALIBRATION_SIZES = (100, 500, 2000), (500, 5000)
CLASSES = ["a", "b", "c"]
SLOPES = np.array([[1.5, 0.0, -1.5], [0.5, -1.0, 0.5]])
OF_CLASS_C = tuple(Measure(name, 2) for name in ("precision", "recall", "f1"))


@dataclass(frozen=True)
class Population:
    """Rows, and the factor by which a model's logits are too large; class c is as frequent as ``bias`` has it."""

    factor: float = 1.0
    bias: float = 0.0
    weighted: bool = False
    group_size: int = 1

    def draw(self, n: int, random: np.random.Generator) -> tuple[Floats, Predictions]:
        """The probabilities of classes, and the model's predictions of rows drawn from them."""
        x = random.normal(size=(n, 2))
        if self.group_size > 1:  # a group shares half of the variance of x, and something the model does not know
            of_group = np.repeat(random.normal(size=(-(-n // self.group_size), 3)), self.group_size, axis=0)[:n]
            x = (x + of_group[:, :2]) / np.sqrt(2)
        known = x @ SLOPES + np.array([0.0, 0.0, self.bias])
        logits = known + (of_group[:, [2]] * [0.7, 0.0, -0.7] if self.group_size > 1 else 0)
        true = probabilities.softmax(logits)
        labels = (random.random((n, 1)) > true.cumsum(axis=1)).sum(axis=1).clip(max=2)
        weights = np.exp(0.5 * x[:, 1]) if self.weighted else np.ones(n)
        units = np.arange(n, dtype=np.uint64) // np.uint64(self.group_size)
        return true, predict(self.factor * known, labels, weights, units)


POPULATIONS = {
    "calibrated": Population(),
    "overconfident": Population(factor=1.6),
    "slightly so": Population(factor=1.1),
    "class c rare": Population(bias=-2.5),
    "weights": Population(factor=1.3, weighted=True),
    "groups of 5": Population(factor=1.3, group_size=5),
}


def predict(logits: Floats, labels: NDArray[np.int64], weights: Floats, units: NDArray[np.uint64]) -> Predictions:
    """What a model with these logits says."""
    losses = probabilities.log_softmax(logits)[np.arange(len(labels)), labels]
    return Predictions(labels, logits.argmax(axis=1), probabilities.softmax(logits), losses, weights, units)


def another(given: Predictions) -> Predictions:
    """A second model's predictions of the same rows: it leans towards class a, and is less sure."""
    logits = 0.8 * np.log(given.probabilities) + np.array([0.3, 0.0, 0.0])
    return predict(logits, given.labels, given.weights, given.units)


def truth_of(true: Floats, given: Predictions) -> dict[Measure, float]:
    """Metrics of many rows."""
    scored = metrics.score(given, CLASSES, BINS)
    chance = true[np.arange(len(true)), given.predicted]
    calibrated = calibration(given.probabilities.max(axis=1), chance, given.weights, BINS)
    values = scored.values | {CALIBRATION_ERROR: expected_calibration_error(calibrated)}
    result = {Measure(name): value for name, value in values.items() if value is not None}
    return result | {measure: scored.per_class[2][measure.metric] for measure in OF_CLASS_C}


def coverage(
    population: Population,
    n: int,
    truth: Mapping[Measure, float],
    intervals: Callable[[Predictions], Intervals],
) -> dict[Measure, float]:
    """Per cent of tables whose interval holds the truth."""
    random = np.random.default_rng(n)
    held: dict[Measure, list[bool]] = defaultdict(list)
    for _ in range(TABLES):
        _, given = population.draw(n, random)
        for measure, interval in intervals(given).bounds.items():
            if measure in truth:
                held[measure].append(interval.low <= truth[measure] <= interval.high)
    return {measure: 100 * float(np.mean(values)) for measure, values in held.items()}


def calibration_bounds(own: Floats, replicates: Floats) -> dict[str, Bounds]:
    """Intervals of the calibration error by method, from gaps as ``calibration_interval`` takes them."""
    error, errors = np.abs(own).sum(), np.abs(replicates).sum(axis=1)
    low, high = percentile_interval(errors)
    twice = 2 * (errors.mean() - error)
    normal = NormalDist()
    z = normal.inv_cdf(float(np.clip(np.mean(errors < error), 0.001, 0.999)))
    ranks = [int(len(errors) * normal.cdf(2 * z + sign * 1.96)) for sign in (-1, 1)]
    efron = np.sort(errors)[np.clip(ranks, 0, len(errors) - 1)]
    return {
        "percentile": (low, high),
        "basic": (max(0.0, 2 * error - high), 2 * error - low),
        "less twice the bias": (max(0.0, low - twice), high - twice),
        "bias-corrected (Efron)": (float(efron[0]), float(efron[1])),
        "taken": calibration_interval(own, replicates),
    }


def calibration_coverage(population: Population, n: int, truth: float) -> dict[str, float]:
    """Per cent of tables whose interval of the calibration error holds the truth, by method."""
    random = np.random.default_rng(n)
    held: dict[str, list[bool]] = defaultdict(list)
    for _ in range(TABLES):
        replicates = replicate_metrics(population.draw(n, random)[1], BINS)
        for name, (low, high) in calibration_bounds(replicates.own_gaps, replicates.gaps).items():
            held[name].append(low <= truth <= high)
    return {name: 100 * float(np.mean(values)) for name, values in held.items()}


def show(title: str, columns: Mapping[str, Mapping[str, float]]) -> None:
    """Print a table of per cents."""
    table = Table("", *columns, title=title, title_justify="left")
    for name in next(iter(columns.values())):
        table.add_row(name, *(f"{values[name]:.1f}" if name in values else "-" for values in columns.values()))
    Console(width=120).print(table)


def main() -> None:
    noise = f"per cent, +- {100 * np.sqrt(0.05 * 0.95 / TABLES):.1f}"
    truths = {name: truth_of(*each.draw(TRUTH_ROWS, np.random.default_rng(0))) for name, each in POPULATIONS.items()}

    def named(values: Mapping[Measure, float]) -> dict[str, float]:
        return {each.metric + (" of c" if each.label is not None else ""): value for each, value in values.items()}

    for n in SIZES:
        columns = {
            name: named(coverage(each, n, truths[name], lambda given: metric_intervals(given, BINS)))
            for name, each in POPULATIONS.items()
            if name != "slightly so"
        }
        show(f"{n} rows, {noise}", columns)
    columns = {}
    for name in ("calibrated", "weights", "groups of 5"):
        true, given = POPULATIONS[name].draw(TRUTH_ROWS, np.random.default_rng(0))
        second = truth_of(true, another(given))
        changes = {measure: second[measure] - value for measure, value in truths[name].items()}
        columns[name] = named(
            coverage(POPULATIONS[name], 2000, changes, lambda given: paired_intervals(given, another(given), BINS))
        )
    show(f"difference of two models, 2000 rows, {noise}", columns)
    for n in CALIBRATION_SIZES:
        columns = {
            name: calibration_coverage(POPULATIONS[name], n, truths[name][Measure(CALIBRATION_ERROR)])
            for name in ("calibrated", "slightly so", "overconfident")
        }
        show(f"calibration error by method, {n} rows, {noise}", columns)


if __name__ == "__main__":
    main()

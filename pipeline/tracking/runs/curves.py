"""Outs as MLflow metrics: curves over epochs, single values as bars, and few enough of both to read and to store.

A metric that has one point, at step 0, is a bar in MLflow's charts, one for each run; k is the number of classes, d the
number of features.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from mlflow.entities import Metric
from numpy.typing import NDArray

from pipeline.dataset.columns import class_text
from pipeline.dataset.shard import SPLITS, most_held_out
from pipeline.tracking.runs import names
from pipeline.tracking.runs.outputs import Training
from pipeline.tracking.store.store import Store

# A chart is some 1,000 pixels wide; MLflow needs a tenth of a second for 1,000 points. history.csv keeps them all.
_COST_POINTS = 2000
_OTHER_POINTS = 250

# Above this many, scalars drown the charts and the table of runs; pictures and files hold the weights of every model.
_SCALARS = 32

_WEIGHT_POINTS = 100

# MLflow sorts the sections of its charts by name: curves come before the bars of eval/ and train/.
BY_EPOCH = "by epoch/"

_RATE = "lr"

# Metrics shown for each split and for the baseline.
_SIDE_BY_SIDE = ("log_loss", "accuracy")


def thinned(count: int, limit: int) -> NDArray[np.int64]:
    """At most ``limit`` of the positions 0 to ``count`` - 1, evenly spaced, first and last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, limit)).round().astype(np.int64))


def costs(history: dict[str, list[float]], time: int, known: Iterable[int] = ()) -> list[Metric]:
    """Curves of history.csv by epoch, as of ``time`` in ms; of the epochs in ``known`` the run has ``records`` already.

    A learning rate that never changes is a param, not a curve.
    """
    epochs = [int(epoch) for epoch in history["epoch"]]
    seen = set(known)
    metrics = []
    for name, values in history.items():
        if name == "epoch" or (name == _RATE and len(set(values)) == 1):
            continue
        for position in thinned(len(epochs), limit(name)).tolist():
            if name == _RATE or epochs[position] not in seen:
                metrics.append(Metric(f"{BY_EPOCH}{name}", values[position], time, epochs[position]))
    return metrics


def limit(column: str) -> int:
    """The most points in the curve of a column of history.csv, but for those of a training that went on."""
    return _COST_POINTS if column == "cost" else _OTHER_POINTS


def recorded(store: Store, run_id: str) -> set[int]:
    """The epochs whose costs are in the run."""
    return {int(metric.step) for metric in store.client.get_metric_history(run_id, f"{BY_EPOCH}cost")}


def records(rows: Iterable[dict[str, Any]], time: int) -> list[Metric]:
    """Curves from records of a training that still runs, without the rate: whether it changes is known at the end."""
    return [
        Metric(f"{BY_EPOCH}{name}", float(value), time, int(row["epoch"]))
        for row in rows
        for name, value in row.items()
        if name not in ("epoch", _RATE)
    ]


def weights(training: Training, time: int) -> list[Metric]:
    """W and b of a small model by number of updates, as ``weights/<class>/<feature>``; none for larger models."""
    _, k, columns = training.values.shape
    if k * columns > _SCALARS:
        return []
    classes = names.unique_parts(map(class_text, training.model.classes))
    features = [*names.unique_parts(training.model.features, taken=["bias"]), "bias"]
    return [
        Metric(f"weights/{class_name}/{feature}", float(training.values[position, row, column]), time, step)
        for position in thinned(len(training.updates), _WEIGHT_POINTS).tolist()
        for step in [int(training.updates[position])]
        for row, class_name in enumerate(classes)
        for column, feature in enumerate(features)
    ]


def final(training: Training, time: int) -> list[Metric]:
    """The numbers that training ended with, as bars; ``bound`` is in nats above the optimum, of a solver that knows."""
    result = training.model.result
    numbers = {"final_cost": result.get("cost"), "bound": result.get("bound"), "epochs": result.get("epochs")}
    return _bars("train", numbers | {"l2": training.l2}, time)


def evaluation(metrics: dict[str, Any], time: int) -> list[Metric]:
    """metrics.json as bars: every ``eval/<metric>`` of the main split, and what is worth a look beside it.

    ``eval/log_loss/<split>`` shows how far the splits are apart, ``eval/log_loss/baseline`` what the class frequencies
    alone reach on the main split; the same for accuracy. ``eval/f1/<class>`` is there if the classes are few. Each
    section of MLflow's charts then holds what belongs together; metrics.json among the artifacts holds all.
    """
    main = most_held_out(metrics)
    overall = {name: value for name, value in metrics[main].items() if name != "rows"}
    splits = [split for split in SPLITS if split in metrics]
    groups = {split: metrics[split] for split in splits} if len(splits) > 1 else {}
    groups["baseline"] = next((record for record in metrics["baseline"] if record["split"] == main), {})
    bars = _bars("eval", overall, time)
    for name in _SIDE_BY_SIDE:
        bars += _bars(f"eval/{name}", {group: values.get(name) for group, values in groups.items()}, time)
    return bars + _class_bars(metrics, main, time)


def _class_bars(metrics: dict[str, Any], main: str, time: int) -> list[Metric]:
    per_class = [record for record in metrics["per_class"] if record["split"] == main]
    if len(per_class) > _SCALARS:
        return []
    classes = names.unique_parts(class_text(record["class"]) for record in per_class)
    return _bars("eval/f1", dict(zip(classes, (record["f1"] for record in per_class), strict=True)), time)


def _bars(prefix: str, values: dict[str, Any], time: int) -> list[Metric]:
    """One point at step 0 for each number; what is not defined, and what is no number, is left out."""
    return [
        Metric(f"{prefix}/{name}", float(value), time, 0)
        for name, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    ]

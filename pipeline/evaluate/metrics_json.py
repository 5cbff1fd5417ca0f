"""The layout of metrics.json, and the baseline of class shares.

It has one mapping of numbers a split, and ``solver`` with the numbers that training ended with; these are
what ``dvc metrics show`` and ``dvc exp show`` lay out as columns. ``baseline``, ``per_class``, ``intervals`` and
``undefined`` are lists of records, which DVC leaves out: as columns they would drown the rest; so is ``l2_path``, how
train.l2 was chosen, if it was auto. Null is a metric that is not defined; ``undefined`` holds the reason, and that of a
metric without an interval. A record of ``intervals`` has ``left_out`` where replicates lacked the rows that the metric
needs: how many of the 1,000.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline import model as models
from pipeline.arithmetic.elementary import log
from pipeline.dataset.columns import Class
from pipeline.evaluate import metrics
from pipeline.evaluate.intervals import Interval, Measure, metric_intervals
from pipeline.evaluate.metrics import Predictions


def prior_only(predicted: Predictions, training: Predictions) -> Predictions:
    """Predictions of a model without features for the rows of ``predicted``: the class frequencies of ``training``.

    It says the same about all rows of a class, so one weighted row stands for them.
    """
    classes = predicted.probabilities.shape[1]
    prior = np.bincount(training.labels, training.weights, minlength=classes) / training.weights.sum()
    weights = np.bincount(predicted.labels, predicted.weights, minlength=classes).astype(np.float64)
    present = np.flatnonzero(weights)
    return Predictions(
        labels=present,
        predicted=np.full(len(present), prior.argmax()),
        probabilities=np.tile(prior, (len(present), 1)),
        log_likelihoods=log(prior)[present],
        weights=weights[present],
        units=present.astype(np.uint64),
    )


def metrics_document(splits: dict[str, Predictions], model: models.Model, bins: int) -> dict[str, Any]:
    """The content of metrics.json; the module's docstring says how it is laid out."""
    document: dict[str, Any] = {"solver": _numbers(model.result)}
    document |= {"baseline": [], "per_class": [], "intervals": [], "undefined": []}
    if search := model.result.get("l2_search"):
        document["l2_path"] = search["path"]
    for split, predicted in splits.items():
        rows = {"rows": len(predicted.labels)}
        own = metrics.score(predicted, model.classes, bins)
        prior = metrics.score(prior_only(predicted, splits["train"]), model.classes, bins)
        document[split] = rows | own.values
        document["baseline"].append({"split": split} | rows | prior.values)
        document["per_class"] += [{"split": split} | record for record in own.per_class]
        for name, scored in (("model", own), ("baseline", prior)):
            reasons = scored.undefined.items()
            document["undefined"] += [
                {"split": split, "of": name, "metric": metric, "reason": reason} for metric, reason in reasons
            ]
        estimated = metric_intervals(predicted, bins)
        for measure, interval in estimated.bounds.items():
            document["intervals"].append({"split": split} | _named(measure, model.classes) | _bounds(interval))
        document["undefined"] += [
            {"split": split, "of": "interval"} | _named(measure, model.classes) | {"reason": reason}
            for measure, reason in estimated.refused.items()
        ]
    return document


def _named(measure: Measure, classes: Sequence[Class]) -> dict[str, Any]:
    of_class = {} if measure.label is None else {"class": classes[measure.label]}
    return of_class | {"metric": measure.metric}


def _bounds(interval: Interval) -> dict[str, Any]:
    bounds = {"low": interval.low, "high": interval.high}
    return bounds | {"left_out": interval.left_out} if interval.left_out else bounds


def _numbers(result: dict[str, Any]) -> dict[str, Any]:
    """The training result without its sentences, which would fill a table's width."""
    return {name: value for name, value in result.items() if name == "status" or isinstance(value, int | float)}

"""Stage 3: apply the model to every split; write metrics, one line a row with its probabilities, and plot tables.

metrics.json has one mapping of numbers a split, and ``solver`` with the numbers that training ended with; these are
what ``dvc metrics show`` and ``dvc exp show`` lay out as columns. ``baseline``, ``per_class`` and ``undefined`` are
lists of records, which DVC leaves out: as columns they would drown the rest. Null is a metric that is not defined;
``undefined`` holds the reason.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import PositiveInt

from pipeline import files, plots, predictions, scores, shards
from pipeline import model as models
from pipeline.errors import UserError, printable
from pipeline.numerics import probabilities, workers
from pipeline.params import Section
from pipeline.scores import Predictions
from pipeline.table.columns import Class

METRICS_FILE = "metrics.json"
PREDICTIONS_FILE = "predictions.csv"
PLOTS_FOLDER = "plots"
SPLITS = ("train", "validation", "test")


class Params(Section):
    """The knobs under ``evaluate:``; params.yaml tells each one's meaning, unit and range."""

    calibration_bins: PositiveInt


def predict_splits(
    model: models.Model, prepared: shards.Prepared, write: Callable[[predictions.Block], None]
) -> dict[str, Predictions]:
    """What the model says about each split that has rows of weight > 0; ``write`` gets every row of predictions.csv."""
    joined = {
        name: Predictions.join(_predict(model, name, prepared.splits[name], write)) for name in _present(prepared)
    }
    return {name: predicted for name, predicted in joined.items() if len(predicted.labels)}


def _present(prepared: shards.Prepared) -> list[str]:
    return [name for name in SPLITS if name in prepared.splits]


def _predict(
    model: models.Model, split: str, rows: shards.Split, write: Callable[[predictions.Block], None]
) -> Iterator[Predictions]:
    for shard, logits in _logits(model, rows.shards):
        labels = np.array(shard.labels)
        predicted = Predictions(
            labels=labels,
            # Of the logits: where two probabilities round to one number, the ranks still tell them apart.
            predicted=logits.argmax(axis=1),
            probabilities=probabilities.softmax(logits),
            log_likelihoods=probabilities.log_softmax(logits)[np.arange(len(labels)), labels],
            weights=np.ones(len(labels)) if shard.weights is None else np.array(shard.weights),
        )
        predictions.check_sums(predicted.probabilities)
        write(_lines(model.classes, split, shard.rows, predicted, logits))
        yield predicted.weighted_rows()


def _logits(model: models.Model, rows: Sequence[shards.Shard]) -> Iterator[tuple[shards.Shard, NDArray[np.float64]]]:
    """Of every shard, (n, k), with what the shard says beside its features.

    Workers share the shards out: each reads its own, and holds no more than one of every worker at a time.
    """
    if workers.count() == 1:
        yield from ((shard, models.logits(model, shard.numbers, shard.codes)) for shard in rows)
        return
    import torch

    def work(place: int) -> Sequence[torch.Tensor]:
        shard = rows[place]
        weights = [] if shard.weights is None else [shard.weights]
        found = [models.logits(model, shard.numbers, shard.codes), shard.labels, shard.rows, *weights]
        return [torch.from_numpy(np.array(array)) for array in found]

    for first in range(0, len(rows), workers.count()):
        together = range(first, min(len(rows), first + workers.count()))
        for found in workers.collect(work, together):
            logits, labels, numbers, *weights = (tensor.numpy() for tensor in found)
            none = np.empty((len(labels), 0), dtype=np.float32)
            yield shards.Shard(none, none.astype(np.uint8), labels, numbers, *weights), logits


def _help(model: models.Model, prepared: shards.Prepared) -> None:
    """What a worker does that writes nothing: its part of ``_logits``."""
    for name in _present(prepared):
        for _ in _logits(model, prepared.splits[name].shards):
            pass


def _lines(
    classes: list[Class], split: str, rows: NDArray[np.int64], predicted: Predictions, logits: NDArray[np.float64]
) -> predictions.Block:
    return {
        "row": rows,
        "split": np.full(len(rows), split, dtype=object),
        "actual": predictions.class_names(classes, predicted.labels),
        "predicted": predictions.class_names(classes, predicted.predicted),
        **predictions.class_columns("probability", classes, predicted.probabilities),
        **predictions.class_columns("logit", classes, logits),
    }


def prior_only(predicted: Predictions, training: Predictions) -> Predictions:
    """What a model without features says about the rows of ``predicted``: the class frequencies of ``training``.

    It says the same about all rows of a class, so one weighted row stands for them.
    """
    classes = predicted.probabilities.shape[1]
    prior = np.bincount(training.labels, training.weights, minlength=classes) / training.weights.sum()
    weights = np.bincount(predicted.labels, predicted.weights, minlength=classes).astype(np.float64)
    present = np.flatnonzero(weights)
    with np.errstate(divide="ignore"):
        log_prior = np.log(prior)
    return Predictions(
        labels=present,
        predicted=np.full(len(present), prior.argmax()),
        probabilities=np.tile(prior, (len(present), 1)),
        log_likelihoods=log_prior[present],
        weights=weights[present],
    )


def metrics_document(splits: dict[str, Predictions], model: models.Model, bins: int) -> dict[str, Any]:
    """The content of metrics.json; the module's docstring says how it is laid out."""
    document: dict[str, Any] = {"solver": _numbers(model.result), "baseline": [], "per_class": [], "undefined": []}
    for split, predicted in splits.items():
        rows = {"rows": len(predicted.labels)}
        own = scores.score(predicted, model.classes, bins)
        prior = scores.score(prior_only(predicted, splits["train"]), model.classes, bins)
        document[split] = rows | own.values
        document["baseline"].append({"split": split} | rows | prior.values)
        document["per_class"] += [{"split": split} | record for record in own.per_class]
        for name, scored in (("model", own), ("baseline", prior)):
            reasons = scored.undefined.items()
            document["undefined"] += [
                {"split": split, "of": name, "metric": metric, "reason": reason} for metric, reason in reasons
            ]
    return document


def _numbers(result: dict[str, Any]) -> dict[str, Any]:
    """The training result without its sentences, which would fill a table's width."""
    return {name: value for name, value in result.items() if name == "status" or isinstance(value, int | float)}


def main(*, params: Params, prepared: Path, model: Path, out: Path) -> None:
    """Read ``prepared`` and ``model``, score every split, and write the reports into ``out``.

    Raises: UserError if a file is missing or damaged, or if the model was trained on other data than ``prepared``.
    """
    data = shards.open_prepared(prepared)
    trained = models.load(model)
    if trained.data_digest != data.digest:
        raise UserError(f"{model}: the model was trained on other data than {prepared} holds; run `dvc repro`")
    if workers.rank():
        _help(trained, data)
        return
    with predictions.open_csv(out / PREDICTIONS_FILE, trained.classes) as write:
        splits = predict_splits(trained, data, write)
    for split, predicted in splits.items():
        for sentence in scores.doubts(predicted, trained.classes):
            print(printable(f"evaluate: {split}: {sentence}"))
    if formula := predictions.formula_warning(out / PREDICTIONS_FILE, trained.classes):
        print(printable(formula))
    files.write_json(out / METRICS_FILE, metrics_document(splits, trained, params.calibration_bins))
    drawn = list(splits)[-1]
    plots.write(out / PLOTS_FOLDER, drawn, splits[drawn], trained, params.calibration_bins)

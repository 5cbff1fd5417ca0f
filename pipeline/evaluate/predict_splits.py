"""Every split of a dataset through the model, its shards shared by the workers."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import model as models
from pipeline.dataset import reader
from pipeline.dataset.columns import Class
from pipeline.dataset.shard import SPLITS, Shard
from pipeline.evaluate.metrics import Predictions
from pipeline.parallel import workers
from pipeline.scoring import predictions, probabilities
from pipeline.scoring.decision import NO_CHANGE, Decision
from pipeline.scoring.logits import compute_logits

CountSets = Callable[[str, Predictions, NDArray[np.bool_] | None], None]


def predict_splits(
    model: models.Model,
    prepared: reader.Dataset,
    write: Callable[[predictions.Block], None],
    progress: Callable[[int], None] = lambda _: None,
    decision: Decision = NO_CHANGE,
    count_sets: CountSets = lambda *_: None,
) -> dict[str, Predictions]:
    """Predictions for each split that has rows of weight > 0.

    ``write`` gets every row of predictions.csv, ``progress`` how many were written, ``count_sets`` the split, its rows
    and their prediction sets (n, k), if there are any.
    """
    splits: dict[str, Predictions] = {}
    for name in _present(prepared):
        parts = []
        for shard, logits in _logits(model, prepared.splits[name].shards):
            # Predict: probabilities of a shard's rows, and the class that is most probable; then decide.
            predicted = _predict(shard, decision.scaled_logits(logits))
            decided, contained = decision.decide(predicted.probabilities), decision.contain(logits)
            count_sets(name, predicted, contained)
            predictions.check_sums(predicted.probabilities)
            # Write: a line a row, whatever its weight.
            lines = _lines(model.classes, name, shard, predicted, logits)
            write({**lines, **predictions.decision_columns(model.classes, decided, contained)})
            progress(len(shard.rows))
            parts.append(predicted.weighted_rows())
        # Join: the rows that count, where there are any.
        joined = Predictions.join(parts)
        if len(joined.labels):
            splits[name] = joined
    return splits


def _present(prepared: reader.Dataset) -> list[str]:
    return [name for name in SPLITS if name in prepared.splits]


def _predict(shard: Shard, logits: NDArray[np.float64]) -> Predictions:
    labels = np.array(shard.labels)
    return Predictions(
        labels=labels,
        # Of the logits: where two probabilities round to one number, the ranks still tell them apart.
        predicted=logits.argmax(axis=1),
        probabilities=probabilities.softmax(logits),
        log_likelihoods=probabilities.log_softmax(logits)[np.arange(len(labels)), labels],
        weights=np.ones(len(labels)) if shard.weights is None else np.array(shard.weights),
        units=np.array(shard.rows if shard.groups is None else shard.groups).astype(np.uint64),
    )


def _logits(model: models.Model, rows: Sequence[Shard]) -> Iterator[tuple[Shard, NDArray[np.float64]]]:
    """Of every shard, (n, k), with what the shard says beside its features.

    Workers share the shards out: each reads its own, and holds no more than one of every worker at a time.
    """
    if workers.count() == 1:
        yield from ((shard, compute_logits(model, shard.numbers, shard.codes)) for shard in rows)
        return
    for first in range(0, len(rows), workers.count()):
        together = rows[first : first + workers.count()]
        mine = [together[place] for place in workers.local_range(len(together))]
        gathered = workers.all_gather_arrays(
            [[compute_logits(model, shard.numbers, shard.codes), *_beside_features(shard).values()] for shard in mine]
        )
        names = _beside_features(together[0])
        for logits, *arrays in gathered:
            none = np.empty((len(logits), 0), dtype=np.float32)
            yield Shard(none, none.astype(np.uint8), **dict(zip(names, arrays, strict=True))), logits


def _beside_features(shard: Shard) -> dict[str, NDArray[Any]]:
    return {name: array for name, array in shard.tensors().items() if name in ("labels", "rows", "weights", "groups")}


def compute_logits_only(model: models.Model, prepared: reader.Dataset) -> None:
    """The part of a worker that writes nothing: its shards of ``_logits``."""
    for name in _present(prepared):
        for _ in _logits(model, prepared.splits[name].shards):
            pass


def _lines(
    classes: list[Class], split: str, shard: Shard, predicted: Predictions, logits: NDArray[np.float64]
) -> predictions.Block:
    return {
        "row": shard.rows,
        "split": np.full(len(shard.rows), split, dtype=object),
        "actual": predictions.class_names(classes, predicted.labels),
        "predicted": predictions.class_names(classes, predicted.predicted),
        # Where rows have them: what intervals of a difference need beside the probabilities.
        **({} if shard.weights is None else {"weight": predicted.weights}),
        **({} if shard.groups is None else {"group": predicted.units}),
        **predictions.class_columns("probability", classes, predicted.probabilities),
        **predictions.class_columns("logit", classes, logits),
    }

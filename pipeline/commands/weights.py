"""W and b of a model as tables: where training began, after the epochs of its snapshots, and as trained.

k is the number of classes, d the number of features.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline import model as models
from pipeline.commands import class_tables
from pipeline.dataset.columns import class_text
from pipeline.documents import json_documents
from pipeline.errors import UserError, listed
from pipeline.output_files import SNAPSHOTS_FILE
from pipeline.results.training import parse_snapshots

# Printed unasked; `--epoch` prints any other.
_MOST_TABLES = 11

_BEFORE_EPOCH_0 = -1


@dataclass(frozen=True)
class _Point:
    """W (k, d) and b (k,) after the update of an epoch, or before that of epoch 0."""

    epoch: int
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    is_model: bool = False

    @property
    def title(self) -> str:
        end = ": the model" if self.is_model else ""
        if self.epoch == _BEFORE_EPOCH_0:
            return f"W and b before epoch 0, where training begins{end}"
        done = "1 epoch" if self.epoch == 0 else f"{self.epoch + 1:,} epochs"
        return f"W and b after epoch {self.epoch} ({done} done){end}"

    @property
    def largest(self) -> float:
        return float(max(np.abs(self.weights).max(initial=0), np.abs(self.bias).max()))


def main(*, model: Path, epoch: int | None, digits: int) -> None:
    """Print a table for each snapshot and for the model, of many evenly spaced ones; with ``epoch`` that one alone.

    Raises: UserError if model or snapshots cannot be used, or there is no snapshot after ``epoch``.
    """
    # Read: the model, and the snapshots of its training.
    trained = models.load(model)
    points = _points(trained, model / SNAPSHOTS_FILE)
    # Choose: epochs, and what of W and b fits the screen.
    printed = _evenly_spaced(points) if epoch is None else [_at(points, epoch, model / SNAPSHOTS_FILE)]
    sizes = np.abs(trained.weights)
    tables = class_tables.choose(
        classes=[class_text(label) for label in trained.classes],
        columns=trained.features,
        further=["b"],
        class_sizes=sizes.max(axis=1, initial=0),
        column_sizes=sizes.max(axis=0),
        largest=max(point.largest for point in printed),
        digits=digits,
    )
    # Print: the tables, and what is left out.
    console = class_tables.console()
    for point in printed:
        console.print(point.title)
        console.print(tables.table(point.weights, {"b": point.bias}))
        console.print()
    if len(printed) < len(points) and epoch is None:
        console.print(f"{len(printed)} of {len(points):,} snapshots; --epoch N prints the one after epoch N.")
    for sentence in tables.omissions(*["those of the largest weights in the model"] * 2):
        console.print(sentence)


def _points(trained: models.Model, path: Path) -> list[_Point]:
    """The snapshots in the file at ``path`` and the model, by epoch."""
    snapshots = parse_snapshots(json_documents.read_bytes(path, "run `dvc repro`"), path, trained.weights.shape)
    by_epoch = {
        epoch: _Point(epoch, weights, bias)
        for epoch, weights, bias in zip(snapshots["epoch"].tolist(), snapshots["W"], snapshots["b"], strict=True)
    }
    # Early stopping counts the best epoch by its validation cost, which is measured before the update.
    best = trained.result.get("best_epoch")
    last = (trained.result.get("epochs", 0) if best is None else best) - 1
    by_epoch[last] = _Point(last, trained.weights, trained.bias, is_model=True)
    return [by_epoch[epoch] for epoch in sorted(by_epoch)]


def _at(points: list[_Point], epoch: int, path: Path) -> _Point:
    for point in points:
        if point.epoch == epoch:
            return point
    there = listed([point.epoch for point in points], _MOST_TABLES)
    raise UserError(
        f"{path}: expected an epoch with a snapshot ({there}), got {epoch}; "
        "train.snapshot_every in params.yaml says how often one is taken"
    )


def _evenly_spaced(points: list[_Point]) -> list[_Point]:
    """At most as many as are printed, the first and the last among them."""
    places = np.linspace(0, len(points) - 1, min(len(points), _MOST_TABLES)).round().astype(int)
    return [points[place] for place in places.tolist()]

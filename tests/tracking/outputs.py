"""Folders as the stages leave them, made in milliseconds: prepared data, model, history, snapshots, reports."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from pipeline import model
from pipeline.dataset.encoder import UNSEEN, CategoryColumn, Encoder, NumberColumn
from pipeline.dataset.shard import Shard
from pipeline.dataset.writer import Writer
from pipeline.tracking.client import outbox, run_context
from pipeline.tracking.runs.train_run import Started

PARAMS: dict[str, Any] = {
    "prepare": {"source": "data/raw/toy.csv", "target": "y", "features": "all", "split": {"method": "none"}},
    "train": {"solver": "sgd", "lr": 0.1, "seed": 1, "epochs": 5, "snapshot_every": 2},
    "evaluate": {"calibration_bins": 10},
    "tracking": {"experiment": "softmax"},
}


class Project:
    """A project folder with the outputs of all three stages; ``paths`` is what the stages are told."""

    def __init__(
        self,
        folder: Path,
        *,
        features: Sequence[str] = ("x1",),
        classes: tuple[str | int | bool, ...] = ("ant", "bee", "cow"),
        epochs: int = 5,
        seed: int = 1,
        encoder: Encoder | None = None,
    ) -> None:
        """Make the outputs of a model with these number columns and a category ``island``, or with this encoder."""
        self.folder = folder
        self.paths = {name: folder / name for name in ("prepared", "models", "reports")}
        self.epochs = epochs
        self.encoder = encoder or Encoder(
            numbers=tuple(NumberColumn(name, "number", 0.0, 0.0, 1.0, indicator=False) for name in features),
            categories=(CategoryColumn("island", ("Biscoe", UNSEEN)),),
            target="y",
            classes=classes,
            missing_values=(),
        )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "params.yaml").write_text(json.dumps(PARAMS), encoding="utf-8")
        self._write_model(self._write_prepared(), seed)
        self.write_metrics(log_loss=0.25)

    def started(self, time: int, params: dict[str, Any] = PARAMS) -> Started:
        """A stage that starts now, in this process's folder and environment; ``time`` in ms since 1970."""
        return Started(outbox.new_identity(), params, run_context.here(), self.paths, time)

    def _write_prepared(self) -> str:
        rows = len(self.encoder.classes)
        shard = Shard(
            numbers=np.ones((rows, self.encoder.number_count), np.float32),
            codes=np.zeros((rows, len(self.encoder.categories)), np.uint8),
            labels=np.arange(rows, dtype=np.int32),
            rows=np.arange(1, rows + 1),
        )
        self.paths["prepared"].mkdir()
        writer = Writer(self.paths["prepared"])
        writer.add("train", shard)
        return writer.finish({}, self.encoder)

    def _write_model(self, digest: str, seed: int) -> None:
        folder = self.paths["models"]
        shape = (len(self.encoder.classes), len(self.encoder.features))
        generator = np.random.default_rng(seed)
        epoch = np.array([-1, *range(0, self.epochs, 2)], dtype=np.int64)
        values = generator.normal(size=(len(epoch), *shape))
        bias = generator.normal(size=(len(epoch), shape[0]))
        result = {"status": "epochs_done", "meaning": "all", "epochs": self.epochs, "cost": 0.125, "best_epoch": None}
        params = PARAMS["train"] | {"seed": seed}
        self.model = model.Model(values[-1], bias[-1], self.encoder, params, digest, result)
        model.save(folder, self.model)
        (folder / "snapshots.safetensors").write_bytes(safetensors.numpy.save({"epoch": epoch, "W": values, "b": bias}))
        lines = [f"{number},{1 / (1 + number)!r},{2 / (1 + number)!r},0.1" for number in range(self.epochs)]
        (folder / "history.csv").write_text("\n".join(["epoch,cost,gradient_norm,lr", *lines, ""]), encoding="utf-8")

    def write_metrics(self, log_loss: float) -> None:
        """Write what evaluate leaves, with this log loss."""
        folder = self.paths["reports"]
        (folder / "plots").mkdir(parents=True, exist_ok=True)
        per_class = [{"split": "train", "class": name, "f1": 0.5, "support": 1} for name in self.encoder.classes]
        baseline = [{"split": "train", "rows": 3, "log_loss": 1.1, "accuracy": 0.4}]
        own = {"rows": 3, "log_loss": log_loss, "accuracy": 0.75, "roc_auc_ovr": None}
        metrics = {"train": own, "baseline": baseline, "per_class": per_class, "undefined": [], "training": {}}
        (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
        (folder / "slices.json").write_text('{"slices": [], "disparities": [], "left_out": []}', encoding="utf-8")
        (self.paths["models"] / "decision.json").write_text("{}", encoding="utf-8")
        (folder / "plots" / "confusion_matrix.csv").write_text("actual,predicted,rows\nant,bee,1\n", encoding="utf-8")

"""Prepared tables with a model beside them, for the stage to infer on."""

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline import model
from pipeline.dataset import shard
from pipeline.dataset.encoder import UNSEEN, CategoryColumn, Encoder, NumberColumn
from pipeline.dataset.writer import Writer
from pipeline.infer import stage
from pipeline.infer.params import InferParams


@dataclass(frozen=True)
class Table:
    """numbers (n, p) in the columns' own units, codes (n, c), labels (n,), and what may come with them.

    ``shift`` and ``scale`` say how the first number column is encoded; ``kept`` (n,) are clusters, say.
    """

    numbers: np.ndarray
    codes: np.ndarray
    labels: np.ndarray
    levels: tuple[int, ...] = ()
    weights: np.ndarray | None = None
    kept: np.ndarray | None = None
    shift: float = 0.0
    scale: float = 1.0
    first_name: str = "x0"

    @property
    def classes(self) -> int:
        return int(self.labels.max()) + 1

    @property
    def encoder(self) -> Encoder:
        shifts = [self.shift, *[0.0] * (self.numbers.shape[1] - 1)]
        scales = [self.scale, *[1.0] * (self.numbers.shape[1] - 1)]
        names = [self.first_name, *(f"x{place}" for place in range(1, self.numbers.shape[1]))]
        return Encoder(
            numbers=tuple(
                NumberColumn(names[place], "number", 0.0, shifts[place], scales[place], indicator=False)
                for place in range(self.numbers.shape[1])
            ),
            categories=tuple(
                CategoryColumn(f"c{place}", (*(f"l{level}" for level in range(count)), UNSEEN))
                for place, count in enumerate(self.levels)
            ),
            target="y",
            classes=tuple(f"k{label}" for label in range(self.classes)),
            missing_values=("",),
        )

    @property
    def frame(self) -> pd.DataFrame:
        """Columns as statsmodels takes them: numbers, levels but the first, a constant."""
        columns = {f"x{place}": self.numbers[:, place] for place in range(self.numbers.shape[1])}
        for place, count in enumerate(self.levels):
            columns |= {
                f"c{place}=l{level}": (self.codes[:, place] == level).astype(float) for level in range(1, count)
            }
        return pd.DataFrame(columns).assign(**{"(intercept)": 1.0})

    def take(self, rows: np.ndarray) -> "Table":
        parts = {name: getattr(self, name) for name in ("numbers", "codes", "labels", "weights", "kept")}
        return replace(self, **{name: None if part is None else part[rows] for name, part in parts.items()})


def drawn(seed: int, rows: int, classes: int = 3, levels: tuple[int, ...] = (3,), numbers: int = 2) -> Table:
    """A table of a softmax regression that is drawn, too; its numbers are those that float32 holds."""
    random = np.random.default_rng(seed)
    x = random.normal(1.0, 1.5, size=(rows, numbers)).astype(np.float32).astype(float)
    codes = np.stack([random.integers(0, count, rows) for count in levels], 1) if levels else np.zeros((rows, 0), int)
    logits = x @ random.normal(size=(numbers, classes)) * 0.5 + random.normal(size=classes) * 0.3
    for place, count in enumerate(levels):
        logits += (random.normal(size=(count, classes)) * 0.5)[codes[:, place]]
    p = np.exp(logits)
    p /= p.sum(1, keepdims=True)
    labels = (p.cumsum(1) < random.random((rows, 1))).sum(1).clip(max=classes - 1)
    return Table(x, codes, labels, levels)


@dataclass(frozen=True)
class Inferred:
    """What the stage wrote."""

    folder: Path

    @property
    def document(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / "inference.json").read_text(encoding="utf-8"))
        return content

    def lines(self, name: str) -> list[dict[str, str]]:
        with (self.folder / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def column(self, name: str, pairs: int) -> np.ndarray:
        """A column of coefficients.csv by class and feature, of the first ``pairs`` pairs of classes."""
        lines = self.lines("coefficients.csv")
        values = [float(line[name]) if line[name] else np.nan for line in lines]
        size = len({line["feature"] for line in lines})
        return np.array(values[: pairs * size]).reshape(pairs, size)


def infer(
    folder: Path,
    table: Table,
    trained: model.Model | None = None,
    train_params: dict[str, Any] | None = None,
    **params: Any,
) -> Inferred:
    """Write the table as prepared data and a model of zeros, if no other, and run the stage on them."""
    prepared = folder / "prepared"
    prepared.mkdir(parents=True)
    encoder, n = table.encoder, len(table.labels)
    numbers = table.numbers.copy()
    if numbers.shape[1]:
        numbers[:, 0] = (numbers[:, 0] - table.shift) / table.scale
    writer = Writer(prepared)
    rows = shard.Shard(
        numbers=numbers.astype(np.float32),
        codes=table.codes.astype(np.uint8),
        labels=table.labels.astype(np.int32),
        rows=np.arange(1, n + 1),
        weights=table.weights,
        kept=None if table.kept is None else table.kept.astype(np.uint64)[:, None],
    )
    for first in range(0, n, shard.SHARD_ROWS):
        writer.add("train", rows.part(first, first + shard.SHARD_ROWS))
    digest = writer.finish({"columns": []}, encoder, () if table.kept is None else ("g",))
    shape = (table.classes, len(encoder.features))
    chosen = {"l1": 0.0, "l2": 0.0, "intercept": True} | (train_params or {})
    result = {"status": "converged", "method": "newton"}
    if trained is None:
        trained = model.Model(np.zeros(shape), np.zeros(shape[0]), encoder, chosen, digest, result)
    model.save(folder / "models", replace(trained, data_digest=digest))
    out = folder / "reports"
    stage.main(params=InferParams(**params), prepared=prepared, model=folder / "models", out=out)
    return Inferred(out)

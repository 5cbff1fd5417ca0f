"""A prepared table with columns of every kind, and predictions of its rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.dataset import reader
from pipeline.evaluate.metrics import Predictions
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.scoring import probabilities

CLASSES = ("a", "b", "c")


def table(rows: int, seed: int = 0) -> pd.DataFrame:
    """Features of every kind with gaps, columns that are none, a column of weights, and a target."""
    random = np.random.default_rng(seed)
    size = random.normal(50, 10, rows).round(3)
    size[random.random(rows) < 0.1] = np.nan
    return pd.DataFrame(
        {
            "size": size,
            "year": random.integers(2007, 2010, rows),
            "colour": random.choice(["red", "green", "blue"], rows, p=[0.6, 0.3, 0.1]),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 300, rows), unit="D"),
            "region": random.choice(["north", "south", None], rows),
            "age": random.integers(18, 90, rows),
            "who": random.integers(0, 10**9, rows),
            "w": random.integers(0, 3, rows) * 0.5,
            "y": random.choice(CLASSES, rows),
        }
    )


def prepared(folder: Path, frame: pd.DataFrame, **params: Any) -> reader.Dataset:
    """The table as prepare leaves it; region and age are kept with their values, who as digests."""
    frame.to_csv(folder / "t.csv", index=False)
    settings = {"keep": ["who"], "keep_values": ["region", "age"], "standardise": True, "leave_out": ["w"]} | params
    settings["types"] = {"day": "date"}
    chosen = PrepareParams.model_validate({"source": "unused", "target": "y", **settings})
    prepare.main(params=chosen, source=folder / "t.csv", out=folder / "out")
    return reader.open_dataset(folder / "out")


def predicted(dataset: reader.Dataset, split: str, seed: int = 1) -> tuple[Predictions, np.ndarray]:
    """Predictions that know a little, of rows of positive weight, and the numbers of these rows, from 0."""
    shards = dataset.splits[split].shards
    labels = np.concatenate([shard.labels[shard.counted] for shard in shards]).astype(np.int64)
    rows = np.concatenate([shard.rows[shard.counted] for shard in shards])
    weights = [np.ones(len(shard.rows)) if shard.weights is None else shard.weights for shard in shards]
    logits = np.random.default_rng(seed).normal(size=(len(labels), len(CLASSES)))
    logits[np.arange(len(labels)), labels] += 0.8
    predictions = Predictions(
        labels=labels,
        predicted=logits.argmax(axis=1),
        probabilities=probabilities.softmax(logits),
        log_likelihoods=probabilities.log_softmax(logits)[np.arange(len(labels)), labels],
        weights=np.concatenate([part[shard.counted] for part, shard in zip(weights, shards, strict=True)]),
        units=rows.astype(np.uint64),
    )
    return predictions, rows - 1

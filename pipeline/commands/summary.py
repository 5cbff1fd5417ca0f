"""The end of `make run`: the cost table, the metrics, the model's key, and where to look next."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline import results
from pipeline.dataset.shard import SPLITS
from pipeline.documents import json_documents
from pipeline.errors import shortened
from pipeline.output_files import HISTORY_FILE, METADATA_FILE, METRICS_FILE

_COST_LINES = 11
_MISSING = "run `dvc repro` first"
_METRICS = ("rows", "log_loss", "accuracy", "balanced_accuracy", "macro_f1", "roc_auc_ovr", "brier")

_NEXT = """Where to look next
  make ui                                  the run in MLflow: costs, weights, pictures
  dvc metrics show; dvc plots show         the same numbers from DVC, and the plots
  dvc exp run -S train.lr=0.5              another run with one knob changed
  python -m pipeline predict FILE.csv      probabilities for new rows
  data/README.md, params.yaml              bring your own CSV"""


def main(*, model: Path, reports: Path) -> None:
    """Print to standard output."""
    # Read: the files of train and evaluate.
    history, metrics, metadata = model / HISTORY_FILE, reports / METRICS_FILE, model / METADATA_FILE
    costs = results.history(json_documents.read_bytes(history, _MISSING), history)
    numbers = results.metrics(json_documents.read_bytes(metrics, _MISSING), metrics)
    key = json_documents.key(json_documents.read_bytes(metadata, _MISSING), metadata, results.REMEDY)
    # Print: costs, metrics and doubts about them, the model's key, and the next steps.
    console = Console(highlight=False, soft_wrap=True)
    console.print(_cost_table(costs))
    console.print(_metrics_table({name: numbers[name] for name in SPLITS if name in numbers}))
    for sentence in _doubts(numbers):
        console.print(sentence, markup=False)
    console.print(f"model.key {key}\n", markup=False)
    console.print(_NEXT, markup=False)


def _cost_table(history: dict[str, list[float]]) -> Table:
    """About eleven lines of the history, evenly spaced, the first and the last among them."""
    costs = [(str(int(epoch)), cost) for epoch, cost in zip(history["epoch"], history["cost"], strict=True)]
    last = costs[-1]
    step = max(1, (len(costs) - 1) // (_COST_LINES - 1))
    lines = costs[::step]
    if lines[-1] is not last:
        lines.append(last)
    table = Table("epoch", "cost", title="Cost before each epoch's update (nats)", title_justify="left")
    for epoch, cost in lines:
        table.add_row(epoch, f"{cost:.6f}")
    return table


def _metrics_table(metrics: dict[str, Any]) -> Table:
    table = Table("metric", *metrics, title="Metrics", title_justify="left")
    for name in _METRICS:
        table.add_row(name, *(_cell(split.get(name)) for split in metrics.values()))
    return table


def _doubts(metrics: dict[str, Any]) -> Iterator[str]:
    """A line for each split whose rows are all of one class."""
    for split in SPLITS:
        rows = {entry["class"]: entry.get("support") for entry in metrics["per_class"] if entry["split"] == split}
        present = [label for label, count in rows.items() if count]
        if len(present) == 1 < len(rows):
            only = shortened(present[0])
            yield f"{split}: all rows are of class {only}; its accuracy and F1 say nothing of the other classes"


def _cell(value: float | int | None) -> str:
    if value is None:
        return "not defined"
    return str(value) if isinstance(value, int) else f"{value:.4f}"

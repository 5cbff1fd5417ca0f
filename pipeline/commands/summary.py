"""The end of `make run`: the data, how training ended, the metrics, the columns that matter, and what to do next."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from pipeline import model as models
from pipeline import screen
from pipeline.commands import class_tables
from pipeline.dataset import reader
from pipeline.dataset.columns import class_text
from pipeline.dataset.shard import SPLITS, most_held_out
from pipeline.documents import json_documents
from pipeline.errors import UserError, shortened
from pipeline.model import Model
from pipeline.output_files import HISTORY_FILE, METRICS_FILE, SCHEMA_FILE
from pipeline.params import PARAMS_FILE, read_params
from pipeline.results import verdict
from pipeline.results.prepared import standard_deviations
from pipeline.results.reports import parse_metrics
from pipeline.results.training import parse_history
from pipeline.scoring.column_effects import ColumnEffect, column_effects

_COST_LINES = 11
_EFFECTS = 8
_MISSING = "run `dvc repro` first"
_METRICS = ("rows", "log_loss", "accuracy", "balanced_accuracy", "macro_f1", "roc_auc_ovr", "brier")
_FIRST_ORDER = ("sgd", "adam")


def main(*, model: Path, reports: Path, prepared: Path) -> None:
    """Print to standard output."""
    # Read: the files of train and evaluate, and what prepare says of the table.
    history, metrics = model / HISTORY_FILE, reports / METRICS_FILE
    costs = parse_history(json_documents.read_bytes(history, _MISSING), history)
    numbers = parse_metrics(json_documents.read_bytes(metrics, _MISSING), metrics)
    trained = models.load(model)
    # Print: data, training, metrics and doubts about them, columns, the verdict, the model's key, and the next steps.
    console = class_tables.console()
    contents, source = _contents(trained, prepared), _source()
    screen.say(_data(trained, contents, source))
    if trained.result.get("method") in _FIRST_ORDER:
        console.print("Cost before each epoch's update (nats)")
        console.print(_cost_table(costs))
    for sentence in _training(trained):
        screen.say(sentence)
    console.print("Metrics")
    console.print(_metrics_table(numbers))
    for sentence in _doubts(numbers):
        screen.say(sentence)
    effects = column_effects(trained, _deviations(prepared) if contents else {})
    screen.say(_effects_title(effects))
    console.print(_effects_table(effects))
    screen.say(f"{verdict.sentence(numbers)}.")
    screen.say(f"model.key {trained.key}\n\nWhere to look next")
    for command, purpose in _next_steps(trained, "tutorial" in source):
        screen.say(screen.unbroken(f"  {command:<40} {purpose}".rstrip()))


def _contents(trained: Model, prepared: Path) -> reader.Summary | None:
    """What the prepared data holds, where it is there and is the model's."""
    try:
        contents = reader.contents(prepared)
    except UserError:
        return None
    return contents if contents.digest == trained.data_digest else None


def _data(trained: Model, contents: reader.Summary | None, source: str) -> str:
    encoder = trained.encoder
    target = f"target {class_tables.name(encoder.target)} of {len(encoder.classes)} classes"
    columns = len({column.column for column in encoder.numbers}) + len(encoder.categories)
    if contents is None:
        return f"Data {trained.data_digest[:8]}: {target}, {columns} columns"
    rows = ", ".join(f"{split} {contents.rows[split]:,}" for split in SPLITS if split in contents.rows)
    return f"Data {shortened(source)}: {target}, {columns} columns, rows: {rows}"


def _source() -> str:
    """prepare.source of params.yaml, nothing where that is not to be read."""
    try:
        return str(read_params(PARAMS_FILE)["prepare"]["source"])
    except (UserError, KeyError, TypeError):
        return ""


def _training(trained: Model) -> Iterator[str]:
    """How training ended, and what that proves."""
    result = trained.result
    if result.get("method") not in _FIRST_ORDER:
        l2 = result.get("l2", trained.params.get("l2"))
        yield f"Training: {result.get('method')}, {result.get('epochs', 0)} steps, l2 {l2:g}"
    if search := result.get("l2_search"):
        yield f"l2 auto: {search['reason']}"
    if result.get("bound") is not None:
        yield (
            f"Proof: the objective is at most {result['relative_bound']:.1e} of itself above its optimum, "
            f"probabilities are within {result['probability_bound']:.1e} (root mean square of the training rows)"
        )
    if result.get("method") not in _FIRST_ORDER and result.get("status") != "converged":
        yield f"{str(result.get('status')).replace('_', ' ')}: {result.get('meaning')}"


def _cost_table(history: dict[str, list[float]]) -> Table:
    """About eleven lines of the history, evenly spaced, the first and the last among them."""
    costs = [(str(int(epoch)), cost) for epoch, cost in zip(history["epoch"], history["cost"], strict=True)]
    last = costs[-1]
    step = max(1, (len(costs) - 1) // (_COST_LINES - 1))
    lines = costs[::step]
    if lines[-1] is not last:
        lines.append(last)
    table = Table("epoch", "cost")
    for epoch, cost in lines:
        table.add_row(epoch, f"{cost:.6f}")
    return table


def _metrics_table(numbers: dict[str, Any]) -> Table:
    """The metrics of each split; of the most held-out one, the last, intervals and the class shares alone beside it."""
    splits = {split: numbers[split] for split in SPLITS if split in numbers}
    main = most_held_out(numbers)
    shares = verdict.baseline(numbers, main)
    intervals = {
        record["metric"]: f"{record['low']:.4f} to {record['high']:.4f}"
        for record in numbers["intervals"]
        if record["split"] == main and "class" not in record
    }
    table = Table("metric", *splits, "95 % interval", f"class shares, {main}")
    for name in _METRICS:
        cells = [_cell(row.get(name)) for row in (*splits.values(), shares)]
        table.add_row(name, *cells[:-1], intervals.get(name, ""), cells[-1])
    return table


def _doubts(metrics: dict[str, Any]) -> Iterator[str]:
    """A line for each split whose rows are all of one class."""
    for split in SPLITS:
        rows = {entry["class"]: entry.get("support") for entry in metrics["per_class"] if entry["split"] == split}
        present = [label for label, count in rows.items() if count]
        if len(present) == 1 < len(rows):
            only = shortened(present[0])
            yield f"{split}: all rows are of class {only}; its accuracy and F1 say nothing of the other classes"


def _effects_title(effects: Sequence[ColumnEffect]) -> str:
    more = f"; {len(effects) - _EFFECTS:,} more move them less" if len(effects) > _EFFECTS else ""
    return f"Columns that move the logits most: nats by a standard deviation, or between levels{more}"


def _effects_table(effects: Sequence[ColumnEffect]) -> Table:
    table = Table("column", "nats", "speaks for", "by")
    for effect in effects[:_EFFECTS]:
        label = class_tables.name(class_text(effect.label))
        table.add_row(class_tables.name(effect.column), f"{effect.nats:.3f}", label, class_tables.name(effect.value))
    return table


def _deviations(prepared: Path) -> dict[str, float]:
    """The standard deviation of each number column and part of a date, from the schema."""
    try:
        return standard_deviations(json_documents.read(prepared / SCHEMA_FILE, "run `dvc repro`", _MISSING))
    except (UserError, KeyError, TypeError, ValueError, AttributeError):
        return {}


def _next_steps(trained: Model, is_tutorial: bool) -> Iterator[tuple[str, str]]:
    """Commands that run from here, each with its purpose."""
    yield "make ui", "the run in MLflow: costs, weights, pictures"
    yield "dvc metrics show; dvc plots show", "the same numbers from DVC, and the plots"
    yield f"dvc exp run -S {_another(trained)}", "another run with one knob changed"
    yield "python -m pipeline predict FILE.csv", "probabilities for new rows"
    if is_tutorial:
        yield "python -m pipeline init --help", "params for a table of your own"


def _another(trained: Model) -> str:
    """A change that the params of this model allow."""
    lr, l2 = trained.params.get("lr"), trained.result.get("l2", trained.params.get("l2"))
    if isinstance(lr, float):
        return f"train.lr={lr * 5 if lr < 1 else lr / 5:g}"
    return f"train.l2={l2 * 10:.3g}" if isinstance(l2, float) and l2 else "train.l2=0.001"


def _cell(value: float | int | None) -> str:
    if value is None:
        return "not defined"
    return str(value) if isinstance(value, int) else f"{value:.4f}"

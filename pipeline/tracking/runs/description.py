"""The name of a run in the table of runs, and its description."""

import json
import shlex
from typing import Any

from pipeline import markdown
from pipeline.dataset.shard import SPLITS
from pipeline.model import Model
from pipeline.nested import flatten
from pipeline.repository.git import Commit
from pipeline.repository.project import Experiment
from pipeline.tracking.client.tags import BRANCH_TAG, COMMIT_TAG, DIRTY_TAG, EXPERIMENT_TAG
from pipeline.tracking.runs.outputs import PreparedData, Training, main_split

_NAME_LENGTH = 100

# Values that mean "nothing special", which a name can do without.
_NEUTRAL = (None, False, 0, "", "none", "full", "all", "constant", "float64")

# Params that say nothing special with these values.
_USUAL = {
    "intercept": True,
    "tolerance": 1e-8,
    "device": "cpu",
    "decimal": "auto",
    "missing_target": "error",
}

# MLflow's table has room for some 25 characters: what is tried most comes first, then what is special, then the rest.
_FIRST = ("lr",)
_LAST = ("seed", "epochs")

# How often a snapshot is taken and what share of the rows is held out tell no two runs apart; the others are said.
_NEVER = (
    *("solver", "snapshot_every", "start.key", "source", "files", "separator", "encoding", "target", "missing_values"),
    *("date_parts", "max_levels", "split.validation", "split.test"),
)

_ENDED_WELL = ("epochs_done", "stopped_early", "converged", "converged_unproven")

# Params that stand in every params.yaml and mean something to these methods only.
_READ_BY = {
    "schedule.every": ("step",),
    "schedule.factor": ("step", "exponential"),
    "split.seed": ("seed", "hash"),
    "split.column": ("column",),
    "split.key": ("hash",),
}


def run_name(params: dict[str, Any], data: PreparedData, experiment: Experiment | None) -> str:
    """``tutorial sgd lr=0.1 momentum=0.9 seed=1 epochs=1001``; in a DVC experiment its name stands first."""
    train = flatten(params.get("train", {}))
    values = train | {key: value for key, value in flatten(params.get("prepare", {})).items() if key not in train}
    named = (*_FIRST, *_LAST, *_NEVER)
    special = [
        key
        for key, value in values.items()
        if key not in named and value not in (*_NEUTRAL, []) and value != _USUAL.get(key) and not _is_idle(key, values)
    ]
    chosen = [key for key in (*_FIRST, *special, *_LAST) if values.get(key) is not None]
    settings = [f"{key.removesuffix('.method')}={_short(values[key])}" for key in chosen]
    text = " ".join([data.name, str(train.get("solver", "")), *settings])
    if experiment:
        text = f"{experiment.name}: {text}"
    return text if len(text) <= _NAME_LENGTH else f"{text[: _NAME_LENGTH - 1]}\N{HORIZONTAL ELLIPSIS}"


def _is_idle(key: str, values: dict[str, Any]) -> bool:
    """Whether the method that is chosen beside the key, a schedule's or a split's, does not read it."""
    return key in _READ_BY and values.get(f"{key.rpartition('.')[0]}.method") not in _READ_BY[key]


def description(
    data: PreparedData, training: Training | None, way_back: str | None, metrics: dict[str, Any] | None
) -> str:
    """A few lines of Markdown, what matters first: MLflow folds all but the first three away."""
    rows = ", ".join(f"{count:,} {split}" for split, count in data.rows.items())
    name, source = markdown.text(data.name), markdown.code(data.source)
    lines = [f"{name} `{data.digest[:8]}`: {rows} rows from {source}"]
    if training:
        lines[:0] = [_verdict(training.model, metrics)]
        result = training.model.result
        # Whoever reads this did not see the terminal.
        if result["status"] not in _ENDED_WELL:
            lines.insert(1, f"**{str(result['status']).replace('_', ' ').capitalize()}**: {result['meaning']}")
    if metrics:
        lines.append(_table(metrics))
    if way_back:
        lines.append(way_back)
    return "\n\n".join(lines)


def _verdict(model: Model, metrics: dict[str, Any] | None) -> str:
    result = model.result
    if metrics:
        main = main_split(metrics)
        headline = (
            f"{main} log loss {_cell(metrics[main], 'log_loss')} nats, accuracy {_cell(metrics[main], 'accuracy')}"
        )
    else:
        headline = f"final cost {result['cost']:.6f} nats"
    solver, status = model.params.get("solver", "trained"), str(result["status"]).replace("_", " ")
    size = f"{len(model.classes)} classes, {len(model.features)} features"
    return f"**{headline}**; {size}, {solver}, {result['epochs']:,} epochs ({status})"


def _table(metrics: dict[str, Any]) -> str:
    """Two numbers a split, beside those of the class frequencies alone on the main split."""
    main = main_split(metrics)
    rows = {split: metrics[split] for split in SPLITS if split in metrics}
    rows |= {f"class frequencies, {main}": row for row in metrics["baseline"] if row["split"] == main}
    lines = ["| | log loss (nats) | accuracy |", "|---|---|---|"]
    lines += [f"| {name} | {_cell(row, 'log_loss')} | {_cell(row, 'accuracy')} |" for name, row in rows.items()]
    return "\n".join(lines)


def _cell(row: dict[str, Any], metric: str) -> str:
    value = row.get(metric)
    return "not defined" if value is None else f"{value:.4f}"


def way_back(commit: Commit | None, experiment: Experiment | None) -> str | None:
    """The command that brings code, params and outputs of a run back, in Markdown; None if nothing is known."""
    if experiment:
        return markdown.code(f"dvc exp apply {shlex.quote(experiment.name)}")
    if commit is None:
        return None
    if commit.dirty:
        return f"`git checkout {commit.sha[:12]}`, then `git apply` the artifact changes.diff, then `dvc repro`"
    return f"`git checkout {commit.sha[:12]} && dvc checkout`"


def recorded_way_back(tags: dict[str, str]) -> str | None:
    """``way_back`` from the tags of a run."""
    sha, name = tags.get(COMMIT_TAG), tags.get(EXPERIMENT_TAG)
    commit = Commit(sha, tags.get(BRANCH_TAG), tags.get(DIRTY_TAG) == "true") if sha else None
    return way_back(commit, Experiment(name, None) if name else None)


def _short(value: Any) -> str:
    """A value in a name: numbers as short as they go, lists by their length."""
    if isinstance(value, list):
        return f"{len(value)} columns"
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value)

"""The name of a run in the table of runs, and its description."""

import re
import shlex
from typing import Any

from pipeline import markdown
from pipeline.dataset.shard import most_held_out
from pipeline.model import Model
from pipeline.repository.git import Commit
from pipeline.repository.project import Experiment
from pipeline.tracking.client.tags import BRANCH_TAG, COMMIT_TAG, DIRTY_TAG, EXPERIMENT_TAG
from pipeline.tracking.runs import settings
from pipeline.tracking.runs.outputs import PreparedData, Training

# MLflow's table has room for some 25 characters, a chart's legend for 60.
_NAME_LENGTH = 60

LINE_BREAK = "  \n"  # within a paragraph of Markdown

_BEFORE_PAGE = "; "
_PAGE = re.compile(r"; \[model\]\(#/experiments/\w+/models/[\w-]+\)")

_ENDED_WELL = ("epochs_done", "stopped_early", "converged", "converged_unproven")


def run_name(params: dict[str, Any], experiment: Experiment | None, l2: float | None = None) -> str:
    """``sgd lr=0.1 momentum=0.9 epochs=1001``; in a DVC experiment its name stands first.

    The data set is not in it: MLflow shows it beside the name. ``l2`` is the one in force where ``auto`` chose it.
    """
    values = settings.telling(params)
    if l2 is not None and "train.l2" in values:
        values["train.l2"] = l2
    # What is tried most comes first, how long it lasted last.
    solver, epochs = (values.pop(key, None) for key in ("train.solver", "train.epochs"))
    specials = [_said(key, value) for key, value in values.items() if settings.is_special(key, value)]
    words = [*([] if solver is None else [str(solver)]), *specials]
    if epochs is not None and solver in settings.BY_STEPS:
        words.append(f"epochs={epochs}")  # of the other solvers a bound that they seldom reach
    text = " ".join(words) or "run"
    if experiment:
        text = f"{experiment.name}: {text}"
    return text if len(text) <= _NAME_LENGTH else f"{text[: _NAME_LENGTH - 1]}\N{HORIZONTAL ELLIPSIS}"


def _said(key: str, value: Any) -> str:
    """A setting in a name: ``lr=0.1``, ``standardise``, ``7 columns``."""
    name = key.partition(".")[2].removesuffix(".method")
    if value is True:
        return name
    return settings.short(value) if name == "features" else f"{name}={settings.short(value)}"


def description(
    data: PreparedData, training: Training | None, way_back: str | None, metrics: dict[str, Any] | None
) -> str:
    """A paragraph of Markdown, what matters first.

    MLflow folds what is higher than 100 pixels, four lines, and greys all of it but the first two.
    """
    rows = ", ".join(f"{count:,} {split}" for split, count in data.rows.items())
    lines = [f"{markdown.text(data.name)} `{data.short_digest}`: {rows} rows from {markdown.code(data.source)}"]
    if training:
        result = training.model.result
        # Whoever reads this did not see the terminal.
        ended_well = result["status"] in _ENDED_WELL
        trouble = (
            [] if ended_well else [f"**{str(result['status']).replace('_', ' ').capitalize()}**: {result['meaning']}"]
        )
        lines = [_results(training.model, metrics), *trouble, _fitted(training), *lines]
    return LINE_BREAK.join([*lines, *([way_back] if way_back else [])])


def with_page(note: str, page: str | None) -> str:
    """A description that leads to the page of the run's model, on its last line: there is room for no other."""
    return note if page is None else f"{note}{_BEFORE_PAGE}{page}"


def without_page(note: str) -> str:
    """The description before a page was added: its address differs from store to store."""
    return _PAGE.sub("", note)


def _results(model: Model, metrics: dict[str, Any] | None) -> str:
    """The two numbers of the main split beside those of the training rows and of the class frequencies alone."""
    if not metrics:
        return f"**final cost {model.result['cost']:.6f} nats**"
    main = most_held_out(metrics)
    text = f"**{main} log loss {_cell(metrics[main], 'log_loss')} nats, accuracy {_cell(metrics[main], 'accuracy')}**"
    beside = [("train", metrics["train"])] if main != "train" and "train" in metrics else []
    beside += [("class frequencies alone", row) for row in metrics["baseline"] if row["split"] == main]
    cells = [f"{name} {_cell(row, 'log_loss')}, {_cell(row, 'accuracy')}" for name, row in beside]
    return "; ".join([text, *cells])


def _fitted(training: Training) -> str:
    """How it was trained, how that ended, and how near to the optimum."""
    model, result = training.model, training.model.result
    status = str(result["status"]).replace("_", " ")
    penalty, bound = training.l2, result.get("bound")
    solver, method = model.params.get("solver", "trained"), result.get("method")
    chosen = f" ({method})" if method and method != solver else ""  # by `auto`
    near = "" if bound is None else f", at most {bound:.1g} nats above the optimum"
    parts = [
        f"{solver}{chosen}{f', l2 {penalty:g}' if penalty else ''}",
        f"{result['epochs']:,} epochs ({status}{near})",
        f"{len(model.classes)} classes, {len(model.features)} features",
    ]
    return "; ".join(parts)


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

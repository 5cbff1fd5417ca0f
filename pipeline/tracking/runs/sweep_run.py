"""A sweep as a parent run with the choice, and a child run for each l2; all are made when it has ended well."""

import math
from dataclasses import replace
from typing import Any

from mlflow.entities import Metric, Param, Run, RunTag

from pipeline.output_files import SWEEP_FILE, SWEEP_TABLE_FILE
from pipeline.tracking.client.tags import CHOSEN_TAG, NOTE_TAG, PARENT_TAG, SOURCE_NAME_TAG, STATUS_TAG
from pipeline.tracking.runs import names, outputs, run_writer
from pipeline.tracking.runs.train_run import Started
from pipeline.tracking.store.store import Store

_SOURCE = {SOURCE_NAME_TAG: "pipeline/commands/sweep/command.py"}

# MLflow's axes have whole numbers: a thousand a power of ten keeps values apart that differ by 0.3 %.
_STEPS_A_DECADE = 1000

# Columns of sweep.csv that are curves of the parent and bars of the children.
_COLUMNS = ("log_loss", "standard_error", "training_log_loss", "passes", "relative_bound")


def record(store: Store, begun: Started, time: int) -> str:
    """Make the runs from sweep.json; ``time`` of its end is in ms since 1970. Returns the parent's id.

    The parent is closed last: finished, it has all its children.
    """
    reports, started = begun.paths["reports"], begun.time
    swept = outputs.read_sweep(reports)
    origin = begun.origin()
    marks = begun.marks()
    parent = _parent(store, origin, swept, marks, started, time)
    run_writer.add_files(store, parent, [reports / name for name in (SWEEP_FILE, SWEEP_TABLE_FILE)])
    for line in swept["lines"]:
        _child(store, origin, swept, line, marks | {PARENT_TAG: parent}, started, time)
    run_writer.close(store, parent, "FINISHED", time)
    return parent


def is_complete(run: Run) -> bool:
    """Whether a run is the parent of a sweep that is there as a whole."""
    return run.info.status == "FINISHED" and CHOSEN_TAG in run.data.tags


def _parent(
    store: Store, origin: run_writer.Origin, swept: dict[str, Any], tags: dict[str, str], started: int, time: int
) -> str:
    # The sweep tries every l2, so the one of the section is no param of it.
    train = {key: value for key, value in origin.params.get("train", {}).items() if key != "l2"}
    swept_origin = replace(origin, params=origin.params | {"train": train})
    # sweep: l2=0.01 of 13, 5 folds
    name = f"sweep: l2={swept['chosen_l2']:g} of {len(swept['lines'])}, {swept['sweep']['folds']} folds"
    run_id = run_writer.create(store, swept_origin, started, _SOURCE | tags, name)
    params = [Param(key, value) for key, value in names.params({"sweep": swept["sweep"]}).items()]
    chosen = _line(swept, swept["chosen_l2"])
    metrics = [Metric("chosen/l2", swept["chosen_l2"], time, 0), Metric("lowest/l2", swept["lowest_l2"], time, 0)]
    metrics += _metrics("chosen", chosen, time, 0)
    for line in swept["lines"]:
        metrics += _metrics("by l2", line, time, step(line["l2"]))
    note = f"{_verdict(swept)}\n\nCurves by l2: step 1000 is l2 0.1, step 2000 is 0.01, and so on."
    own_tags = [RunTag(NOTE_TAG, note), RunTag(CHOSEN_TAG, f"{swept['chosen_l2']!r}")]
    store.client.log_batch(run_id, params=params, metrics=metrics, tags=own_tags)
    return run_id


def _child(
    store: Store,
    origin: run_writer.Origin,
    swept: dict[str, Any],
    line: dict[str, Any],
    tags: dict[str, str],
    started: int,
    time: int,
) -> None:
    train = origin.params.get("train", {}) | {"l2": line["l2"]}
    own = replace(origin, params=origin.params | {"train": train})
    marks = [word for word in ("lowest", "chosen") if line["l2"] == swept[f"{word}_l2"]]
    name = f"l2={line['l2']:g}" + (f" ({', '.join(marks)})" if marks else "")
    run_id = run_writer.create(store, own, started, _SOURCE | tags, name)
    folds = [
        Metric("sweep/log_loss by fold", fit["log_loss"], time, number) for number, fit in enumerate(line["folds"], 1)
    ]
    status = RunTag(STATUS_TAG, str(line["status"]))
    store.client.log_batch(run_id, metrics=[*_metrics("sweep", line, time, 0), *folds], tags=[status])
    run_writer.close(store, run_id, "FINISHED", time)


def step(l2: float) -> int:
    """The step of an l2 on a curve's axis: 0 for 1, 1000 for 0.1, 2000 for 0.01, -1000 for 10."""
    return round(-_STEPS_A_DECADE * math.log10(l2))


def _metrics(prefix: str, line: dict[str, Any], time: int, at: int) -> list[Metric]:
    return [Metric(f"{prefix}/{name}", float(line[name]), time, at) for name in _COLUMNS]


def _line(swept: dict[str, Any], l2: float) -> dict[str, Any]:
    return next(line for line in swept["lines"] if line["l2"] == l2)


def _verdict(swept: dict[str, Any]) -> str:
    chosen = _line(swept, swept["chosen_l2"])
    rule = swept["rule"].replace("_", " ")
    loss, error = (f"{chosen[name]:.4f}" for name in ("log_loss", "standard_error"))
    headline = f"l2 {swept['chosen_l2']:g}: validation log loss {loss} nats, standard error {error}"
    return f"**{headline}**; rule: {rule}, lowest at l2 {swept['lowest_l2']:g}"

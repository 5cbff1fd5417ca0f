"""Runs of a model, and runs whose process is gone.

A question about a run is asked of every experiment of the store, since each data set may have its own; a stage writes
into one.

The tag ``model.key`` joins DVC and MLflow: it is the digest in softmax.json, the same for the same model wherever and
whenever it was trained, restored from a cache or pulled from a remote.
"""

import os
import socket
from typing import Any

import psutil
from mlflow.entities import Metric, Run, RunStatus

from pipeline.repository.project import Experiment
from pipeline.tracking.client.tags import CHECKPOINT_TAG, EXPERIMENT_TAG, IDENTITY_TAG, KEY_TAG, OWNER_TAG
from pipeline.tracking.store.database import MOST_RUNS
from pipeline.tracking.store.store import Store

_EVALUATION = "eval/"


def find(store: Store, key: str, experiment: Experiment | None) -> Run | None:
    """The newest run of the model: of this DVC experiment if there is one, else of any."""
    conditions = [f"tags.`{KEY_TAG}` = '{key}'"]
    if experiment:
        # DVC allows no quote in the name of an experiment, nor does Git in a reference's; MLflow has no escape for one.
        name = experiment.name.replace("'", "")
        conditions.insert(0, f"{conditions[0]} and tags.`{EXPERIMENT_TAG}` = '{name}'")
    for condition in conditions:
        runs = _search(store, condition, 1)
        if runs:
            return runs[0]
    return None


def tagged(store: Store, tag: str, value: str) -> list[Run]:
    """Runs of any experiment that have a tag with this value, newest first."""
    return _search(store, f"tags.`{tag}` = '{value}'", MOST_RUNS, everywhere(store))


def starting_with(store: Store, text: str) -> list[Run]:
    """Runs of any experiment whose id begins with a text of hexadecimal digits."""
    return _search(store, f"attributes.run_id LIKE '{text}%'", MOST_RUNS, everywhere(store))


def begun(store: Store, identity: str) -> list[Run]:
    """The runs that were begun for this stage, complete or not: one, or those of a sweep."""
    return _search(store, f"tags.`{IDENTITY_TAG}` = '{identity}'", 1000)


def stopped(store: Store, checkpoint: str) -> Run | None:
    """The newest run of a training that was killed or failed, and left the checkpoint of this key."""
    runs = _search(store, f"tags.`{CHECKPOINT_TAG}` = '{checkpoint}'", MOST_RUNS)
    return next((run for run in runs if run.info.status in ("KILLED", "FAILED")), None)


def twins_evaluation(store: Store, run_id: str, key: str, time: int) -> tuple[str, list[Metric]] | None:
    """An earlier run with the same key, and its ``eval/`` metrics as of ``time``; None if none was evaluated.

    The same bytes have the same metrics, and a forced repeat of a training leaves the model as it was, so DVC sees no
    reason to evaluate it again.
    """
    for twin in _search(store, f"tags.`{KEY_TAG}` = '{key}' and attributes.status = 'FINISHED'", 10):
        metrics = twin.data.metrics.items()
        copied = [Metric(name, value, time, 0) for name, value in metrics if name.startswith(_EVALUATION)]
        if twin.info.run_id != run_id and copied:
            return str(twin.info.run_id), copied
    return None


def owner() -> str:
    """This process as host:pid:start, a name that no later process gets."""
    return f"{socket.gethostname()}:{os.getpid()}:{_start_of(os.getpid())}"


def end_abandoned(store: Store, time: int) -> None:
    """Mark as KILLED, at ``time`` in ms, the running runs of this host whose owner is gone, in any experiment."""
    for run in _search(store, "attributes.status = 'RUNNING'", 1000, everywhere(store)):
        if is_abandoned(run):
            store.client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.KILLED), time)


def is_abandoned(run: Run) -> bool:
    """Whether the process that was writing a run is known to be gone."""
    mark = run.data.tags.get(OWNER_TAG)
    return mark is not None and _is_gone(mark)


def _is_gone(mark: str) -> bool:
    """Whether the process behind an owner tag no longer runs; of other hosts nothing is known, so no."""
    host, pid, started = mark.rsplit(":", 2)
    return host == socket.gethostname() and _start_of(int(pid)) != started


def _start_of(pid: int) -> str:
    """The start of a process, in s since 1970; empty if there is no process of this id."""
    process: Any = psutil.Process  # psutil has no types
    try:
        return f"{process(pid).create_time():.2f}"
    except psutil.NoSuchProcess:
        return ""


def everywhere(store: Store) -> list[str]:
    """The experiments of the store: its own, and the others that are not deleted, the latest used of a thousand."""
    others = store.client.search_experiments(max_results=1000, order_by=["last_update_time DESC"])
    return [store.experiment_id, *(each.experiment_id for each in others if each.experiment_id != store.experiment_id)]


def _search(store: Store, condition: str, limit: int, experiments: list[str] | None = None) -> list[Run]:
    """Runs that are not deleted, newest first; of the store's own experiment, unless others are given."""
    return list(
        store.client.search_runs(
            experiments or [store.experiment_id],
            condition,
            max_results=limit,
            order_by=["attributes.start_time DESC"],
        )
    )

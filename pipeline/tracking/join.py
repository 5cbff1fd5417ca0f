"""Which run belongs to which model, and which runs belong to no one any more.

The tag ``model.key`` joins DVC and MLflow: it is the digest in softmax.json, the same for the same model wherever and
whenever it was trained, restored from a cache or pulled from a remote.
"""

import os
import socket
from collections.abc import Iterable
from typing import Any

import psutil
from mlflow.entities import Metric, Run, RunStatus

from pipeline.provenance import Experiment
from pipeline.tracking.store import Store

KEY_TAG = "model.key"
EXPERIMENT_TAG = "dvc.exp"
OWNER_TAG = "owner"
COPIED_TAG = "eval.from"

_EVALUATION = "eval/"


def find(store: Store, key: str, experiment: Experiment | None) -> Run | None:
    """The newest run of the model: of this DVC experiment if there is one, else of any."""
    conditions = [f"tags.`{KEY_TAG}` = '{key}'"]
    if experiment:
        # DVC allows no quote in the name of an experiment, nor does Git in a reference's; MLflow has no escape for one.
        name = experiment.name.replace("'", "")
        conditions.insert(0, f"{conditions[0]} and tags.`{EXPERIMENT_TAG}` = '{name}'")
    for condition in conditions:
        found = _search(store, condition, 1)
        if found:
            return found[0]
    return None


def copy_evaluation(store: Store, run_id: str, key: str, time: int) -> None:
    """Give a run the ``eval/`` metrics of an earlier one with the same key: the same bytes have the same metrics.

    A forced repeat of a training leaves the model as it was, so DVC sees no reason to evaluate it again.
    """
    for twin in _search(store, f"tags.`{KEY_TAG}` = '{key}' and attributes.status = 'FINISHED'", 10):
        shown = twin.data.metrics.items()
        copied = [Metric(name, value, time, 0) for name, value in shown if name.startswith(_EVALUATION)]
        if twin.info.run_id != run_id and copied:
            store.client.log_batch(run_id, metrics=copied)
            store.client.set_tag(run_id, COPIED_TAG, twin.info.run_id)
            return


def changed(run: Run, metrics: Iterable[Metric]) -> list[Metric]:
    """Those of ``metrics`` that the run does not show yet."""
    shown = run.data.metrics
    return [metric for metric in metrics if shown.get(metric.key) != metric.value]


def owner() -> str:
    """This process as host:pid:start, a name that no later process gets."""
    return f"{socket.gethostname()}:{os.getpid()}:{_start_of(os.getpid())}"


def end_abandoned(store: Store, time: int) -> None:
    """Mark as KILLED, at ``time`` in ms, the running runs of this host whose owner is gone."""
    for run in _search(store, "attributes.status = 'RUNNING'", 1000):
        mark = run.data.tags.get(OWNER_TAG)
        if mark and _is_gone(mark):
            store.client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.KILLED), time)


def _is_gone(mark: str) -> bool:
    """Whether the process behind an owner tag no longer runs; of other hosts nothing is known, so no."""
    host, pid, started = mark.rsplit(":", 2)
    return host == socket.gethostname() and _start_of(int(pid)) != started


def _start_of(pid: int) -> str:
    """When a process started, in s since 1970; empty if there is no process of this id."""
    process: Any = psutil.Process  # psutil has no types
    try:
        return f"{process(pid).create_time():.2f}"
    except psutil.NoSuchProcess:
        return ""


def _search(store: Store, condition: str, limit: int) -> list[Run]:
    """Runs that are not deleted, newest first."""
    return list(
        store.client.search_runs(
            [store.experiment_id], condition, max_results=limit, order_by=["attributes.start_time DESC"]
        )
    )

"""Runs read from the database file: what MLflow itself says of them, without loading it."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Metric

from pipeline.tracking.client import location
from pipeline.tracking.client.tags import KEY_TAG
from pipeline.tracking.runs import evaluate_run, train_run
from pipeline.tracking.store import lookup
from pipeline.tracking.store.database import Database
from pipeline.tracking.store.lookup import Runs
from pipeline.tracking.store.served import Served
from pipeline.tracking.store.store import Store, open_store
from tests.tracking.outputs import Project


@pytest.fixture
def run_id(store: Store, project: Project) -> str:
    """The newer of two evaluated runs of one model, with a metric that is no number and one that was corrected."""
    for time in (1000, 5000):
        run_id = train_run.Mirrored(store, project.started(time)).finished(time + 1000)
        evaluate_run.record(store, project.started(time + 2000), time + 3000)
    odd = [Metric("odd", float("nan"), 1, 0), *(Metric("corrected", value, 1, 0) for value in (1.0, 2.0))]
    store.client.log_batch(run_id, metrics=odd)
    return run_id


def _ordered(value: Any) -> Any:
    return sorted((name, _ordered(inner)) for name, inner in value.items()) if isinstance(value, dict) else value


def everything(runs: Runs, project: Project, run_id: str) -> str:
    """All that can be asked of runs, as text, in which NaN equals itself."""
    answers = [
        runs.tagged(KEY_TAG, project.model.key),
        runs.tagged(KEY_TAG, "none"),
        runs.starting_with(run_id[:8]),
    ]
    plain = [[_ordered(vars(run)) for run in answer] for answer in answers]
    return repr((runs.page, plain, runs.files(answers[0][0], ("metrics.json", "softmax.json", "none.csv"))))


@pytest.mark.slow
def test_the_file_says_what_mlflow_says(store: Store, store_root: Path, project: Project, run_id: str) -> None:
    """Metrics, params, tags, order, deleted runs and artifacts are the same through either."""
    gone = train_run.Mirrored(store, project.started(9000)).finished(10_000)
    store.client.delete_run(gone)
    direct = lookup.opened(store_root, store.experiment)
    assert isinstance(direct, Database)
    answers = everything(direct, project, run_id)
    assert answers == everything(Served(store_root, store.experiment), project, run_id)
    assert gone not in answers
    assert "'odd', nan" in answers


@pytest.mark.slow
def test_reading_never_loads_mlflow(store: Store, store_root: Path, run_id: str) -> None:
    """A process that looks a run up does not import it."""
    code = (
        "import sys; from pathlib import Path; from pipeline.tracking.store import lookup; "
        f"print([run.run_id for run in lookup.opened(Path({str(store_root)!r}), {store.experiment!r})"
        f".starting_with({run_id!r})], 'mlflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"['{run_id}'] False\n"


@pytest.mark.parametrize("change", ["another schema", "files elsewhere", "no database"])
def test_everything_else_is_left_to_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """A file of another version, and one whose artifacts are in a bucket, are not read directly."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if change == "files elsewhere":
        monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", "s3://bucket/files")
    path = tmp_path / location.DATABASE_FILE
    if change == "no database":
        assert not Database(path, patience=1).is_readable()
        return
    open_store(tmp_path, "softmax")
    if change == "another schema":
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE alembic_version SET version_num = 'other'")
            connection.commit()
    assert not Database(path, patience=1).is_readable()


@pytest.mark.slow
def test_runs_are_found_in_every_experiment(tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where each data set has an experiment, a run of another one is found; where that one was deleted, it is not."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    here, there = open_store(tmp_path, "penguins"), open_store(tmp_path, "iris")
    run_id = train_run.Mirrored(there, project.started(1000)).finished(2000)
    direct, served = lookup.opened(tmp_path, "penguins"), Served(tmp_path, "penguins")
    assert isinstance(direct, Database)
    for runs in (direct, served):
        for (run,) in (runs.starting_with(run_id[:8]), runs.tagged(KEY_TAG, project.model.key)):
            assert (run.run_id, run.experiment_id) == (run_id, there.experiment_id)
    here.client.delete_experiment(there.experiment_id)
    assert [runs.starting_with(run_id) for runs in (direct, served)] == [[], []]

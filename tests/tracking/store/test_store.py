"""The store's first use: safe when two come at once, safe when it is killed, and files lie where they should."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.tracking.client import experiment_view
from pipeline.tracking.store.store import Store, open_store
from tests.project import SOURCE

# Opens the store below argv[1], writes a run with a file, and prints the run's id.
USE = """
import gc; gc.disable()
import sys
from pathlib import Path
from pipeline.tracking.store.store import open_store
print("importing done", flush=True)
store = open_store(Path(sys.argv[1]), "softmax")
run = store.client.create_run(store.experiment_id).info.run_id
store.client.log_text(run, "text", "note.txt")
print(run, flush=True)
gc.freeze()
"""


def start(root: Path) -> subprocess.Popen[str]:
    """A process that uses the store; it has not begun when this returns."""
    environment = os.environ | {"PYTHONPATH": str(SOURCE), "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    command = [sys.executable, "-c", USE, str(root)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def runs_of(store: Store) -> set[str]:
    """Ids of all runs."""
    return {run.info.run_id for run in store.client.search_runs([store.experiment_id])}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without a store, and no other store named in the environment."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "root"


def test_first_use_makes_lasting_places_for_files(root: Path, tmp_path: Path) -> None:
    """Our experiment and MLflow's own Default keep files below the root, whatever the current folder is."""
    store = open_store(root, "softmax")
    places = {experiment.name: experiment.artifact_location for experiment in store.client.search_experiments()}
    assert places == {"softmax": str(root / "mlartifacts"), "Default": str(root / "mlartifacts" / "0")}
    assert {path.name for path in root.iterdir()} == {"mlflow.db", "mlflow.db.lock"}
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


@pytest.mark.parametrize("name", ["with space", "größe #1", "100%20?x=1"])
def test_project_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    """Database and files lie below folders whose names mean something in a URI."""
    store = open_store(tmp_path / name, "softmax")
    run = store.client.create_run(store.experiment_id).info.run_id
    store.client.log_text(run, "text", "note.txt")
    assert (tmp_path / name / "mlflow.db").is_file()
    assert (tmp_path / name / "mlartifacts" / run / "artifacts" / "note.txt").read_text(encoding="utf-8") == "text"


def test_opening_again_finds_the_same_experiment(root: Path) -> None:
    """A second opening changes nothing, and a second name is a second experiment."""
    first = open_store(root, "softmax")
    again, other = open_store(root, "softmax"), open_store(root, "other")
    assert first.experiment_id == again.experiment_id != other.experiment_id
    assert other.client.get_experiment(other.experiment_id).artifact_location == str(root / "mlartifacts")


def test_an_experiment_is_made_with_view_and_description(root: Path) -> None:
    """MLflow's pages read them from tags; a view is JSON within JSON, of fewer characters than a tag may have."""
    for name in ("first of a new database", "second"):
        store = open_store(root, name)
        tags = store.client.get_experiment(store.experiment_id).tags
        assert tags == experiment_view.tags()
        assert len(tags[experiment_view.VIEW_TAG]) < 5000
        columns = json.loads(json.loads(tags[experiment_view.VIEW_TAG])["state"])["selectedColumns"]
        assert {"metrics.`eval/log_loss`", "metrics.`train/bound`", "params.`train.solver`"} < set(columns)


def test_empty_file_counts_as_no_database(root: Path) -> None:
    """A database file without content, as some tools leave it, is replaced by a complete one."""
    root.mkdir()
    (root / "mlflow.db").touch()
    assert runs_of(open_store(root, "softmax")) == set()


def test_deleted_experiment_is_a_clear_message(store: Store, store_root: Path) -> None:
    """An experiment that someone deleted in MLflow is named, with the command that brings it back."""
    name = store.client.get_experiment(store.experiment_id).name
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(UserError, match=f"restore --experiment-id {store.experiment_id}"):
        open_store(store_root, name)


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that nobody can write to: /proc")
def test_folder_that_cannot_be_written_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only place is named, instead of MLflow's retries for more than a minute."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////proc/self/mlflow.db")
    with pytest.raises(UserError, match="/proc/self: expected to be able to write"):
        open_store(Path("/proc/self"), "softmax")


@pytest.mark.slow
@pytest.mark.parametrize("_round", range(3))
def test_two_first_users_at_once_are_both_fine(root: Path, _round: int) -> None:
    """Two processes that find no database both write their run into the same one."""
    root.mkdir()
    users = [start(root), start(root)]
    outputs = [user.communicate(timeout=60) for user in users]
    assert [user.returncode for user in users] == [0, 0], outputs
    assert runs_of(open_store(root, "softmax")) == {out.split("\n")[1] for out, _ in outputs}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(0, 10, 2))
def test_kill_during_first_use_leaves_the_store_usable(root: Path, seed: int) -> None:
    """Whenever the first user is killed, the next one makes or finds a store that works."""
    root.mkdir()
    user = start(root)
    assert user.stdout is not None
    assert user.stdout.readline() == "importing done\n"
    # Opening for the first time takes about half a second here; the moments spread over it.
    time.sleep(random.Random(seed).uniform(0.05 * seed, 0.05 * (seed + 2)))
    user.send_signal(signal.SIGKILL)
    user.communicate()
    store = open_store(root, "softmax")
    run = store.client.create_run(store.experiment_id).info.run_id
    assert run in runs_of(store)
    assert not list(root.glob("*.part*"))


@pytest.mark.parametrize("version", ["0584bdc529eb", "ffffffffffff"], ids=["older", "newer"])
def test_database_of_another_version_is_left_alone(root: Path, version: str) -> None:
    """A database of an older or newer MLflow is named with both versions and what to do, and stays as it was."""
    root.mkdir()
    with closing(sqlite3.connect(root / "mlflow.db")) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.execute("CREATE TABLE experiments (experiment_id INTEGER)")
        connection.execute("INSERT INTO alembic_version VALUES (?)", [version])
    before = (root / "mlflow.db").read_bytes()
    with pytest.raises(UserError, match=rf"got {version}; .* `mlflow db upgrade sqlite:///"):
        open_store(root, "softmax")
    assert (root / "mlflow.db").read_bytes() == before


def test_file_that_is_no_database_is_left_alone(root: Path) -> None:
    """Whatever else is called mlflow.db is not overwritten."""
    root.mkdir()
    (root / "mlflow.db").write_text("my notes " * 100, encoding="utf-8")
    with pytest.raises(UserError, match="expected MLflow's database, got something else"):
        open_store(root, "softmax")
    assert (root / "mlflow.db").read_text(encoding="utf-8").startswith("my notes")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that takes no files, whoever asks")
@pytest.mark.timeout(60)
def test_a_folder_that_takes_no_files_is_not_waited_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permissions say that it can be written: trying says that it cannot."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////proc/mlflow.db")
    with pytest.raises((OSError, UserError), match="mlflow"):
        open_store(root, "softmax")

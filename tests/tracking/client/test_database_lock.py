"""A database that another process holds is waited for, and then told; never is it taken for something else."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.tracking.client import database_lock, mirror
from pipeline.tracking.client.params import TrackingParams
from pipeline.tracking.store import database, lookup, relocate
from pipeline.tracking.store.failures import as_user_errors
from pipeline.tracking.store.store import open_store
from tests.tracking.outputs import PARAMS, Project

HELD = r"mlflow\.db: another process holds this database, and did not let go of it within {} s \(tracking\.timeout_s\)"


@contextmanager
def held(path: Path, how: str) -> Iterator[sqlite3.Connection]:
    """Another connection's transaction: IMMEDIATE keeps writers out, EXCLUSIVE readers too."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as connection:
        connection.execute(f"BEGIN {how}")
        try:
            yield connection
        finally:
            if connection.in_transaction:
                connection.rollback()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a store, and half a second of patience."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    open_store(tmp_path, "softmax")
    (tmp_path / "params.yaml").write_text("tracking: {timeout_s: 0.5}\n", encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_a_held_database_is_told_as_such(root: Path) -> None:
    """Opening, reading, writing and relocating give the same sentence, and nobody is told to move it away."""
    path = root / "mlflow.db"
    store = open_store(root, "softmax")
    with held(path, "EXCLUSIVE"):
        for use in (
            lambda: open_store(root, "softmax"),
            lambda: lookup.opened(root, "softmax"),
            lambda: relocate.main(root),
        ):
            with pytest.raises(UserError, match=HELD.format("0.5")) as raised:
                use()
            assert "move it away" not in str(raised.value)
    with held(path, "IMMEDIATE"), pytest.raises(UserError, match=HELD.format("0.5")), as_user_errors():
        store.client.create_run(store.experiment_id)
    assert store.client.search_runs([store.experiment_id]) == []
    assert not database_lock.is_held(path)


def test_a_database_that_is_let_go_in_time_is_used(root: Path) -> None:
    """Who waits long enough opens and writes as if nothing had been."""
    (root / "params.yaml").write_text("tracking: {timeout_s: 60}\n", encoding="utf-8")
    with held(root / "mlflow.db", "EXCLUSIVE") as connection:
        threading.Timer(0.5, connection.rollback).start()
        store = open_store(root, "softmax")
        store.client.create_run(store.experiment_id)
    assert len(store.client.search_runs([store.experiment_id])) == 1


@pytest.mark.slow
def test_a_stage_beside_a_held_database_says_who_is_to_blame(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage ends well after tracking.timeout_s; its run is kept, and the warning names the database."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(project.folder)
    open_store(project.folder, "softmax")
    with (
        held(project.folder / "mlflow.db", "EXCLUSIVE"),
        mirror.started("train", TrackingParams(timeout_s=1.0), PARAMS, project.paths),
    ):
        pass
    (line,) = capsys.readouterr().err.splitlines()
    assert "mlflow.db: another process holds this database" in line
    assert line.endswith("`python -m pipeline track` sends it")


KILLED = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("CREATE TABLE filler (a)")
connection.executemany("INSERT INTO filler VALUES (?)", [("z" * 1000,) for _ in range(3000)])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_a_kill_within_a_transaction_leaves_a_database_that_is_read(root: Path) -> None:
    """SQLite takes back what the killed process had begun, also where only a question is asked."""
    path = root / "mlflow.db"
    before = database.version(path, patience=1)
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.with_name("mlflow.db-journal").stat().st_size > 0
    assert database.version(path, patience=1) == before
    assert not path.with_name("mlflow.db-journal").exists()


@pytest.mark.skipif(os.name != "posix", reason="needs a file that is a folder elsewhere")
def test_a_database_that_cannot_be_read_is_not_called_something_else(root: Path) -> None:
    """A folder of its name is none of MLflow's, but nothing to move away unseen either."""
    path = root / "mlflow.db"
    path.unlink()
    path.mkdir()
    (path / "file").touch()
    with pytest.raises(UserError, match="which cannot be read now"):
        open_store(root, "softmax")

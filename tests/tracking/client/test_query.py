"""Questions to MLflow: without a store nobody is asked, and whatever becomes of the child, the caller goes on."""

import os
import stat
import sys
from pathlib import Path

import psutil
import pytest

from pipeline.errors import UserError
from pipeline.tracking.client import query
from pipeline.tracking.client.query import StoreProcess


def test_without_a_store_nobody_loads_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database file that is not there knows of no run: no process is started, and no database is made."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with StoreProcess(tmp_path, "softmax") as store:
        assert store.state() == {}
        assert store.examine("ab" * 32, None, None, tmp_path) == []
        store.attach({"a": "yes"}, "{}")
        with pytest.raises(UserError, match=r"there is no MLflow store at .*mlflow\.db"):
            store.run("0123ab")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")  # MLflow's own
def test_a_child_answers_question_after_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after one that it cannot answer; it is gone with the block."""
    from mlflow import MlflowClient

    address = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    client = MlflowClient(tracking_uri=address)
    run = client.create_run(client.create_experiment("softmax"), tags={"colour": "grün"})
    with StoreProcess(tmp_path, "softmax") as store:
        with pytest.raises(UserError, match="got none"):
            store.run("000000")
        run_id = run.info.run_id
        store.attach({run_id: "no 0123456789ab"}, "{}")
        assert store.run(run_id[:8])["tags"]["colour"] == "grün"
        assert store.run(run_id[:8])["tags"]["verified"] == "no 0123456789ab"
        children = psutil.Process().children()
    assert len(children) > len(psutil.Process().children())


def _python(folder: Path, program: str) -> str:
    """An interpreter that runs this program whatever it is asked to run."""
    path = folder / "python"
    path.write_text(f"#!{sys.executable}\n{program}", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.skipif(os.name == "nt", reason="a file with #! is no program on Windows")
@pytest.mark.parametrize(
    ("program", "error", "message"),
    [
        ("import sys; sys.exit('no room')", RuntimeError, "ended with 1:\nno room"),
        ("input(); print('{', end='')", RuntimeError, "ended with 0:"),
        ("import time; time.sleep(600)", UserError, "got none within 0.5 s; is MLFLOW_TRACKING_URI right"),
    ],
    ids=["ends", "breaks off", "hangs"],
)
def test_a_child_that_gives_no_answer(
    program: str, error: type[Exception], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it printed is told; none is left behind."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setattr(sys, "executable", _python(tmp_path, program))
    monkeypatch.setattr(query, "_SECONDS", 0.5)
    monkeypatch.setattr(query, "timeout_s", lambda _: 0)
    before = psutil.Process().children()
    with StoreProcess(tmp_path, "softmax") as store:
        for _ in range(2):
            with pytest.raises(error, match=message):
                store.state()
    assert psutil.Process().children() == before

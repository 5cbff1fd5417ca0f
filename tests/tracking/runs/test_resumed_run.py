"""A training that was killed goes on in the run of MLflow that it had, with every epoch once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.project import Project

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")]

EPOCHS = 1001  # the project's; a run shows all of so many, and with a checkpoint each they take seconds


def _runs(project: Project) -> list[Any]:
    store = project.folder / "mlflow.db"
    return list(MlflowClient(f"sqlite:///{store}").search_runs(["1"])) if store.exists() else []


def _kill_when_it_is_seen(project: Project, end: signal.Signals, known_epochs: int) -> None:
    """Train until the run has more epochs than these and there is a checkpoint; then end the process by a signal."""
    command = [sys.executable, "-m", "pipeline", "train", "--prepared", "data/prepared", "--out", "models"]
    process = subprocess.Popen(command, cwd=project.folder, env=os.environ, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    try:
        while not (_steps(project) > known_epochs and list((project.folder / ".cache/checkpoints").glob("*"))):
            assert process.poll() is None, "it has come to the end"
            assert time.monotonic() < deadline
            time.sleep(0.3)
    finally:
        process.send_signal(end)
        process.wait(60)


def _steps(project: Project) -> int:
    """How many epochs the run has, 0 without one."""
    if not (runs := _runs(project)):
        return 0
    client = MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}")
    return max(len(client.get_metric_history(run.info.run_id, "by epoch/cost")) for run in runs)


def test_a_killed_training_goes_on_in_its_run(tmp_path: Path, repro: Path) -> None:
    """Killed with -9, then by SIGTERM, then left alone: one run, FINISHED, that says so, and the outputs' bytes."""
    project = Project.after_repro(tmp_path, repro)
    params = project.read("params.yaml")
    undisturbed = {path.name: path.read_bytes() for path in (tmp_path / "models").iterdir()}
    slow = params.replace("every_s: 30.0 ", "every_s: 0.0 ").replace("live_after_s: 10.0 ", "live_after_s: 0.0 ")
    (tmp_path / "params.yaml").write_text(slow, encoding="utf-8")
    _kill_when_it_is_seen(project, signal.SIGKILL, 0)
    _kill_when_it_is_seen(project, signal.SIGTERM, _steps(project))
    printed = project.pipeline("train", "--prepared", "data/prepared", "--out", "models").stdout
    assert "train: goes on after epoch " in printed
    (run,) = _runs(project)
    assert (run.info.status, run.data.tags["resumed"]) == ("FINISHED", "2")
    assert run.info.run_id[:8] in printed
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "by epoch/cost")]
    assert sorted(steps) == list(range(EPOCHS))
    assert {path.name: path.read_bytes() for path in (tmp_path / "models").iterdir()} == undisturbed
    assert not list((tmp_path / ".cache/checkpoints").glob("*.checkpoint"))

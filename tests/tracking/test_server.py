"""Runs and their models on a server: its files are copies, and a server of before MLflow 3 knows no models."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient

from pipeline.tracking.client import mirror
from pipeline.tracking.client.params import TrackingParams
from tests import services
from tests.tracking.outputs import PARAMS, Project

pytestmark = pytest.mark.slow

# MLflow's own application; argv: port, and what stands in the addresses that it is to know nothing of.
_SERVE = """
import sys
from mlflow.server import app
from werkzeug.serving import make_server

def older(environ, start_response):
    if sys.argv[2] and sys.argv[2] in environ["PATH_INFO"]:
        start_response("404 NOT FOUND", [("Content-Type", "text/html")])
        return [b"<h1>Not Found</h1>"]
    return app(environ, start_response)

make_server("127.0.0.1", int(sys.argv[1]), older, threaded=True).serve_forever()
"""


@contextmanager
def server(folder: Path, unknown: str = "") -> Iterator[str]:
    """The address of a server with its own database and files below ``folder``."""
    port = services.free_port()
    variables = {
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{folder}/server.db",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "files"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-c", _SERVE, str(port), unknown]
        process = subprocess.Popen(command, cwd=folder, env=os.environ | variables, stdout=log, stderr=log)
    try:
        end = time.monotonic() + services.PATIENCE
        while not services._listens(port):
            assert process.poll() is None, (folder / "log").read_text(encoding="utf-8")
            assert time.monotonic() < end
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def train(project: Project, capsys: pytest.CaptureFixture[str]) -> str:
    """Mirror a short training; returns what it printed."""
    paths = {name: project.paths[name] for name in ("prepared", "models")}
    with mirror.started("train", TrackingParams(timeout_s=120.0), PARAMS, paths):
        pass
    printed = capsys.readouterr()
    return " ".join(f"{printed.out} {printed.err}".split())


@pytest.fixture
def at_project(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project as the current folder."""
    monkeypatch.chdir(project.folder)
    return project


def test_a_server_has_the_model_with_copies_of_its_files(
    at_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It can be loaded by its id from the server alone."""
    with server(tmp_path) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        assert "warning" not in train(at_project, capsys)
        client = MlflowClient(address)
        experiments = [each.experiment_id for each in client.search_experiments()]
        (model,) = client.search_logged_models(experiments)
        (run,) = client.search_runs(experiments)
        assert {metric.key for metric in model.metrics} == {"train/final_cost", "train/epochs"}
        assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
        rows = mlflow.pyfunc.load_model(f"models:/{model.model_id}").predict(pd.DataFrame({"x1": [1], "island": ["a"]}))
        assert rows["predicted"].tolist() == ["cow"]


def test_a_server_without_models_has_the_run_all_the_same(
    at_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stage says so in one sentence, and keeps nothing for later."""
    with server(tmp_path, unknown="logged-models") as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        printed = train(at_project, capsys)
        client = MlflowClient(address)
        (run,) = client.search_runs([each.experiment_id for each in client.search_experiments()])
        assert (run.info.status, run.data.tags["model.key"]) == ("FINISHED", at_project.model.key)
        assert "train/final_cost" in run.data.metrics
    assert printed.startswith(f"warning: MLflow: run {run.info.run_id[:8]} 'sgd lr=0.1 epochs=5' in {address}; ")
    assert printed.endswith(
        "; the run is complete, but has no model to load or serve: the server is of a version before MLflow 3"
    )
    assert not list((at_project.folder / ".cache" / "tracking").glob("*/entry.json"))

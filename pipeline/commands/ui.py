"""The MLflow UI on the project's store, for a person on this machine."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from pipeline.errors import UserError
from pipeline.repository import project
from pipeline.tracking.client import experiment_view, location, outbox

HOST = "127.0.0.1"

_BETWEEN_LOOKS = 0.1
_EXIT_SECONDS = 10.0


def main(*, experiment: str, port: int) -> None:
    """Start MLflow's server, print the address of the runs when it answers, and stay until it or the person ends it.

    Raises: UserError if the runs are on a server already, the port is taken, or MLflow's server does not start.
    """
    root = project.project_root()
    uri = location.tracking_uri(root)
    if uri.startswith(("http://", "https://")):
        raise UserError(f"MLFLOW_TRACKING_URI: the runs are on a server: open {location.masked(uri)} in a browser")
    _refuse_taken(port)
    database = location.sqlite_file(uri)
    if database is not None and not database.exists():
        from pipeline.tracking.store.store import open_store  # MLflow's own first use is not safe

        open_store(root, experiment)
    if outbox.waiting(root):
        from pipeline.commands import track

        track.send_waiting(root, experiment)
    print("MLflow is starting ...", flush=True)
    server = _start(uri, port, root)
    try:
        _wait_until_ready(server, port)
        print(_address(f"http://{HOST}:{port}", experiment), "(Ctrl-C ends it)", flush=True)
        server.wait()
    except KeyboardInterrupt:
        pass
    finally:
        _end(server)


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        # As MLflow's server does: a port whose last connections still wind down is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UserError(f"--port {port}: expected a free port of {HOST}: {reason}; choose another") from None


def _start(uri: str, port: int, root: Path) -> subprocess.Popen[bytes]:
    """One worker and no job runner: a person alone needs neither, and without them it starts in half the time.

    The store's address may hold a password, so it stands in the environment and not in the command, which all can see.
    """
    command = [sys.executable, "-m", "mlflow", "ui", "--host", HOST, "--port", str(port), "--workers", "1"]
    environment = os.environ | {"MLFLOW_BACKEND_STORE_URI": uri, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    environment.setdefault("MLFLOW_UVICORN_OPTS", "--log-level warning")  # no line for every picture it sends
    artifacts = location.artifact_location(uri, root)
    if artifacts:
        environment.setdefault("MLFLOW_DEFAULT_ARTIFACT_ROOT", artifacts)
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


def _wait_until_ready(server: subprocess.Popen[bytes], port: int) -> None:
    while server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(_BETWEEN_LOOKS)
    raise UserError("the MLflow UI: expected its server to answer, but it ended: what it said last stands above")


def _address(root_url: str, experiment: str) -> str:
    """The table of runs with the columns that matter; before the first run, the list of experiments.

    The workflow type keeps MLflow from opening on its pages for language models.
    """
    query = urllib.parse.urlencode({"experiment_name": experiment})
    try:
        record = _asked(root_url, f"get-by-name?{query}")["experiment"]
    except urllib.error.HTTPError:
        return f"{root_url}/#/experiments?workflowType=machine_learning"
    address = f"{root_url}/#/experiments/{record['experiment_id']}/runs?workflowType=machine_learning"
    return f"{address}&viewStateShareKey={experiment_view.VIEW}" if _has_view(root_url, record) else address


def _has_view(root_url: str, experiment: dict[str, Any]) -> bool:
    """Give the experiment view and description, if an earlier version or a person made it; a description stays."""
    given = {tag["key"]: tag["value"] for tag in experiment.get("tags", [])}
    due = {key: value for key, value in experiment_view.tags().items() if key not in given}
    due[experiment_view.VIEW_TAG] = experiment_view.tags()[experiment_view.VIEW_TAG]
    try:
        for key, value in due.items():
            if given.get(key) != value:
                _asked(root_url, "set-experiment-tag", experiment_id=experiment["experiment_id"], key=key, value=value)
    except urllib.error.HTTPError:
        return False  # a store that cannot be written is still one to look at
    return True


def _asked(root_url: str, path: str, **content: str) -> dict[str, Any]:
    """MLflow's answer about an experiment; with content, after it was changed. Raises: HTTPError."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(
        f"{root_url}/api/2.0/mlflow/experiments/{path}", json.dumps(content).encode() if content else None, headers
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        document: dict[str, Any] = json.load(answer)
    return document


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(_EXIT_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()

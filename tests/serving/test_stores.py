"""Registered models in stores that no file is: a database server, and a server of MLflow."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.model import Model
from pipeline.tracking.store.store import open_store
from tests import services
from tests.serving import models
from tests.serving.server import serving, wait_until
from tests.serving.test_exchange import BODY, EXPERIMENT, REGISTER, served_key, started
from tests.tracking.test_server import server as mlflow_server

pytestmark = [pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning"), pytest.mark.slow]

SECRET = "S3CRET"
MOVE = """
import sys
from mlflow import MlflowClient
MlflowClient().set_registered_model_alias(sys.argv[1], "champion", sys.argv[2])
"""


@pytest.fixture(params=["database", "server"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a store with a password in it, which neither asks for."""
    if request.param == "server":
        (tmp_path / "mlflow").mkdir()
        with mlflow_server(tmp_path / "mlflow") as address:
            yield address.replace("http://", f"http://user:{SECRET}@")
        return
    if services.why_no_postgres():
        pytest.skip(services.why_no_postgres())
    with services.postgres() as address:
        yield address.replace("softmax@", f"softmax:{SECRET}@")


def registered(root: Path, store: str) -> tuple[Model, Model]:
    """Two versions of a registered model in the store, each another model."""
    (root / ".dvc").mkdir()
    (root / "params.yaml").write_text(f"tracking: {{experiment: {EXPERIMENT}}}\n", encoding="utf-8")
    first, second = models.write(root / "one", 1), models.write(root / "two", 2)
    (root / "ranges.json").write_bytes(b"{}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", store)
        open_store(root, EXPERIMENT)
    run_mlflow(REGISTER, store, str(root), EXPERIMENT)
    return first, second


def run_mlflow(code: str, store: str, *words: str) -> None:
    """A script in a process of its own."""
    environment = os.environ | {"MLFLOW_TRACKING_URI": store}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_an_alias_in_a_store_that_is_no_file(store: str, tmp_path: Path) -> None:
    """It is served, its moves are seen, and the store's password stands nowhere, also where a name is wrong."""
    root = tmp_path / "project"
    root.mkdir()
    first, second = registered(root, store)
    with serving(root, "--alias", "champion", MLFLOW_TRACKING_URI=store) as server:
        assert served_key(server) == first.key
        run_mlflow(MOVE, store, EXPERIMENT, "2")
        wait_until(lambda: served_key(server) == second.key)
        answers = [server.get(path).body for path in ("/", "/metrics", "/openapi.json", f"/v2/models/{EXPERIMENT}")]
        answers.append(server.post("/invocations", BODY).body)
        status, printed = server.stop()
        assert status == 0
        assert SECRET not in printed + server.said()
        assert not any(SECRET.encode() in answer for answer in answers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", store)
        ended = started(root, "--alias", "nobody")
    assert (ended.returncode, "with the alias 'nobody'" in ended.stderr) == (1, True), ended.stderr
    assert SECRET not in ended.stdout + ended.stderr


@pytest.mark.parametrize("variable", ["MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"])
def test_a_store_that_is_away(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence without the password, and exit status 1. Of a database MLflow says so after 100 s of tries."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "params.yaml").write_text(f"tracking: {{experiment: {EXPERIMENT}, timeout_s: 2}}\n", encoding="utf-8")
    if variable == "MLFLOW_REGISTRY_URI":
        open_store(tmp_path, EXPERIMENT)
    monkeypatch.setenv(variable, f"http://user:{SECRET}@127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    ended = started(tmp_path, "--alias", "champion")
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1), ended.stderr
    assert SECRET not in ended.stdout + ended.stderr

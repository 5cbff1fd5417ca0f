"""Another model takes the place of the one that is served, while requests go on; a damaged one does not."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.model import Model
from pipeline.output_files import DECISION_FILE, METADATA_FILE, WEIGHTS_FILE
from pipeline.predictor import ranges
from pipeline.tracking.store.registered_models import Registry
from pipeline.tracking.store.store import open_store
from tests.serving import models
from tests.serving.server import JSON, SOURCE, STOP, Server, ask, serving, wait_until

pytestmark = [pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning"), pytest.mark.slow]

EXPERIMENT = "animals"
BODY = {"dataframe_split": {"columns": models.COLUMNS, "data": [models.values(models.drawn_rows(1)[0])]}}
FILES = (METADATA_FILE, WEIGHTS_FILE, DECISION_FILE)

# Version 1 is a run with the files at its root, version 2 a LoggedModel with them among its artifacts.
REGISTER = """
import sys, shutil, tempfile
from pathlib import Path
from mlflow import MlflowClient
root, name = Path(sys.argv[1]), sys.argv[2]
client = MlflowClient()
experiment = client.get_experiment_by_name(name).experiment_id
client.create_registered_model(name)
run = client.create_run(experiment).info
for file in (root / "one" / "models").iterdir():
    client.log_artifact(run.run_id, str(file))
client.create_model_version(name, f"runs:/{run.run_id}/", run.run_id)
logged = client.create_logged_model(experiment, "softmax", run.run_id)
with tempfile.TemporaryDirectory() as folder:
    shutil.copytree(root / "two" / "models", Path(folder, "artifacts"))
    shutil.copyfile(root / "ranges.json", Path(folder, "artifacts", "ranges.json"))
    Path(folder, "MLmodel").write_text(f"flavors: {{}}\\nmodel_id: {logged.model_id}\\n")
    client.log_model_artifacts(logged.model_id, folder)
client.finalize_logged_model(logged.model_id, "READY")
client.create_model_version(name, f"models:/{logged.model_id}", run.run_id, model_id=logged.model_id)
client.set_registered_model_alias(name, "champion", "1")
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Model, Model]:
    """A project whose store has two versions of a registered model, each another model."""
    root = tmp_path_factory.mktemp("project")
    (root / ".dvc").mkdir()
    (root / "params.yaml").write_text(f"tracking: {{experiment: {EXPERIMENT}}}\n", encoding="utf-8")
    first, second = models.write(root / "one", 1), models.write(root / "two", 2)
    (root / "ranges.json").write_bytes(ranges.content({"x 1": models.RANGE}, second.data_digest))
    open_store(root, EXPERIMENT)
    command = [sys.executable, "-c", REGISTER, str(root), EXPERIMENT]
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{root / 'mlflow.db'}"}
    registered = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert registered.returncode == 0, registered.stderr
    return root, first, second


def point(root: Path, version: int) -> None:
    """Give the alias to a version, as MLflow does, without the seconds that loading it takes."""
    with closing(sqlite3.connect(root / "mlflow.db")) as database, database:
        database.execute("UPDATE registered_model_aliases SET version = ?", (version,))


def served_key(server: Server) -> str:
    """The key of the model that answers."""
    return server.post("/invocations", BODY).headers["x-model-key"]


def test_an_alias_moves_without_a_failed_request(registry: tuple[Path, Model, Model]) -> None:
    """Every request is answered, wholly by one model, while the alias goes there and back."""
    root, first, second = registry
    point(root, 1)
    with serving(root, "--alias", "champion") as server:
        over, answers = threading.Event(), []

        def keep_asking() -> None:
            with server.connection() as connection:
                while not over.is_set():
                    answer = ask(connection, "POST", "/invocations", BODY, JSON)
                    answers.append((answer.status, answer.headers["x-model-key"], answer.json["model_key"]))

        threads = [threading.Thread(target=keep_asking) for _ in range(4)]
        for thread in threads:
            thread.start()
        for version, model in ((2, second), (1, first)):
            point(root, version)
            wait_until(lambda key=model.key: answers and answers[-1][1] == key)
        over.set()
        for thread in threads:
            thread.join()
        assert {status for status, *_ in answers} == {200}
        assert {header for _, header, _ in answers} == {first.key, second.key}
        assert all(header == key for _, header, key in answers)
        assert f"model {second.key[:8]}, version 2 is in service, after {first.key[:8]}" in server.said()
        assert server.get(f"/v2/models/{EXPERIMENT}/versions/1/ready").status == 200


def test_the_files_of_a_version(registry: tuple[Path, Model, Model]) -> None:
    """Of a run and of a LoggedModel, read as they lie and, where that cannot be, through MLflow: the same."""
    root, _, _ = registry
    for version, folder in ((1, "one"), (2, "two")):
        point(root, version)
        with Registry(root, EXPERIMENT) as direct, pytest.MonkeyPatch.context() as patch:
            found = direct.by_alias(EXPERIMENT, "champion")
            contents = direct.files(found)
            patch.setenv("MLFLOW_REGISTRY_URI", f"sqlite:///{root / 'mlflow.db'}")
            with Registry(root, EXPERIMENT) as asked:
                assert asked.by_alias(EXPERIMENT, "champion").version == found.version == str(version)
                assert asked.files(asked.by_alias(EXPERIMENT, "champion")) == contents
        for name in FILES:
            assert contents[name] == (root / folder / "models" / name).read_bytes()


def test_ranges_lie_beside_a_registered_model(registry: tuple[Path, Model, Model]) -> None:
    """Where its artifacts have ranges.json, and null where they have not."""
    root, _, _ = registry
    for version, known in ((1, False), (2, True)):
        point(root, version)
        with serving(root, "--alias", "champion") as server:
            assert (server.post("/invocations", BODY).json["beyond_range"] is not None) == known


def test_a_store_that_goes_away(registry: tuple[Path, Model, Model]) -> None:
    """One sentence, a metric, and the answers go on; what comes back is taken up."""
    root, first, second = registry
    point(root, 1)
    with serving(root, "--alias", "champion") as server:
        (root / "mlflow.db").rename(root / "away.db")
        wait_until(lambda: "no such file" in server.said())
        assert "serve_model_source_ok 0.0" in server.get("/metrics").body.decode()
        assert served_key(server) == first.key
        assert server.get("/v2/health/ready").json == {"ready": True}
        (root / "mlflow.db").write_bytes(b"no database")
        wait_until(lambda: "expected a database of MLflow" in server.said())
        (root / "away.db").replace(root / "mlflow.db")
        point(root, 2)
        wait_until(lambda: served_key(server) == second.key)
        assert "serve_model_source_ok 1.0" in server.get("/metrics").body.decode()
        assert len(server.said().splitlines()) == 3


def test_files_are_exchanged_in_a_folder(tmp_path: Path) -> None:
    """One after another, as `train` and `decide` write them; what is damaged is told once and not served."""
    first = models.write(tmp_path, 1)
    second = models.write(tmp_path / "second", 2)
    with serving(tmp_path) as server:
        assert served_key(server) == first.key
        for name in FILES:
            shutil.copy(tmp_path / "second" / "models" / name, tmp_path / "models" / name)
        wait_until(lambda: served_key(server) == second.key)
        weights = tmp_path / "models" / WEIGHTS_FILE
        whole = weights.read_bytes()
        weights.write_bytes(whole[:-8])
        wait_until(lambda: "SHA-256 is not the one" in server.said())
        assert served_key(server) == second.key
        shutil.rmtree(tmp_path / "models")
        wait_until(lambda: "no such file" in server.said())
        assert served_key(server) == second.key
        shutil.copytree(tmp_path / "second" / "models", tmp_path / "models")
        wait_until(lambda: "in order again" in server.said())


def test_a_decision_that_is_being_made(tmp_path: Path) -> None:
    """While DVC has taken decision.json away, the model in service decides as it did; a new one is taken up."""
    models.write(tmp_path)
    second = models.write(tmp_path / "second", 2)
    decision = tmp_path / "models" / DECISION_FILE
    whole = decision.read_bytes()
    with serving(tmp_path) as server:
        before = server.post("/invocations", BODY).body
        decision.unlink()
        wait_until(lambda: f"{DECISION_FILE}: no such file; run `decide`" in server.said())
        assert server.post("/invocations", BODY).body == before
        decision.write_bytes(whole)
        wait_until(lambda: "in order again" in server.said())
        for name in FILES:
            shutil.copy(tmp_path / "second" / "models" / name, tmp_path / "models" / name)
        wait_until(lambda: served_key(server) == second.key)


def test_a_process_that_dies_while_it_asks_mlflow(registry: tuple[Path, Model, Model]) -> None:
    """Another takes its place, so that a later move of the alias is seen."""
    root, _, _ = registry
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_REGISTRY_URI", f"sqlite:///{root / 'mlflow.db'}")
        with Registry(root, EXPERIMENT) as asked:
            version = asked.by_alias(EXPERIMENT, "champion")
            child = asked._process._child
            assert child is not None
            child._process.kill()
            with pytest.raises(RuntimeError, match="ended with"):
                asked.by_alias(EXPERIMENT, "champion")
            assert asked.by_alias(EXPERIMENT, "champion") == version


def started(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A server that does not come up."""
    command = [sys.executable, "-m", "pipeline", "serve", *options]
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_what_cannot_be_served(registry: tuple[Path, Model, Model], tmp_path: Path) -> None:
    """One sentence on what is missing, and exit status 1; misuse is 2."""
    root, _, _ = registry
    models.write(tmp_path)
    with serving(tmp_path) as server:
        cases = [
            (tmp_path, ("--model", "nothing"), "nothing/softmax.json: no such file"),
            (tmp_path, ("--alias", "champion"), "params.yaml: no such file"),
            (tmp_path, ("--alias", "champion", "--name", "a"), "there is no MLflow store yet"),
            (
                root,
                ("--alias", "nobody"),
                "the registered model 'animals' with the alias 'nobody'",
            ),
            (root, ("--alias", "champion", "--name", "other"), "registered model 'other'"),
            (tmp_path, ("--columns", "weights"), "--columns: expected some of predicted, probability"),
            (tmp_path, ("--port", str(server.port)), f"--port {server.port}: expected a free port of 127.0.0.1"),
            (tmp_path, ("--host", "no such host", "--port", "0"), "--host no such host: expected an address"),
        ]
        for folder, options, part in cases:
            ended = started(folder, *options)
            told = ended.stderr
            assert (ended.returncode, part in told, len(told.splitlines())) == (1, True, 1), told
    for misuse in (("--name", "x"), ("--model", "a", "--alias", "b"), ("--timeout", "nan"), ("--timeout", "inf")):
        assert started(tmp_path, *misuse).returncode == 2


@pytest.mark.parametrize("number", [STOP] if sys.platform == "win32" else [STOP, signal.SIGINT])
def test_it_ends_after_the_last_answer(tmp_path: Path, number: signal.Signals) -> None:
    """A request that has begun is answered, connections that rest are closed, and the exit status is 0."""
    models.write(tmp_path)
    body = json.dumps(BODY).encode()
    with serving(tmp_path) as server, server.connection() as resting, server.connection() as begun:
        assert ask(resting, "GET", "/ping", None, {}).status == 200
        begun.putrequest("POST", "/invocations")
        for name, value in (JSON | {"content-length": str(len(body))}).items():
            begun.putheader(name, value)
        begun.endheaders(body[:10])
        server.get("/ping")
        server.process.send_signal(number)
        with pytest.raises(OSError):  # noqa: PT011 - refused or cut, as it comes
            wait_until(lambda: server.get("/ping") and False)
        begun.send(body[10:])
        assert begun.getresponse().status == 200
        printed, _ = server.process.communicate(timeout=60)
        assert (server.process.returncode, server.said()) == (0, "")
        assert printed == "the server has ended; every request that it had was answered\n"

"""`python -m pipeline verify` in real repositories: what is identical passes, and nothing else does."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest
import safetensors.numpy

from tests import sessions
from tests.project import Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning"),
]


def _commit(project: Project) -> str:
    """Commit every change, and return the commit's id."""
    project.run("git", "add", "-A")
    project.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "--allow-empty", "-m", "state")
    return project.run("git", "rev-parse", "HEAD").stdout.strip()


def _edit(project: Project, path: str, change: Callable[[str], str]) -> None:
    (project.folder / path).write_text(change(project.read(path)), encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project as shipped with a short training, run once and committed."""
    committed = Project(tmp_path_factory.mktemp("verify") / "project")
    _edit(committed, "params.yaml", lambda text: text.replace("epochs: 1001", "epochs: 3"))
    committed.dvc("repro")
    _commit(committed)
    return committed


def _runs(project: Project) -> list[tuple[str, dict[str, str]]]:
    """Id and tags of every run in the project's store."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}")
    return [(run.info.run_id, run.data.tags) for run in client.search_runs(["1"])]


def test_an_mlflow_run_is_verified_and_tagged(project: Project) -> None:
    """A run trained before its outputs were committed leads to that commit; the receipt says so in both tools."""
    ((run_id, _),) = _runs(project)
    head = project.run("git", "rev-parse", "HEAD").stdout.strip()
    printed = project.pipeline("verify", run_id[:8]).stdout
    assert sessions.step(sessions.README, "python -m pipeline verify").agrees_with(printed)
    assert "DIFFERENT" not in printed
    assert "identical  models/softmax.safetensors" in printed
    assert "identical  data/prepared/encoder.json" in printed
    assert "identical  reports/metrics.json" in printed
    assert "identical  MLflow run: model.key" in printed
    receipt = json.loads(project.read(f"reports/receipts/{head[:12]}.json"))
    assert (receipt["verdict"], receipt["commit"]) == ("identical", head)
    assert receipt["inputs"]["data/raw/tutorial.csv"] == "ae79fb5c0378efeab6c3d399c10b5638"
    assert "\n  train: python -m pipeline train --prepared data/prepared --out models\n" in printed
    assert "note: not in dvc.lock, but loaded by the stages: pipeline/__main__.py, pipeline/" in printed
    assert {"pipeline/__main__.py", "pipeline/tracking/client/mirror.py"} <= receipt["uncovered"].keys()
    assert not {"pipeline/__init__.py", "pipeline/train/stage.py"} & receipt["uncovered"].keys()
    ((same_id, tags),) = _runs(project)  # the stages that ran again left no run of their own
    assert (same_id, tags["verified"]) == (run_id, f"yes {head[:12]}")
    assert not list((project.folder / ".cache").glob("verify-*"))
    assert project.run("git", "status", "--porcelain").stdout == "?? reports/receipts/\n"


def test_an_edited_run_is_not_verified(project: Project) -> None:
    """A metric, a param, a tag and a file that were changed in MLflow are each named, and so is the tag they cost."""
    ((run_id, _),) = _runs(project)
    head = project.run("git", "rev-parse", "HEAD").stdout.strip()
    metrics = project.folder / "mlartifacts" / run_id / "artifacts" / "metrics.json"
    text = metrics.read_text(encoding="utf-8")
    with (
        closing(sqlite3.connect(project.folder / "mlflow.db")) as database,
        closing(sqlite3.connect(":memory:")) as before,
    ):
        database.backup(before)
        with database:
            for statement in (
                "UPDATE params SET value = '0.3' WHERE key = 'train.lr'",
                "UPDATE latest_metrics SET value = 0.01 WHERE key = 'eval/log_loss'",
                "UPDATE metrics SET value = 0.9 WHERE key = 'by epoch/cost' AND step = 1",
                "UPDATE tags SET value = 'converged' WHERE key = 'train.status'",
            ):
                assert database.execute(statement).rowcount == 1
        metrics.write_text(text.replace("1", "2", 1), encoding="utf-8")
        result = project.pipeline("verify", run_id[:6], check=False)
        ((_, tags),) = _runs(project)
        metrics.write_text(text, encoding="utf-8")
        before.backup(database)
    assert result.returncode == 1
    places = [line.split(f"MLflow run {run_id[:8]}: ")[1] for line in result.stdout.splitlines() if "DIFFERENT" in line]
    assert places[0] == "param train.lr: 0.3 recorded, 0.1 now"
    assert places[1].startswith("metric eval/log_loss: 0.01 recorded, ")
    assert places[2].startswith("metric by epoch/cost, step 1: 0.9 recorded, ")
    assert places[3].startswith("tag train.status: converged recorded, ")
    assert places[4].startswith("artifact metrics.json: ")
    assert len(places) == 5
    assert f"identical  MLflow run {run_id[:8]}: data set" in result.stdout
    assert "why? the outputs are those of the commit" in result.stdout
    assert tags["verified"] == f"no {head[:12]}"
    receipt = json.loads(project.read(f"reports/receipts/{head[:12]}.json"))
    assert receipt["verdict"] == "different"
    (project.folder / f"reports/receipts/{head[:12]}.json").unlink()


def test_a_lock_that_other_bytes_made_is_found_out(project: Project) -> None:
    """One weight an ulp off, and digests of bytes that no one has: each is named, and nothing passes for verified."""
    path = project.folder / "models/softmax.safetensors"
    tensors = safetensors.numpy.load_file(path)
    tensors["W"][1, 2] = np.nextafter(tensors["W"][1, 2], np.inf)
    path.unlink()  # it may be a link into DVC's cache
    path.write_bytes(safetensors.numpy.save(tensors))
    project.dvc("commit", "-f")
    _edit(project, "dvc.lock", _with_bogus_digests)
    commit = _commit(project)

    result = project.pipeline("verify", check=False)
    assert result.returncode == 1
    assert "DIFFERENT  models/softmax.safetensors: W: class 1, feature x3: " in result.stdout
    assert "1 ulp apart; 1 of 12 numbers differ" in result.stdout
    assert "DIFFERENT  models/history.csv: md5 abab" in result.stdout
    assert "DIFFERENT  reports/plots: its files differ; which, cannot be told" in result.stdout
    assert "identical  models/snapshots.safetensors" in result.stdout
    assert "not verified: 3 of " in result.stdout
    assert json.loads(project.read(f"reports/receipts/{commit[:12]}.json"))["verdict"] == "different"
    assert [tags["verified"] for _, tags in _runs(project)] == [f"no {commit[:12]}"]
    assert "\n  why? the environment is the recorded one" in result.stdout
    project.run("git", "reset", "-q", "--hard", "HEAD~1")
    project.dvc("checkout")


def _with_bogus_digests(lock: str) -> str:
    """dvc.lock with digests that no file has, for an output that is a file and one that is a folder, wherever named."""
    lines = lock.split("\n")
    for path, digest in (("models/history.csv", "ab" * 16), ("reports/plots", f"{'ab' * 16}.dir")):
        for place, line in enumerate(lines):
            if line == f"    - path: {path}":
                lines[place + 2] = f"      md5: {digest}"
    return "\n".join(lines)


def test_a_commit_without_a_lock_and_changes_are_refused(project: Project) -> None:
    """Each is one sentence, exit status 1, before anything runs."""
    _edit(project, "params.yaml", lambda text: text + "\n")
    refused = project.pipeline("verify", check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith("verify HEAD: expected tracked files as they were committed, got changes in:\n")
    assert "  params.yaml\n" in refused.stderr
    project.run("git", "rm", "-q", "-f", "--cached", "dvc.lock")
    (project.folder / "dvc.lock").unlink()
    commit = _commit(project)
    bare = project.pipeline("verify", commit, check=False)
    assert bare.returncode == 1
    assert bare.stderr.startswith(f"commit {commit[:12]}: expected dvc.lock")

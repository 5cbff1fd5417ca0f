"""Runs from what DVC keeps: a database that was lost comes back, and nothing is made twice."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pipeline.commands import runs as runs_command
from pipeline.commands import track
from pipeline.errors import UserError
from pipeline.repository import outputs, revisions
from pipeline.tracking.client import location
from pipeline.tracking.client.tags import NOTE_TAG
from pipeline.tracking.runs import description, evaluate_run, train_run
from pipeline.tracking.store.store import Store, open_store
from tests.tracking.outputs import PARAMS
from tests.tracking.versioned import Versioned

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two commits with a model each."""
    project = Versioned.new(tmp_path_factory.mktemp("original") / "project")
    project.redo(seed=2)
    project.save("second")
    return project.folder


@pytest.fixture
def versioned(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Versioned:
    """A copy of the project that is the current folder."""
    shutil.copytree(original, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Versioned.at(tmp_path / "project", seed=2)


def run_track(capsys: pytest.CaptureFixture[str], revision: str | None = None, **flags: bool) -> list[str]:
    """Sentences that the command prints, each on one line."""
    chosen = {"all_experiments": False, "relocated": False} | flags
    track.main(setting="softmax", revision=revision, **chosen)
    return capsys.readouterr().out.replace("\n  ", " ").splitlines()


def everything(store: Store, run_id: str) -> dict[str, Any]:
    """What a person can see of a run, but for who made it when."""
    run = store.client.get_run(run_id)
    # The processor is not known afterwards, and a colour is one that no other run has just now.
    own = ("owner", "training", "rebuilt", "rebuilt.time", "mlflow.loggedImages", "mlflow.runColor", "cpu", "cpu.avx2")
    history = {
        key: [(point.step, point.value) for point in store.client.get_metric_history(run_id, key)]
        for key in run.data.metrics
    }
    folder = Path(run.info.artifact_uri)
    tags = run.data.tags | {NOTE_TAG: description.without_page(run.data.tags[NOTE_TAG])}
    return {
        "name": run.info.run_name,
        "params": run.data.params,
        "history": {key: sorted(points) for key, points in history.items()},
        "tags": {key: value for key, value in tags.items() if key not in own and "version." not in key},
        "files": {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()},
        "pictures": len(list((folder / "images").iterdir())),
        "data": [entry.dataset.digest for entry in run.inputs.dataset_inputs],
    }


def test_deleted_database_comes_back_the_same(
    versioned: Versioned, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Params, curves, weights, files, tags and data set of the rebuilt run are those of the run that was mirrored."""
    store = open_store(versioned.folder, "softmax")
    run_id = train_run.Mirrored(store, versioned.outputs.started(1000)).finished(2000)
    evaluate_run.record(store, versioned.outputs.started(3000), 3000)
    before = everything(store, run_id)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///new.db")  # this process still has the old one open
    (line,) = run_track(capsys, "HEAD")
    again = open_store(versioned.folder, "softmax")
    (run,) = again.client.search_runs([again.experiment_id])
    assert line.endswith(f"run {run.info.run_id[:8]} '{run.info.run_name}' rebuilt")
    assert everything(again, run.info.run_id) == before
    committed = int(versioned.run("git", "show", "-s", "--format=%ct")) * 1000
    assert (run.info.start_time, run.data.tags["rebuilt.time"]) == (committed, "of the commit")


def test_range_of_commits_is_rebuilt_once(versioned: Versioned, capsys: pytest.CaptureFixture[str]) -> None:
    """Each commit's model gets a run; the second call finds them all, and so does one for the workspace."""
    versioned.run("git", "commit", "-q", "--allow-empty", "-m", "third, with the model of the second")
    rebuilt = run_track(capsys, "HEAD~2..HEAD") + run_track(capsys, "HEAD~2")
    assert [line.rsplit("' ", 1)[1] for line in rebuilt] == ["rebuilt", "is there", "rebuilt"]
    again = run_track(capsys)
    assert [line.rsplit("' ", 1)[1] for line in again] == ["is there", "is there"]
    store = open_store(versioned.folder, "softmax")
    assert len(store.client.search_runs([store.experiment_id])) == 2


def test_each_data_set_has_its_experiment(versioned: Versioned, capsys: pytest.CaptureFixture[str]) -> None:
    """With `auto` a commit's run goes to the experiment of the data that the commit trains on, and is found there."""
    params = PARAMS | {"prepare": PARAMS["prepare"] | {"source": "data/other.csv.gz"}}
    (versioned.folder / "params.yaml").write_text(json.dumps(params), encoding="utf-8")
    versioned.save("another source")
    track.main(setting="auto", revision="HEAD~2", all_experiments=False, relocated=False)
    track.main(setting="auto", revision="HEAD", all_experiments=False, relocated=False)
    capsys.readouterr()
    client = open_store(versioned.folder, "other").client
    runs_of = {
        each.name: len(client.search_runs([each.experiment_id]))
        for each in client.search_experiments()
        if each.name != "Default"
    }
    assert runs_of == {"toy": 1, "other": 1}
    runs_command.main(experiment="other", names=("HEAD~2", "HEAD"), as_json=True)
    places = [run["link"].split("/")[5] for record in json.loads(capsys.readouterr().out) for run in record["runs"]]
    assert [client.get_experiment(place).name for place in places] == ["toy", "other"]


def test_experiments_are_rebuilt_with_their_names(versioned: Versioned, capsys: pytest.CaptureFixture[str]) -> None:
    """A DVC experiment is a run with its name, its baseline and what it changed."""
    (versioned.folder / "code.py").write_text("step = 2\n", encoding="utf-8")
    versioned.redo(seed=3)
    versioned.run("dvc", "commit", "-q", "-f")
    versioned.run("dvc", "exp", "save", "-n", "ruddy-kaka")
    versioned.run("git", "checkout", "-q", "-f", "HEAD")
    (line,) = run_track(capsys, all_experiments=True)
    assert line.startswith("ruddy-kaka ")
    store = open_store(versioned.folder, "softmax")
    (run,) = store.client.search_runs([store.experiment_id])
    baseline = versioned.run("git", "rev-parse", "HEAD")
    tags = run.data.tags
    assert (tags["dvc.exp"], tags["dvc.rev"], tags["git.dirty"]) == ("ruddy-kaka", baseline, "true")
    assert "+step = 2" in Path(run.info.artifact_uri, "changes.diff").read_text(encoding="utf-8")
    assert "`dvc exp apply ruddy-kaka`" in tags["mlflow.note.content"]


def test_outputs_come_from_the_remote(versioned: Versioned, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A clone without a cache takes the files of a commit from DVC's remote; without a remote it says what to do."""
    versioned.run("dvc", "remote", "add", "-q", "-d", "shared", str(tmp_path / "remote"))
    versioned.run("dvc", "push", "-q", "--all-commits")
    versioned.run("git", "commit", "-qam", "remote")
    shutil.rmtree(versioned.folder / ".dvc" / "cache")
    (line,) = run_track(capsys, "HEAD~1")
    assert line.endswith("rebuilt")
    shutil.rmtree(tmp_path / "remote")
    with pytest.raises(UserError, match=r"HEAD~2: .*: expected it in DVC's cache or remote, got neither"):
        run_track(capsys, "HEAD~2")


def _cache_entry(versioned: Versioned, path: str) -> Path:
    """Where DVC's cache keeps an output of HEAD."""
    head = revisions.find(versioned.folder, "HEAD")
    md5 = (head.recorded_md5(path) if head else None) or ""
    return outputs.cache_folder(versioned.folder) / md5[:2] / md5[2:]


@pytest.mark.parametrize("path", ["models/history.csv", "reports/plots/confusion_matrix.csv", "reports/plots"])
def test_a_damaged_entry_of_the_cache_is_no_run(versioned: Versioned, path: str) -> None:
    """One changed byte in a cached file, or in DVC's listing of a folder, is named, and nothing is made of it."""
    entry = _cache_entry(versioned, path)
    content = entry.read_bytes()
    entry.chmod(0o644)
    entry.write_bytes(content[:-4] + bytes([content[-4] ^ 1]) + content[-3:])
    entry.chmod(0o444)  # as DVC leaves it, and trusts it from then on
    with pytest.raises(UserError, match=re.escape(f"{entry}: expected the bytes that its name is the md5 of")):
        track.main(setting="softmax", revision="HEAD", all_experiments=False, relocated=False)
    store = open_store(versioned.folder, "softmax")
    assert store.client.search_runs([store.experiment_id]) == []


def test_a_damaged_remote_is_no_run(versioned: Versioned, tmp_path: Path) -> None:
    """Where the cache is gone, the remote's bytes are looked at in the same way."""
    entry = _cache_entry(versioned, "models/history.csv").relative_to(versioned.folder / ".dvc" / "cache")
    versioned.run("dvc", "remote", "add", "-q", "-d", "shared", str(tmp_path / "remote"))
    versioned.run("dvc", "push", "-q")
    shutil.rmtree(versioned.folder / ".dvc" / "cache")
    (tmp_path / "remote" / entry).chmod(0o644)
    (tmp_path / "remote" / entry).write_text("epoch,cost\n0,0.1\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"models/history\.csv: expected md5 .* in DVC's remote, got other bytes"):
        track.main(setting="softmax", revision="HEAD", all_experiments=False, relocated=False)


def test_an_edited_workspace_is_no_run(versioned: Versioned, capsys: pytest.CaptureFixture[str]) -> None:
    """What lies there must be what dvc.lock records: a run of the model must not show another history."""
    path = versioned.folder / "models" / "history.csv"
    text = path.read_text(encoding="utf-8")
    path.unlink()  # it may be a link into DVC's cache
    path.write_text(text.replace("1", "2"), encoding="utf-8")
    with pytest.raises(UserError, match=r"workspace: models/history\.csv: expected the file that dvc\.lock records"):
        run_track(capsys, "workspace")


def test_run_without_evaluation_gets_it(versioned: Versioned, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that never saw its metrics has them afterwards, and stays the run that it was."""
    store = open_store(versioned.folder, "softmax")
    run_id = train_run.Mirrored(store, versioned.outputs.started(1000)).finished(2000)
    assert run_track(capsys, "HEAD")[0].endswith("got its evaluation")
    assert store.client.get_run(run_id).data.metrics["eval/log_loss"] == 0.25


def test_key_of_a_revision_is_that_of_its_model(versioned: Versioned) -> None:
    """Workspace and commit name the same model; a commit that git does not know is refused."""
    head, workspace = revisions.find(versioned.folder, "HEAD"), revisions.workspace(versioned.folder)
    assert head is not None
    assert head.model_key == workspace.model_key == versioned.outputs.model.key
    with pytest.raises(UserError, match="nonsense: expected a commit"):
        revisions.resolved(versioned.folder, "nonsense")


def test_moved_project_finds_its_files_again(
    versioned: Versioned, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After --relocate an artifact opens from the new folder, and a second call changes nothing."""
    run_track(capsys, "HEAD")
    moved = versioned.folder.with_name("moved #1")
    versioned.folder.rename(moved)
    monkeypatch.chdir(moved)
    client = MlflowClient(location.sqlite_uri(moved / "mlflow.db"))
    (run,) = client.search_runs(["1"])
    with pytest.raises(MlflowException, match="Failed to download"):
        client.download_artifacts(run.info.run_id, "metrics.json")
    (line,) = run_track(capsys, relocated=True)
    assert line.endswith(f"below {(moved / 'mlartifacts').as_uri()}")
    store = open_store(moved, "softmax")
    text = Path(store.client.download_artifacts(run.info.run_id, "metrics.json")).read_text(encoding="utf-8")
    assert text == (moved / "reports" / "metrics.json").read_text(encoding="utf-8")
    assert run_track(capsys, relocated=True)[0].startswith("0 places")


def test_runs_of_a_revision_are_listed(versioned: Versioned, capsys: pytest.CaptureFixture[str]) -> None:
    """A revision without a run names the command; after it, the run is found with its numbers and a link."""
    runs_command.main(experiment="softmax", names=("HEAD~1",), as_json=False)
    assert capsys.readouterr().out.endswith("no MLflow run; `python -m pipeline track HEAD~1` makes it\n")
    run_track(capsys, "HEAD~1")
    runs_command.main(experiment="softmax", names=("HEAD~1", "HEAD"), as_json=True)
    old, new = json.loads(capsys.readouterr().out)
    (run,) = old["runs"]
    assert run["metrics"]["eval/log_loss"] == 0.25
    assert f"/runs/{run['run_id']}?workflowType=machine_learning" in run["link"]
    assert (old["revision"], new["runs"]) == ("HEAD~1", [])
    shutil.rmtree(versioned.folder / ".dvc" / "cache")
    runs_command.main(experiment="softmax", names=("HEAD~1",), as_json=False)
    assert run["run_id"][:8] in capsys.readouterr().out

"""A run as it is in MLflow after a training: complete, joined to git and DVC, and finished in its own time."""

import csv
import hashlib
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.entities import Run
from PIL import Image

from pipeline import model
from pipeline.tracking.client import run_context
from pipeline.tracking.runs import run_writer, train_run
from pipeline.tracking.runs.outputs import PreparedData
from pipeline.tracking.store import search
from pipeline.tracking.store.store import Store
from tests.tracking.outputs import PARAMS, Project


def trained(store: Store, project: Project, started: int = 1000, ended: int = 4500) -> Run:
    """The run of a short training."""
    run_id = train_run.Mirrored(store, project.started(started)).finished(ended)
    return store.client.get_run(run_id)


@pytest.fixture
def run(store: Store, project: Project, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The run of a short training outside git and DVC."""
    monkeypatch.chdir(project.folder)
    return trained(store, project)


def test_run_has_the_times_and_params_of_the_training(run: Run) -> None:
    """A finished run that lasted as long as the training, with the params that tell it from others."""
    assert (run.info.status, run.info.start_time, run.info.end_time) == ("FINISHED", 1000, 4500)
    assert run.info.run_name == "sgd lr=0.1 epochs=5"
    assert run.data.params == {"train.solver": "sgd", "train.lr": "0.1", "train.epochs": "5"}


def test_run_keeps_all_params_as_a_file(store: Store, project: Project, tmp_path: Path) -> None:
    """params.json has what params.yaml says of prepare and train, without secrets."""
    source = "https://host/toy.csv?token=hidden"
    params = PARAMS | {"prepare": PARAMS["prepare"] | {"source": source, "categories": ["a", source]}}
    run_id = train_run.Mirrored(store, project.started(1000, params)).finished(4500)
    kept = json.loads(
        Path(store.client.download_artifacts(run_id, "params.json", str(tmp_path))).read_text(encoding="utf-8")
    )
    masked = "https://host/toy.csv?token=***"
    assert kept == {
        "prepare": params["prepare"] | {"source": masked, "categories": ["a", masked]},
        "train": PARAMS["train"],
    }
    assert store.client.get_run(run_id).data.params["prepare.categories"] == "2 columns"


def test_run_is_named_by_the_l2_that_was_chosen(store: Store, project: Project) -> None:
    """With `l2: auto` name and metric have the value, once it is known; a name that a person gave stays."""
    params = PARAMS | {"train": PARAMS["train"] | {"l2": "auto"}}
    names = []
    for given in (None, "the good one"):
        mirrored = train_run.Mirrored(store, project.started(1000, params))
        mirrored.epochs([{"epoch": 0, "cost": 1.0}], 1500)
        names.append(store.client.get_run(mirrored.run_id).info.run_name)
        if given:
            store.client.update_run(mirrored.run_id, name=given)
        model.save(project.paths["models"], replace(project.model, result=project.model.result | {"l2": 0.25}))
        run = store.client.get_run(mirrored.finished(4500))
        names.append(run.info.run_name)
        assert run.data.metrics["train/l2"] == 0.25
    begun = "sgd lr=0.1 l2=auto epochs=5"
    assert names == [begun, "sgd lr=0.1 l2=0.25 epochs=5", begun, "the good one"]


def test_run_has_every_cost_by_epoch(store: Store, run: Run) -> None:
    """The history is a curve, the final cost a bar."""
    costs = store.client.get_metric_history(run.info.run_id, "by epoch/cost")
    assert [(cost.step, cost.value) for cost in costs] == [(epoch, 1 / (1 + epoch)) for epoch in range(5)]
    assert run.data.metrics["train/final_cost"] == 0.125


def test_run_is_joined_to_the_files_by_tags(run: Run, project: Project) -> None:
    """Key, MD5 as in dvc.lock, data digest and versions are tags, and none holds a host's secrets."""
    weights = (project.paths["models"] / "softmax.safetensors").read_bytes()
    tags = run.data.tags
    assert tags["model.key"] == project.model.key
    assert tags["model.md5"] == hashlib.md5(weights, usedforsecurity=False).hexdigest()
    assert tags["data.digest"] == project.model.data_digest
    assert {"version.python", "version.torch", "version.mlflow", "version.numpy", "version.dvc"} <= tags.keys()
    assert tags["mlflow.note.content"].startswith("**final cost 0.125000 nats**")


def test_run_has_the_data_set_with_its_digest(run: Run, project: Project) -> None:
    """MLflow's data set is the prepared data, under the first eight characters of its digest."""
    (given,) = run.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("toy", project.model.data_digest[:8])
    assert [(tag.key, tag.value) for tag in given.tags] == [("mlflow.data.context", "train")]
    assert '"num_rows": 3' in given.dataset.profile


def test_a_very_wide_table_has_a_run_like_any_other(store: Store) -> None:
    """MLflow refuses a schema of more than a million characters; the first thousand columns are enough of one."""
    columns = {f"{'столбец ' * 30}{number}": "double" for number in range(20_000)}
    data = PreparedData("data/raw/wide.csv", "0123456789", {"train": 3}, columns)
    run_id = run_writer.create(store, run_writer.Origin(PARAMS, data, run_context.here()), 1000, {})
    (given,) = store.client.get_run(run_id).inputs.dataset_inputs
    assert len(json.loads(given.dataset.schema)["mlflow_colspec"]) == 1000


def test_run_has_the_files_at_its_root(store: Store, run: Run, project: Project) -> None:
    """Model, history and snapshots are the files that train wrote; W, b and DVC's md5s are tables."""
    paths = {info.path for info in store.client.list_artifacts(run.info.run_id) if not info.is_dir}
    names = {"softmax.json", "softmax.safetensors", "history.csv", "snapshots.safetensors"}
    assert paths == names | {"coefficients.csv", "dvc-md5.csv", "params.json"}
    folder = Path(run.info.artifact_uri)
    for name in names:
        assert (folder / name).read_bytes() == (project.paths["models"] / name).read_bytes()
    header, *lines = csv.reader((folder / "coefficients.csv").read_text(encoding="utf-8").splitlines())
    assert header == ["feature", "ant", "bee", "cow"]
    assert [line[0] for line in lines] == [*project.model.features, "bias"]
    assert [float(cell) for cell in lines[0][1:]] == project.model.weights[:, 0].tolist()


def test_run_has_a_heat_map_for_each_snapshot(store: Store, run: Run) -> None:
    """MLflow's step slider has one picture for each snapshot, by number of updates."""
    names = [Path(info.path).name for info in store.client.list_artifacts(run.info.run_id, "images")]
    steps = {int(name.split("+step+")[1].split("+")[0]) for name in names if name.endswith(".png")}
    assert steps == {0, 1, 3, 5}


def test_the_weights_of_the_model_are_a_picture_of_their_own(run: Run) -> None:
    """MLflow shows a picture's first step, so that of the model has one step; its cells are those of the last one."""
    folder = Path(run.info.artifact_uri) / "images"
    (of_model,) = folder.glob("weights~final*.png")
    (in_tile,) = folder.glob("weights~final*+compressed.webp")
    (latest,) = folder.glob("weights~heat map*step+5+*.png")
    assert "+step+0+" in of_model.name
    with Image.open(of_model) as one, Image.open(latest) as other, Image.open(in_tile) as small:
        assert one.size == other.size
        cells = (0, 0, one.width, 100)
        assert one.crop(cells).tobytes() == other.crop(cells).tobytes()
        assert max(small.size) == min(480, max(one.size)) > 256


def test_run_tells_commit_and_dvc_experiment(store: Store, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit, branch, dirty flag and experiment stand in the run, so that each leads to the other."""
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t"]
    for words in (["init", "-q", "-b", "main"], ["add", "params.yaml"], ["commit", "-q", "-m", "start"]):
        subprocess.run([*git, *words], cwd=project.folder, check=True)
    sha = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project.folder, capture_output=True, text=True, check=True)
    (project.folder / "params.yaml").write_text("{}", encoding="utf-8")
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("DVC_EXP_NAME", "ruddy-kaka")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "b" * 40)
    run = trained(store, project)
    tags = run.data.tags
    assert tags["mlflow.source.git.commit"] == sha.stdout.strip()
    assert (tags["mlflow.source.git.branch"], tags["git.dirty"]) == ("main", "true")
    assert (tags["dvc.exp"], tags["dvc.rev"]) == ("ruddy-kaka", "b" * 40)
    assert run.info.run_name.startswith("ruddy-kaka: sgd")


def test_names_that_mlflow_refuses_are_no_obstacle(store: Store, tmp_path: Path) -> None:
    """Features and classes in any script and with any sign are logged under names of their own."""
    project = Project(tmp_path / "project", features=("a<b", "特徴 (¥)"), classes=(1, 2))
    run = trained(store, project)
    expected = {"a b", "特徴 ¥", "island:Biscoe", "island: unseen", "bias"}
    logged = {key.split("/")[2] for key in run.data.metrics if key.startswith("weights/1/")}
    assert logged == {name.replace("¥", "").strip() for name in expected}


def test_long_training_is_visible_while_it_runs(store: Store, project: Project) -> None:
    """The first epochs make a running run with an owner; its end adds what is missing, and nothing twice."""
    mirrored = train_run.Mirrored(store, project.started(1000))
    mirrored.epochs([{"epoch": epoch, "cost": 1 / (1 + epoch), "lr": 0.1} for epoch in (0, 1)], 2000)
    assert mirrored.run_id is not None
    running = store.client.get_run(mirrored.run_id)
    assert (running.info.status, running.data.tags["owner"]) == ("RUNNING", search.owner())
    mirrored.finished(3000)
    costs = store.client.get_metric_history(mirrored.run_id, "by epoch/cost")
    assert sorted((cost.step, cost.value) for cost in costs) == [(epoch, 1 / (1 + epoch)) for epoch in range(5)]
    assert store.client.get_run(mirrored.run_id).info.status == "FINISHED"


def test_stopped_training_leaves_no_run_or_an_ended_one(store: Store, project: Project) -> None:
    """A short training that stops leaves nothing; a long one a run that says how it ended."""
    short = train_run.Mirrored(store, project.started(1000))
    short.stopped("FAILED", 2000)
    assert short.run_id is None
    long = train_run.Mirrored(store, project.started(1000))
    long.epochs([{"epoch": 0, "cost": 1.0}], 2000)
    long.stopped("KILLED", 3000)
    assert long.run_id is not None
    ended = store.client.get_run(long.run_id).info
    assert (ended.status, ended.end_time) == ("KILLED", 3000)

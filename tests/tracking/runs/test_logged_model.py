"""The model of a run in MLflow: one, whole, on one place of the disk, with the metrics of its evaluation."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import LoggedModel, LoggedModelStatus, Run
from mlflow.exceptions import MlflowException

from pipeline.tracking import resend
from pipeline.tracking.client import outbox
from pipeline.tracking.client.tags import DECISION_TAG, NOTE_TAG
from pipeline.tracking.runs import evaluate_run, logged_model, model_folder, train_run
from pipeline.tracking.store.store import Store
from tests.tracking import hostile
from tests.tracking.outputs import PARAMS, Project
from tests.tracking.test_resend import keep

pytestmark = pytest.mark.slow


@pytest.fixture
def model_project(tmp_path: Path) -> Project:
    """A project with a model of every kind of column, and no decision yet."""
    return hostile.write_project(tmp_path / "project", decided=False)


def trained(store: Store, project: Project) -> Run:
    """The run of a short training."""
    return store.client.get_run(train_run.Mirrored(store, project.started(1000)).finished(4500))


def evaluated(store: Store, project: Project, time: int = 6000) -> Run:
    """The model's run after an evaluation."""
    return store.client.get_run(evaluate_run.record(store, project.started(time - 1000), time))


def models(store: Store) -> list[LoggedModel]:
    """All models of the store's experiment, as MLflow's page of models asks for them."""
    return list(store.client.search_logged_models([store.experiment_id]))


def loaded(store: Store, model_id: str) -> Any:
    """The model as a notebook loads it."""
    folder = store.client.get_logged_model(model_id).artifact_location
    return mlflow.pyfunc.load_model(folder)


def test_a_run_has_one_model_that_is_ready(store: Store, project: Project) -> None:
    """It has the run's params, key and data set, and each leads to the other."""
    run = trained(store, project)
    (model,) = models(store)
    assert (model.status, model.source_run_id) == (LoggedModelStatus.READY, run.info.run_id)
    assert (model.name, model.model_type) == (store.experiment, logged_model.TYPE)
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]
    assert model.params == run.data.params
    assert model.tags["model.key"] == project.model.key
    page = f"[model](#/experiments/{store.experiment_id}/models/{model.model_id})"
    assert run.data.tags[NOTE_TAG].endswith(f"; {page}")
    assert page not in model.tags[NOTE_TAG]


def test_metrics_of_the_evaluation_hang_on_model_and_data_set(store: Store, project: Project) -> None:
    """The page of models shows each bar of the run, once, with the digest of the rows; so does an equal repeat."""
    trained(store, project)
    for time in (6000, 7000):
        run = evaluated(store, project, time)
    (model,) = models(store)
    shown = [(metric.key, metric.value, metric.dataset_name, metric.dataset_digest) for metric in model.metrics]
    bars = {key: value for key, value in run.data.metrics.items() if key.startswith(("eval/", "train/"))}
    assert sorted(shown) == [(key, value, "toy", project.model.data_digest[:8]) for key, value in sorted(bars.items())]
    assert model.tags[NOTE_TAG].startswith("**train log loss 0.2500 nats")


def test_a_repeated_training_has_a_model_with_the_metrics_of_its_twin(store: Store, project: Project) -> None:
    """The evaluation that is copied into its run hangs on its model, too."""
    trained(store, project)
    evaluated(store, project)
    run = trained(store, project)
    (model,) = (model for model in models(store) if model.source_run_id == run.info.run_id)
    assert {metric.key: metric.value for metric in model.metrics}["eval/log_loss"] == 0.25


def test_weights_lie_on_the_disk_once(store: Store, project: Project) -> None:
    """The files of the model are those of the run, under a second name; each outlives the other."""
    run = trained(store, project)
    (model,) = models(store)
    for name in ("softmax.json", "softmax.safetensors"):
        one, other = Path(run.info.artifact_uri) / name, Path(model.artifact_location) / "artifacts" / name
        assert one.samefile(other)
        content = one.read_bytes()
        one.unlink()
        assert other.read_bytes() == content == (project.paths["models"] / name).read_bytes()


def test_where_no_file_can_have_two_names_it_is_copied(
    store: Store, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system without links, or a bucket, has the file twice, and the model is whole."""

    def refuse(*_: Any) -> None:
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    run = trained(store, project)
    (model,) = models(store)
    weights = Path(model.artifact_location) / "artifacts" / "softmax.safetensors"
    assert not weights.samefile(Path(run.info.artifact_uri) / weights.name)
    assert weights.read_bytes() == (project.paths["models"] / weights.name).read_bytes()


def test_a_model_holds_no_pickle_and_no_row(store: Store, model_project: Project) -> None:
    """All of it is JSON, safetensors, sources, and lists of packages; loading it leaves it as it is."""
    trained(store, model_project)
    (model,) = models(store)
    folder = Path(model.artifact_location)
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    (code,) = (name for name in names if name.startswith("code/"))
    assert names == {
        *("MLmodel", "softmax_model.py", code, "artifacts/softmax.json", "artifacts/softmax.safetensors"),
        "artifacts/ranges.json",
        *("input_example.json", "serving_input_example.json", "requirements.txt", "python_env.yaml"),
    }
    assert (folder / "requirements.txt").read_text().splitlines() == model_folder.requirements()


def test_the_decision_joins_the_model_when_it_is_evaluated(store: Store, model_project: Project) -> None:
    """The model of the training says nothing of sets and costs; that of the evaluated run does, and is the same one."""
    trained(store, model_project)
    (before,) = models(store)
    assert "decision" not in {column.name for column in loaded(store, before.model_id).metadata.signature.outputs}
    hostile.decide(model_project, 0.5)
    evaluated(store, model_project)
    (after,) = models(store)
    assert after.model_id == before.model_id
    assert DECISION_TAG in after.tags
    names = {column.name for column in loaded(store, after.model_id).metadata.signature.outputs}
    assert {"decision", "set_size", "in_set_row"} <= names
    assert (Path(after.artifact_location) / "artifacts" / "decision.json").is_file()


def test_another_decision_is_another_model(store: Store, model_project: Project) -> None:
    """What was loaded stays what it was; the run leads to the new one, on which all its metrics hang."""
    hostile.decide(model_project, 0.5)
    trained(store, model_project)
    evaluated(store, model_project)
    (before,) = models(store)
    hostile.decide(model_project, 0.25)
    run = evaluated(store, model_project, 8000)
    (after,) = models(store)
    assert after.model_id != before.model_id
    assert after.model_id in run.data.tags[NOTE_TAG]
    assert {metric.key for metric in after.metrics} >= {
        metric.key for metric in before.metrics if "eval/" in metric.key
    }


def test_a_registered_model_stays_as_it_is(
    store: Store, model_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version that somebody serves keeps its files and its predictions when its run is decided otherwise."""
    trained(store, model_project)
    (before,) = models(store)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    mlflow.register_model(f"models:/{before.model_id}", f"served {store.experiment}")
    hostile.decide(model_project, 0.5)
    evaluated(store, model_project)
    assert len(models(store)) == 2
    assert not (Path(before.artifact_location) / "artifacts" / "decision.json").exists()
    assert store.client.get_logged_model(before.model_id).status == LoggedModelStatus.READY


def test_a_decision_of_another_model_is_none(store: Store, model_project: Project, tmp_path: Path) -> None:
    """One that an earlier training left is not taken for one of this."""
    other = Project(tmp_path / "other", encoder=hostile.ENCODER, seed=7)
    hostile.decide(other, 0.5)
    content = (other.paths["models"] / "decision.json").read_bytes()
    (model_project.paths["models"] / "decision.json").write_bytes(content)
    trained(store, model_project)
    (model,) = models(store)
    assert DECISION_TAG not in model.tags


@pytest.mark.slow
@pytest.mark.parametrize("half_written", [False, True])
def test_a_run_that_is_sent_later_has_one_model(store: Store, project: Project, half_written: bool) -> None:
    """Training and evaluation that waited in the outbox, also after a first try that broke off at the model."""
    started = project.started(1000)
    if half_written:
        half = train_run.Mirrored(store, started)
        half.epochs([{"epoch": 0, "cost": 1.0}], 1500)
        store.client.create_logged_model(store.experiment_id, "half", half.run_id)
    keep(project, "train", store, identity=started.identity)
    keep(project, "evaluate", store, started=5000)
    run_id, _ = resend.send(store, project.folder).sent
    (model,) = models(store)
    assert (model.source_run_id, model.status) == (run_id, LoggedModelStatus.READY)
    assert outbox.waiting(project.folder) == []


def test_a_run_of_before_models_gets_one_when_it_is_evaluated(
    store: Store, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier version of this project logged none."""
    with monkeypatch.context() as earlier:
        earlier.setattr(logged_model, "log", lambda *_: None)
        run = trained(store, project)
    assert models(store) == []
    evaluated(store, project)
    (model,) = models(store)
    assert model.source_run_id == run.info.run_id
    assert "eval/log_loss" in {metric.key for metric in model.metrics}


DAMAGE: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("artifacts/softmax.safetensors", lambda content: content[:-1] + b"\x01", "SHA-256 is not the one in softmax.json"),
    ("artifacts/softmax.json", lambda content: content.replace(b"0.125", b"0.126"), "digest"),
    ("artifacts/softmax.json", lambda content: content[:100], "softmax.json"),
    ("code/*.zip", lambda content: content[:-30], "expected the code that its name is the digest of"),
]


@pytest.mark.parametrize(("place", "damaged", "message"), DAMAGE, ids=range(len(DAMAGE)))
def test_a_damaged_model_is_refused_in_a_sentence(
    store: Store, project: Project, place: str, damaged: Callable[[bytes], bytes], message: str
) -> None:
    """A file that was cut short or edited is named, and nothing is predicted."""
    trained(store, project)
    (model,) = models(store)
    (path,) = Path(model.artifact_location).glob(place)
    path.write_bytes(damaged(path.read_bytes()))
    with pytest.raises(MlflowException, match=message):
        mlflow.pyfunc.load_model(model.artifact_location)


def test_code_that_was_edited_is_refused(store: Store, project: Project) -> None:
    """An archive that is whole, but holds other sources than it did."""
    trained(store, project)
    (model,) = models(store)
    (path,) = Path(model.artifact_location).glob("code/*.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{path.stem}/more.py", "step = 1\n")
    with pytest.raises(MlflowException, match="expected the code that its name is the digest of, got other code"):
        mlflow.pyfunc.load_model(model.artifact_location)


NAMES = {
    "toy": "toy",
    "a/b: c.d %\"'": "a b c d",
    "./.": "softmax",
    "images": "softmax images",
    "x" * 300: "x" * 100,
    "집값": "집값",
}


@pytest.mark.parametrize(("experiment", "name"), NAMES.items(), ids=range(len(NAMES)))
def test_a_model_is_named_as_its_experiment(experiment: str, name: str) -> None:
    """Without what MLflow refuses."""
    assert logged_model.name(experiment) == name


def test_secrets_are_no_params_of_a_model(store: Store, project: Project) -> None:
    """Params of the model are those of the run, in which they are masked."""
    params = PARAMS | {"prepare": PARAMS["prepare"] | {"categories": ["https://me:hidden@host/"]}}
    train_run.Mirrored(store, project.started(1000, params)).finished(4500)
    (model,) = models(store)
    assert "hidden" not in json.dumps(model.params)

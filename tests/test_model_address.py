"""A model by the name that a person gives: each kind of name leads to the files that it names, or to one sentence."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pipeline import load
from pipeline.errors import UserError
from pipeline.output_files import METADATA_FILE, WEIGHTS_FILE
from pipeline.repository import revisions
from tests.project import UNTRACKED, Project

pytestmark = pytest.mark.slow

NONE_OF_THESE = "expected the folder of a model, a revision of git"

# Prints the id of a run of no model; version 1 of the registered model has the alias.
_REGISTER = """
from mlflow import MlflowClient
client = MlflowClient("sqlite:///mlflow.db")
(experiment,) = (each for each in client.search_experiments() if each.name != "Default")
(model,) = client.search_logged_models([experiment.experiment_id])
client.create_registered_model("digits")
client.create_model_version("digits", model.model_uri, model_id=model.model_id)
client.set_registered_model_alias("digits", "best", "1")
print(client.create_run(experiment.experiment_id).info.run_id)
"""


@dataclass(frozen=True)
class Named:
    """A project whose commit, run and registered version are of one model, and whose experiment is of another."""

    project: Project
    key: str
    run_id: str
    run_without_model: str


@pytest.fixture(scope="module")
def named(repro: Path, tmp_path_factory: pytest.TempPathFactory) -> Named:
    """The project, with the experiment ``slower`` in its workspace."""
    project = Project.after_repro(tmp_path_factory.mktemp("named") / "project", repro)
    project.pipeline("track")
    empty = project.run("python", "-c", _REGISTER).stdout.split()[-1]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.folder)
        key = load("models").model.key
    runs = [path.parents[1].name for path in (project.folder / "mlartifacts").rglob(f"*/artifacts/{METADATA_FILE}")]
    (run_id,) = {name for name in runs if len(name) == 32}
    project.dvc("exp", "run", "-n", "slower", "-S", "train.epochs=7", **UNTRACKED)
    return Named(project, key, run_id, empty)


@pytest.fixture(autouse=True)
def here(named: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project as the current folder."""
    monkeypatch.chdir(named.project.folder)


def test_a_name_of_each_kind(named: Named) -> None:
    """A commit, a branch, a run, the beginning of its id and an alias lead to one model; an experiment to its own."""
    for name in ("HEAD", "main", named.run_id, named.run_id[:8], "models:/digits@best"):
        assert load(name).model.key == named.key, name
    assert load("slower").model.key == load("workspace").model.key == load("models").model.key != named.key


def test_what_decide_left_comes_with_the_model(named: Named) -> None:
    """From git and DVC, a run, and the registry, as from the folder."""
    rows = np.array([[1.0, 0.5, 3.0, 2.0], [2.0, 1.0, 3.0, 55.0]])
    shown = load("HEAD").predict_proba(rows).tolist()
    for name in (named.run_id, "models:/digits@best"):
        assert load(name).predict_proba(rows).tolist() == shown


def test_from_a_folder_below(named: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project is the one around the present folder; a folder counts from there."""
    monkeypatch.chdir(named.project.folder / "data")
    assert load("HEAD").model.key == load("models:/digits@best").model.key == named.key
    with pytest.raises(UserError, match=f"^models/{METADATA_FILE}: no such file"):
        load("models")


def test_a_folder_goes_before_a_branch_of_its_name(named: Named) -> None:
    """And a path never means a branch."""
    named.project.run("git", "branch", "both")
    assert load("both").model.key == named.key
    shutil.copytree("models", "both")
    assert load("both").model.key == load("slower").model.key
    with pytest.raises(UserError, match=f"main.{METADATA_FILE}: no such file"):
        load(Path("main"))


@pytest.fixture
def without_cache(named: Named) -> Iterator[None]:
    """DVC's cache is away."""
    cache = named.project.folder / ".dvc" / "cache"
    cache.rename(cache.with_name("away"))
    yield
    shutil.rmtree(cache, ignore_errors=True)
    cache.with_name("away").rename(cache)


@pytest.mark.usefixtures("without_cache")
def test_a_lost_cache() -> None:
    """The sentence says what brings the files again."""
    with pytest.raises(UserError, match=r"^HEAD: models/softmax\.json: neither DVC's cache nor a remote has it; `dvc"):
        load("HEAD")


def test_a_damaged_cache(named: Named) -> None:
    """Other bytes under the md5 of the weights are refused."""
    revision = revisions.resolved(named.project.folder, "HEAD")
    md5 = revision.recorded_md5(f"models/{WEIGHTS_FILE}")
    assert md5 is not None
    path = named.project.folder / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(whole[::-1])
    try:
        with pytest.raises(UserError, match="DVC's cache is damaged here"):
            load("HEAD")
    finally:
        path.write_bytes(whole)


def test_a_run_without_a_model(named: Named) -> None:
    """Named by the run."""
    place = f"run {named.run_without_model[:8]}"
    with pytest.raises(UserError, match=f"^{place}.{METADATA_FILE}: no such file"):
        load(named.run_without_model)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("models:/digits@nobody", "'digits' with the alias 'nobody', got none"),
        ("models:/other@best", "registered model 'other'"),
        ("models:/digits'@best", "registered model"),
        ("models:/digits@best\0", "alias 'best.x00', got none"),
        ("models:/digits/1", "expected models:/NAME@ALIAS"),
        ("models:/../x@y", "expected models:/NAME@ALIAS"),
        ("models:/m-0123456789abcdef0123456789abcdef", "expected models:/NAME@ALIAS"),
        ("models:", "expected models:/NAME@ALIAS"),
        ("abcdef12", "one MLflow run, got 0 runs"),
        ("ab%", NONE_OF_THESE),
        ("--help", NONE_OF_THESE),
        ("-rf", NONE_OF_THESE),
        ("--output=hacked", NONE_OF_THESE),
        ("HEAD; touch hacked", NONE_OF_THESE),
        ("$(touch hacked)", NONE_OF_THESE),
        ("HEAD^{tree}", NONE_OF_THESE),
        ("HEAD:models", NONE_OF_THESE),
        ("HEAD~5", NONE_OF_THESE),
        ("file:///etc", NONE_OF_THESE),
        ("a\0b", NONE_OF_THESE),
        ("a\ud800", NONE_OF_THESE),
        ("a\nb", NONE_OF_THESE),
        ("x" * 5000, NONE_OF_THESE),
        ("x" * 500_000, NONE_OF_THESE),
        ("", "softmax.json: no such file"),
        ("..", "softmax.json: no such file"),
    ],
)
def test_a_name_of_nothing(name: str, sentence: str) -> None:
    """One short sentence; no part of a name is an option of git, a pattern, or a command."""
    with pytest.raises(UserError, match=sentence) as caught:
        load(name)
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)
    assert not Path("hacked").exists()


def test_where_there_is_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder is read, everything else is refused, and nothing is made."""
    models = Path("models").absolute()
    monkeypatch.chdir(tmp_path)
    assert load(models).model.key == load(os.fspath(models)).model.key
    for name in ("HEAD", "abcdef12", "models:/digits@best", "workspace"):
        with pytest.raises(UserError):
            load(name)
    assert not list(tmp_path.iterdir())

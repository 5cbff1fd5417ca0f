"""Each finding of `python -m pipeline doctor`, on projects that have it and on one that has none."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.commands.doctor import command
from pipeline.commands.doctor.result import NOTE, OK, PROBLEM, CheckResult
from tests.libraries import not_compiled
from tests.project import SOURCE, UNTRACKED, Project

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A fresh copy of the project, which is the current folder."""
    tutorial = Project(tmp_path / "project")
    (tutorial.folder / "requirements.lock").write_bytes((SOURCE / "requirements.lock").read_bytes())
    monkeypatch.chdir(tutorial.folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tutorial


def _of(project: Project, area: str) -> list[CheckResult]:
    return list(command.CHECKS[area](project.folder))


def test_a_fresh_copy_has_no_problem(project: Project) -> None:
    """Nothing stands in the way on a machine that runs these tests; the document says the same as the lines."""
    report = project.pipeline("doctor", "--json")
    document = json.loads(report.stdout)
    assert document["healthy"] is True
    assert list(dict.fromkeys(finding["area"] for finding in document["findings"])) == list(command.CHECKS)
    assert all(finding["do"] for finding in document["findings"] if finding["state"] != OK)


def test_a_package_of_another_version_is_named(project: Project) -> None:
    """One that decides bytes is a problem, another one is worth a note."""
    (project.folder / "requirements.lock").write_text("torch==1.0.0\nclick==1.0.0\nnot-there==3\n", encoding="utf-8")
    states = {finding.sentence.split()[0]: finding.state for finding in _of(project, "packages")}
    assert states == {"torch": PROBLEM, "click": NOTE, "not-there": NOTE}


def test_arithmetic_that_is_not_compiled_is_worth_a_note(project: Project) -> None:
    """Without the library everything takes longer, and no byte is another."""
    with not_compiled():
        (check,) = _of(project, "arithmetic")
    assert (check.state, "the same bits" in check.sentence) == (NOTE, True)


def test_a_wrong_param_is_a_problem(project: Project) -> None:
    """The sentence is the one that the stage would end with."""
    path = project.folder / "params.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("lr: 0.1", "lr: fast"), encoding="utf-8")
    (check,) = _of(project, "params")
    assert check.state == PROBLEM
    assert "train.lr: expected" in check.sentence


@pytest.mark.parametrize(
    ("right", "wrong", "place"),
    [
        ("folds: 5", "folds: one", "sweep.folds"),
        ("every_s: 30.0", "every_s: -1", "checkpoint.every_s"),
        ("workers: 1", "workers: 0", "workers"),
    ],
)
def test_every_section_is_read(project: Project, right: str, wrong: str, place: str) -> None:
    """Also those that `dvc repro` does not come to until late, or only under torchrun."""
    path = project.folder / "params.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(right, wrong), encoding="utf-8")
    (check,) = _of(project, "params")
    assert check.state == PROBLEM
    assert f"{place}: expected" in check.sentence


def test_a_checkpoint_that_was_left_is_named(project: Project) -> None:
    """It is kept for a training that may never be run again, so a person decides."""
    left = project.folder / ".cache/checkpoints/abc.checkpoint"
    left.parent.mkdir(parents=True)
    left.touch()
    (check,) = _of(project, "leftovers")
    assert (check.state, check.do.split()[-1]) == (NOTE, ".cache/checkpoints/abc.checkpoint")


def _without_git(folder: Path) -> None:
    (folder / ".git").rename(folder.parent / "git-elsewhere")


def _changed(folder: Path) -> None:
    (folder / "dvc.yaml").write_text("stages: {}\n", encoding="utf-8")


@pytest.mark.parametrize(("change", "state"), [(_without_git, PROBLEM), (_changed, NOTE)])
def test_the_state_of_git_is_told(project: Project, change: Callable[[Path], None], state: str) -> None:
    """Without a repository no run leads to code; changed files are named."""
    change(project.folder)
    (check,) = _of(project, "git")
    assert check.state == state
    assert "dvc.yaml" in check.sentence or state == PROBLEM


def test_leftovers_of_a_kill_are_listed(project: Project) -> None:
    """Unfinished and retired outputs, and a workspace of `verify`, are named with the command that removes them."""
    for path in ("data/prepared.old", "models/softmax.json.part", ".cache/verify-abc"):
        (project.folder / path).mkdir(parents=True)
    cures = [finding.do for finding in _of(project, "leftovers")]
    assert [cure.split()[-1] for cure in cures] == [
        "data/prepared.old",
        "models/softmax.json.part",
        ".cache/verify-abc",
    ]


LOCK = (SOURCE / "dvc.lock").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "content", "half"),
    [
        (".dvc/tmp/rwlock", '{"data": {"write": {"pid": 1}}}', '{"data": {"write'),
        ("dvc.lock", LOCK, LOCK[: LOCK.index("- path") + 6]),
        ("dvc.lock", LOCK, "schema: '2"),
        ("dvc.lock", LOCK, ""),
    ],
    ids=["locks", "dvc.lock", "a line of it", "empty"],
)
def test_what_a_kill_cut_short_in_dvc_is_told(project: Project, name: str, content: str, half: str) -> None:
    """DVC writes both in place, refuses to run with a half, and says nothing of what to do."""
    path = project.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content, encoding="utf-8")
    assert [finding.state for finding in _of(project, "leftovers")] == [OK]
    path.write_text(half, encoding="utf-8")
    (check,) = _of(project, "leftovers")
    assert (check.state, check.do.split()[-1]) == (PROBLEM, name)
    assert project.dvc("repro", check=False, **UNTRACKED).returncode == 255


def test_a_remote_is_tried(project: Project) -> None:
    """A folder that is there can be reached; one that is not there yet is made by the first push."""
    (project.folder.parent / "remote").mkdir()
    project.dvc("remote", "add", "-d", "near", "../remote")
    assert [finding.state for finding in _of(project, "dvc remote")] == [OK]
    project.dvc("remote", "modify", "near", "url", "../../nowhere")
    (check,) = _of(project, "dvc remote")
    assert (check.state, check.do) == (NOTE, "dvc push")


def test_a_store_of_another_schema_is_a_problem(project: Project) -> None:
    """A database that MLflow cannot open is told with its address, and what mends it."""
    with sqlite3.connect(project.folder / "mlflow.db") as database:
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        database.execute("INSERT INTO alembic_version VALUES ('451aebb31d03')")
    (check,) = _of(project, "mlflow")
    assert check.state == PROBLEM
    assert "mlflow.db" in check.sentence


def test_a_problem_is_exit_status_one(project: Project) -> None:
    """So that a script can ask before a long training."""
    _without_git(project.folder)
    result = project.pipeline("doctor", check=False)
    assert result.returncode == 1
    assert "problem  git:" in result.stdout

"""Where a run comes from, in repositories of every state."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import files
from pipeline.repository import project
from pipeline.repository.git import Commit, head_commit


def git(folder: Path, *words: str) -> str:
    """Run git, and return what it printed."""
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit of code, lock file and reports."""
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "reports").mkdir()
    for name in ("code.py", "dvc.lock", "reports/metrics.json"):
        (tmp_path / name).write_text("1", encoding="utf-8")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "start")
    return tmp_path


def test_clean_checkout_is_told_with_its_branch(repository: Path) -> None:
    """Commit and branch are those of git, and files that git does not track make nothing dirty."""
    (repository / "new.txt").write_text("1", encoding="utf-8")
    sha = git(repository, "rev-parse", "HEAD")
    assert head_commit(repository) == Commit(sha, "main", dirty=False)


@pytest.mark.parametrize(
    ("changed", "dirty"), [("code.py", True), ("dvc.lock", False), ("reports/metrics.json", False)]
)
def test_dirty_means_code_and_params_not_what_dvc_writes(repository: Path, changed: str, dirty: bool) -> None:
    """A stage always finds what `dvc repro` has just written; only other changes say something about the run."""
    (repository / changed).write_text("2", encoding="utf-8")
    head = head_commit(repository)
    assert head is not None
    assert head.dirty is dirty


def test_staged_changes_are_dirty(repository: Path) -> None:
    """A change that was added but not committed is a difference from the commit."""
    (repository / "code.py").write_text("2", encoding="utf-8")
    git(repository, "add", "code.py")
    head = head_commit(repository)
    assert head is not None
    assert head.dirty


def test_detached_head_has_no_branch(repository: Path) -> None:
    """A checked-out commit, as in a DVC experiment's workspace, is told without a branch."""
    git(repository, "checkout", "-q", "--detach")
    head = head_commit(repository)
    assert head is not None
    assert head.branch is None


def test_repository_without_commits_has_none(tmp_path: Path) -> None:
    """A repository that was just made is no error."""
    git(tmp_path, "init", "-q")
    assert head_commit(tmp_path) is None


def test_folder_without_repository_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project outside git, as `dvc init --no-scm` allows, is no error."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert head_commit(tmp_path) is None


def test_machine_without_git_has_none(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing git command is no error."""
    monkeypatch.setenv("PATH", "")
    assert head_commit(repository) is None


def test_root_is_what_dvc_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a stage the root is the main workspace, wherever the stage runs."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "main"))
    monkeypatch.setenv("DVC_STAGE", "train")
    assert project.project_root() == tmp_path / "main"


def test_a_root_of_dvc_that_a_shell_has_by_itself_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a stage has both variables; a command given by hand works in the project that it is given in."""
    (tmp_path / "params.yaml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "other"))
    monkeypatch.delenv("DVC_STAGE", raising=False)
    assert project.project_root() == tmp_path


@pytest.mark.parametrize("marker", ["params.yaml", ".dvc"])
def test_root_is_found_from_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marker: str) -> None:
    """Outside DVC the root is the nearest folder upwards that looks like the project."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    if marker == ".dvc":
        (tmp_path / marker).mkdir()
    else:
        (tmp_path / marker).touch()
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.chdir(below)
    assert project.project_root() == tmp_path


def test_experiment_is_what_dvc_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name and baseline come from DVC's environment; under plain `dvc repro` there is none."""
    monkeypatch.delenv("DVC_EXP_NAME", raising=False)
    assert project.experiment() is None
    monkeypatch.setenv("DVC_EXP_NAME", "ruddy-kaka")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "abc")
    assert project.experiment() == project.Experiment("ruddy-kaka", "abc")


def test_md5_is_that_of_the_file(tmp_path: Path) -> None:
    """The digest is MD5 of the bytes, as dvc.lock has it."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(100_000))
    assert files.md5_file(path) == hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def test_importing_provenance_loads_no_heavy_library() -> None:
    """Neither MLflow nor DVC nor torch nor numpy is loaded to ask git for a commit."""
    code = (
        "import sys; from pipeline.repository import environment, git, project; "
        "print(sorted({'mlflow', 'dvc', 'torch', 'numpy', 'pandas'} & set(sys.modules)), "
        "environment.installed_versions())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[] {'python': ")

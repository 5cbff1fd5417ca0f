"""What a run starts from: the diff of a dirty commit without secrets, and the md5s that DVC will write."""

import json
import subprocess
from pathlib import Path

import pytest

from pipeline.repository import lockfile
from pipeline.repository.git import CHANGES_LENGTH
from pipeline.tracking.client import run_context
from tests.project import SOURCE


def git(folder: Path, *words: str) -> str:
    """Run git."""
    command = ["git", "-c", "user.name=t", "-c", "user.email=t@t", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with code, settings of DVC, and a file that is tracked though ignored; all are changed."""
    (tmp_path / ".dvc").mkdir()
    for name in ("code.py", ".dvc/config", "secret.txt", "dvc.lock"):
        (tmp_path / name).write_text("old\n", encoding="utf-8")
    (tmp_path / ".gitignore").write_text("secret.txt\n", encoding="utf-8")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "-Af", ".")
    git(tmp_path, "commit", "-q", "-m", "start")
    for name in ("code.py", ".dvc/config", "secret.txt", "dvc.lock", "untracked.txt"):
        (tmp_path / name).write_text(f"new {name}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_changes_are_those_of_tracked_files_without_secrets(repository: Path) -> None:
    """Of all that changed only the code is shown, in a form that git applies to the commit."""
    text = run_context.here().changes
    assert [line for line in text.splitlines() if line[0] in "+-"] == [
        "--- a/code.py",
        "+++ b/code.py",
        "-old",
        "+new code.py",
    ]
    git(repository, "checkout", "-q", "code.py")
    (repository / "run.diff").write_text(text, encoding="utf-8")
    git(repository, "apply", "run.diff")
    assert (repository / "code.py").read_text(encoding="utf-8") == "new code.py\n"


def test_large_changes_are_cut(repository: Path) -> None:
    """A diff of megabytes ends with a line that says how long it was."""
    (repository / "code.py").write_text("x" * 2_000_000, encoding="utf-8")
    text = run_context.here().changes
    assert len(text) < CHANGES_LENGTH + 100
    assert text.splitlines()[-1].startswith("... cut here, of 2,000,")


@pytest.mark.usefixtures("repository")
def test_circumstances_survive_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes through a pipe or a file comes back equal."""
    monkeypatch.setenv("DVC_EXP_NAME", "ruddy-kaka")
    here = run_context.here()
    assert here.commit is not None
    assert here.commit.dirty
    assert run_context.RunContext.from_json(json.loads(json.dumps(here.to_json()))) == here


@pytest.mark.parametrize("prepared", [False, True], ids=["no repository", "no commit"])
def test_without_commits_nothing_is_known_and_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepared: bool
) -> None:
    """Outside git, and before the first commit, there are no commit and no changes."""
    if prepared:
        git(tmp_path, "init", "-q")
    monkeypatch.chdir(tmp_path)
    here = run_context.here()
    assert (here.commit, here.changes, here.inputs) == (None, "", {})


def test_without_git_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the program git has no commits either."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run_context.here().commit is None


def test_inputs_are_what_dvc_writes_afterwards() -> None:
    """The project's own dvc.lock has the same md5 of every file, and of every folder that of its files' listing."""
    locked = lockfile.parse((SOURCE / "dvc.lock").read_text(encoding="utf-8"), "dvc.lock")
    inputs = lockfile.inputs(SOURCE, "train")
    assert inputs["data/prepared"] == locked.written()["data/prepared"]
    for path, md5 in locked.read_by("train").items():
        below = {name.removeprefix(f"{path}/"): inputs[name] for name in inputs if name.startswith(f"{path}/")}
        assert inputs.get(path, lockfile.listing_md5(below)) == md5, path
    files = [path for path in inputs if path != "data/prepared"]
    assert "pipeline/train/stage.py" in files
    assert all((SOURCE / path).is_file() for path in files)

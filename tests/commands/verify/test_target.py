"""Names of commits, experiments and runs, in repositories of every state."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.commands.verify import target
from pipeline.errors import UserError
from pipeline.tracking.client.query import StoreProcess
from pipeline.tracking.client.tags import COMMIT_TAG, DIRTY_TAG, KEY_TAG, WEIGHTS_TAG
from tests.repository.test_git import git


class _OneRun(StoreProcess):
    """A store that has one run, for whoever asks."""

    def __init__(self, project: Path, run: dict[str, Any]) -> None:
        super().__init__(project, "softmax")
        self._run = run

    def run(self, run_id: str) -> dict[str, Any]:
        """That run."""
        assert self._run["id"].startswith(run_id)
        return self._run


def _find(project: Path, name: str, run: dict[str, Any] | None = None) -> target.Target:
    """What a name means, where the store has this run or where there is none."""
    with _OneRun(project, run) if run else StoreProcess(project, "softmax") as store:
        return target.find(project, name, store)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, and no MLflow store."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    git(tmp_path, "init", "-q", "-b", "main")
    for name in ("code.py", "params.yaml", "dvc.lock"):
        (tmp_path / name).write_text("1\n", encoding="utf-8")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "start")
    return tmp_path


def test_branch_tag_and_short_id_name_a_commit(repository: Path) -> None:
    """Every name that git knows will do."""
    sha = git(repository, "rev-parse", "HEAD")
    git(repository, "tag", "v1")
    for name in ("HEAD", "main", "v1", sha, sha[:8]):
        assert _find(repository, name) == target.Target(sha, name)


def test_head_with_changes_is_refused_with_their_list(repository: Path) -> None:
    """What is not committed cannot be verified; untracked files do not count, and the commit by its id will do."""
    (repository / "untracked.txt").write_text("1", encoding="utf-8")
    _find(repository, "HEAD")
    (repository / "code.py").write_text("2\n", encoding="utf-8")
    (repository / "dvc.lock").unlink()
    with pytest.raises(UserError, match=r"got changes in:\n  code\.py\n  dvc\.lock\n"):
        _find(repository, "HEAD")
    assert _find(repository, git(repository, "rev-parse", "HEAD"))


def test_an_experiment_is_found_by_its_name(repository: Path) -> None:
    """DVC keeps an experiment as refs/exps/<baseline>/<name>; a name that two of them share is refused."""
    sha = git(repository, "rev-parse", "HEAD")
    git(repository, "update-ref", f"refs/exps/{sha[:2]}/{sha[2:]}/wary-moth", sha)
    assert _find(repository, "wary-moth").commit == sha
    git(repository, "commit", "-q", "--allow-empty", "-m", "other")
    other = "00" if sha[:2] != "00" else "01"
    git(repository, "update-ref", f"refs/exps/{other}/{sha[2:]}/wary-moth", "HEAD")
    with pytest.raises(UserError, match="expected one DVC experiment, got several"):
        _find(repository, "wary-moth")


@pytest.mark.parametrize("name", ["no-such-branch", "--all", "HEAD~9", "2421cea7"])
def test_a_name_that_nothing_has_is_refused(repository: Path, name: str) -> None:
    """The sentence says what a name may be."""
    with pytest.raises(UserError, match=r"expected a revision of git, a DVC experiment.* run, got a name"):
        _find(repository, name)


def _lock(repository: Path, text: str) -> str:
    """Commit this dvc.lock; returns the commit's id."""
    (repository / "dvc.lock").write_text(f"{text}\n", encoding="utf-8")
    git(repository, "commit", "-q", "-a", "-m", text)
    return git(repository, "rev-parse", "HEAD")


def test_a_run_leads_to_the_commit_that_it_was_trained_at(repository: Path) -> None:
    """Not to an older one that brought the same weights; of a run with changes, to the commit that came of them."""
    old, other, new = (_lock(repository, text) for text in ("md5: aa, old", "md5: aa, other", "md5: aa, new"))
    run: dict[str, Any] = {"id": "e" * 32, "status": "FINISHED", "metrics_md5": None}
    tags = {WEIGHTS_TAG: "aa", KEY_TAG: "k", COMMIT_TAG: other}

    def commit_of(dirty: str, started: str) -> str:
        run["tags"] = tags | {DIRTY_TAG: dirty, COMMIT_TAG: started}
        return _find(repository, "eeeeee", run).commit

    assert commit_of("false", other) == other
    assert commit_of("true", other) == new
    assert commit_of("true", new) == new
    assert commit_of("true", "0" * 40) == old


def test_a_run_leads_to_the_commit_with_its_evaluation(repository: Path) -> None:
    """Of commits that hold one model, evaluated with other params; without any that has its metrics, as if it had none.

    An evaluation of a commit that the run does not descend from is found, too.
    """
    start = git(repository, "rev-parse", "HEAD")
    first, second, third = (_lock(repository, f"md5: aa, md5: {name}") for name in ("m1", "m2", "m3"))
    git(repository, "checkout", "-q", "-b", "aside", start)
    aside = _lock(repository, "md5: aa, md5: m4")
    _lock(repository, "md5: bb, md5: m5")
    run: dict[str, Any] = {"id": "e" * 32, "status": "FINISHED"}
    run["tags"] = {WEIGHTS_TAG: "aa", KEY_TAG: "k", COMMIT_TAG: start, DIRTY_TAG: "true"}
    expected = {"m1": first, "m2": second, "m3": third, "m4": aside, "m5": first, None: first}
    for md5, commit in expected.items():
        run["metrics_md5"] = md5
        assert _find(repository, "eeeeee", run).commit == commit, md5


def test_no_repository_and_no_commit_are_told_apart(tmp_path: Path) -> None:
    """Each says what to do."""
    with pytest.raises(UserError, match="`git init`"):
        _find(tmp_path, "HEAD")
    git(tmp_path, "init", "-q")
    with pytest.raises(UserError, match="commit first"):
        _find(tmp_path, "HEAD")

"""The commit to verify, by a name of git, by a DVC experiment, or by an MLflow run."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import UserError, listed, shortened
from pipeline.repository import git, revisions
from pipeline.tracking.client.query import RUN_ID, StoreProcess
from pipeline.tracking.client.tags import COMMIT_TAG, DIRTY_TAG, EXPERIMENT_TAG, KEY_TAG, WEIGHTS_TAG

_HEAD = ("HEAD", "@")
_FEW = 20  # changed files that are told


@dataclass(frozen=True)
class Target:
    """A commit to verify, the name on the command line, and of an MLflow run its id and tags."""

    commit: str
    name: str
    run_id: str | None = None
    tags: dict[str, str] = field(default_factory=dict)


def find(project: Path, text: str, store: StoreProcess) -> Target:
    """The commit behind ``text``: a revision of git, else a DVC experiment, else an MLflow run's id or its start.

    Raises: UserError outside a repository, for a repository without commits, for a name that nothing has, for HEAD
    while tracked files differ from it, and for a run whose outputs no commit recorded.
    """
    _refuse_no_commits(project)
    revision = revisions.find(project, text)
    if revision is None or revision.sha is None:
        return _of_run(project, text, store)
    if text in _HEAD:
        _refuse_changes(project)
    return Target(revision.sha, text)


def _refuse_no_commits(project: Path) -> None:
    if git.stdout(project, "rev-parse", "--git-dir") is None:
        raise UserError(
            f"{project}: expected a git repository, whose commits say what was run, got a folder without one; "
            "`git init`, commit, then `dvc repro`"
        )
    if revisions.find(project, "HEAD") is None:
        raise UserError(f"{project}: expected a commit to verify, got a repository without any; commit first")


def _refuse_changes(project: Path) -> None:
    changed = git.changed_files(project)
    if changed:
        raise UserError(
            "verify HEAD: expected tracked files as they were committed, got changes in:\n  "
            + listed(changed, _FEW, shortened, "\n  ")
            + "\n  commit them, or verify the commit as it is: `python -m pipeline verify $(git rev-parse HEAD)`"
        )


def _of_run(project: Path, text: str, store: StoreProcess) -> Target:
    if not RUN_ID.fullmatch(text):
        raise UserError(
            f"verify {shortened(text)}: expected a revision of git, a DVC experiment (`dvc exp show`) or the id of "
            "an MLflow run, got a name that none of them has"
        )
    run = store.run(text)
    tags: dict[str, str] = run["tags"]
    if WEIGHTS_TAG not in tags or KEY_TAG not in tags:
        raise UserError(f"MLflow run {text}: expected a run with a trained model, got one that is {run['status']}")
    return Target(_commit_of(project, text, tags, run["metrics_md5"]), f"MLflow run {text}", run["id"], tags)


def _commit_of(project: Path, text: str, tags: dict[str, str], metrics_md5: str | None) -> str:
    """The commit whose dvc.lock records the run's model and its evaluation, else the model, else its clean origin.

    A person trains, then commits: the commit that the run names is mostly the one before the one that holds it. The
    same weights may stand in older commits too, beside another model.key: those come last. A model that was evaluated
    again, with other params, stands in several commits; the run has the metrics of one of them.
    """
    started = tags.get(COMMIT_TAG, "")
    clean = bool(started) and tags.get(DIRTY_TAG) == "false"
    with_model = None
    for sha in _candidates(project, started, clean, tags, metrics_md5):
        if not revisions.locks(project, sha, tags[WEIGHTS_TAG]):
            continue
        if metrics_md5 is None or revisions.locks(project, sha, metrics_md5):
            return sha
        with_model = with_model or sha
    if with_model:
        return with_model
    if clean and revisions.find(project, started):
        return started
    raise UserError(
        f"MLflow run {text}: expected a commit that holds what it was trained from, got changes to "
        f"{started[:12] or 'no commit'} that were never committed: no dvc.lock of any commit records its model "
        f"(md5 {tags[WEIGHTS_TAG]}); set its params, `dvc repro`, commit, and verify that commit"
    )


def _candidates(
    project: Path, started: str, clean: bool, tags: dict[str, str], metrics_md5: str | None
) -> Iterator[str]:
    """Commits that may hold the model, the likelier and the quicker to find first; one may come twice."""
    name = tags.get(EXPERIMENT_TAG)
    yield from (str(revision.sha) for revision in revisions.experiments(project) if name and revision.name == name)
    if started:
        yield from [started] if clean else []
        yield from revisions.later_commits(project, started)
        yield started
    yield from revisions.commits_that_lock(project, tags[WEIGHTS_TAG])
    yield from revisions.commits_that_lock(project, metrics_md5) if metrics_md5 else []

"""Rebuilds the run of a revision from what DVC keeps of it, so that MLflow's database can be lost."""

import contextlib
import tempfile
from pathlib import Path, PurePosixPath

from mlflow.entities import Run

from pipeline import files
from pipeline.errors import UserError, shortened
from pipeline.output_files import (
    DECISION_FILE,
    METADATA_FILE,
    METRICS_FILE,
    PLOTS_FOLDER,
    REPORT_FILE,
    SLICES_FILE,
)
from pipeline.repository import environment, git, lockfile
from pipeline.repository.git import Commit
from pipeline.repository.revisions import Revision, commits_that_lock
from pipeline.tracking.client import outbox, run_context
from pipeline.tracking.client.run_context import RunContext
from pipeline.tracking.runs import evaluate_run, infer_run, outputs, run_writer
from pipeline.tracking.store import search
from pipeline.tracking.store.store import Store


class _MissingError(UserError):
    """A file that is nowhere; one that is damaged is no such case."""


def ensure(store: Store, revision: Revision) -> tuple[Run, str]:
    """Find the complete run of the revision's model, or make it; and give it the evaluation if it has none.

    Returns: the run, and what was done, in a few words.
    Raises: UserError if the revision has no model, or its files are in no cache and no remote.
    """
    if revision.lock.out_ending(METADATA_FILE) is None:
        raise UserError(f"{revision.name}: expected a model in its dvc.lock, got none; `dvc repro` makes one")
    key = revision.model_key
    run = search.find(store, key, revision.experiment) if key else None
    if run and not run_writer.is_complete(run):
        run = None
    if run and run_writer.is_evaluated(run):
        return run, "is there"
    with tempfile.TemporaryDirectory() as folder:
        return _rebuilt(store, revision, run, _fetched(revision, Path(folder)))


def _rebuilt(store: Store, revision: Revision, run: Run | None, paths: dict[str, Path]) -> tuple[Run, str]:
    training = outputs.read_training(paths["models"])
    data = outputs.read_data(paths["prepared"], revision.params)
    origin = run_writer.Origin(revision.params, data, _context(revision, training.model_md5))
    time, meaning = _time(revision, origin.context)
    done = "got its evaluation" if run else "rebuilt"
    run = run or evaluate_run.rebuilt(store, origin, training, time, meaning)
    if "reports" in paths:
        evaluate_run.add_reports(store, run, origin, training, paths["reports"], time)
        page = paths["reports"] / REPORT_FILE
        if page.is_file():
            run_writer.add_files(store, run.info.run_id, [page])
        if "inference" in paths:
            infer_run.add_tables(store, run.info.run_id, paths["inference"])
    elif done != "rebuilt":
        done = "is there, without an evaluation"
    return store.client.get_run(run.info.run_id), done


def _fetched(revision: Revision, target: Path) -> dict[str, Path]:
    """Copy what a run is made of into ``target``; returns the folders by name, reports only if they are whole."""
    folders = _folders(revision.lock)
    for name in ("prepared", "models"):
        for file in outbox.NEEDED[name]:
            _fetch(revision, folders[name], file, target / name)
    paths = {name: target / name for name in ("prepared", "models")}
    try:
        _fetch(revision, folders["reports"], METRICS_FILE, target / "reports")
        for file in revision.listing(f"{folders['reports']}/{PLOTS_FOLDER}"):
            _fetch(revision, folders["reports"], f"{PLOTS_FOLDER}/{file}", target / "reports")
    except (_MissingError, KeyError):
        return paths
    paths["reports"] = target / "reports"
    # Commits of before these files have none.
    for name, file in (("models", DECISION_FILE), ("reports", SLICES_FILE), ("reports", REPORT_FILE)):
        with contextlib.suppress(_MissingError):
            _fetch(revision, folders[name], file, target / name)
    with contextlib.suppress(_MissingError, KeyError):  # commits of before the stage infer have none
        for file in outbox.INFERENCE_FILES:
            _fetch(revision, folders["reports"], file, target / "inference")
        paths["inference"] = target / "inference"
    return paths


def _folders(locked: lockfile.Lock) -> dict[str, str]:
    """The folders of the stages' files, from dvc.lock; the only out of prepare is one."""
    folders = {"prepared": next(iter(locked.written_by("prepare")), "")}
    for name, file in (("models", METADATA_FILE), ("reports", METRICS_FILE)):
        if path := locked.out_ending(file):
            folders[name] = PurePosixPath(path).parent.as_posix()
    return folders


def _fetch(revision: Revision, folder: str, file: str, target: Path) -> None:
    content = revision.out(f"{folder}/{file}")
    if content is None:
        raise _MissingError(
            f"{revision.name}: {shortened(f'{folder}/{file}')}: expected it in DVC's cache or remote, got neither; "
            "`dvc fetch --all-commits` or a `dvc repro` of that commit brings it"
        )
    if revision.sha is None and revision.recorded_md5(f"{folder}/{file}") not in (None, files.md5_bytes(content)):
        raise UserError(
            f"{revision.name}: {shortened(f'{folder}/{file}')}: expected the file that dvc.lock records, got another; "
            "`dvc checkout` brings the recorded one back, `dvc repro` makes a new one"
        )
    (target / file).parent.mkdir(parents=True, exist_ok=True)
    (target / file).write_bytes(content)


def _context(revision: Revision, model_md5: str) -> RunContext:
    """The context of the training as far as it is known now; the commit is the first one that had the model."""
    inputs = revision.read_by("train")
    root = revision.root
    if revision.sha is None:
        commit = git.head_commit(root)
        changes = git.diff(root, "HEAD") if commit and commit.dirty else ""
        return RunContext(run_context.user(), environment.installed_versions(), commit, changes, None, inputs)
    # What was installed then is not known any more.
    versions = {name: revision.pinned[name] for name in environment.PACKAGES if name in revision.pinned}
    if revision.experiment and revision.experiment.baseline:
        baseline = revision.experiment.baseline
        changes = git.diff(root, baseline, revision.sha)
        commit = Commit(baseline, None, dirty=bool(changes))
        return RunContext(run_context.user(), versions, commit, changes, revision.experiment, inputs)
    sha = next(reversed(commits_that_lock(root, model_md5, revision.sha)), revision.sha)
    return RunContext(run_context.user(), versions, Commit(sha, _branch_with(root, sha), False), inputs=inputs)


def _time(revision: Revision, known: RunContext) -> tuple[int, str]:
    """The best that is known of when it was trained, in ms since 1970, and what that is."""
    if revision.sha is None:
        return revision.time, "of the model file"
    if revision.experiment is None and known.commit:
        revision = Revision(revision.root, revision.name, known.commit.sha)
    return revision.time, "of the commit"


def _branch_with(root: Path, sha: str) -> str | None:
    """The checked-out branch, if the commit is part of it."""
    if git.stdout(root, "merge-base", "--is-ancestor", sha, "HEAD") is None:
        return None
    return (git.stdout(root, "branch", "--show-current") or "").strip() or None

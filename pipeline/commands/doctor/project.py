"""Checks of the project: git, params.yaml, leftovers, queue, DVC remote, MLflow store."""

import shlex
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pipeline import credentials, params
from pipeline.commands import launch
from pipeline.commands.doctor import queue_tasks
from pipeline.commands.doctor.result import NOTE, OK, PROBLEM, CheckResult
from pipeline.commands.verify import checkout
from pipeline.documents import json_documents
from pipeline.errors import UserError, listed
from pipeline.output_files import MODELS_FOLDER, PREPARED_FOLDER, REPORTS_FOLDER
from pipeline.params import PARAMS_FILE, Section
from pipeline.repository import git, lockfile, revisions
from pipeline.tracking.client import experiment
from pipeline.tracking.client.query import StoreProcess

_REMOTE_SECONDS = 20.0

# DVC's list of who reads and writes what.
_DVC_LOCKS = ".dvc/tmp/rwlock"


def check_clean_commit(root: Path) -> Iterator[CheckResult]:
    if git.stdout(root, "rev-parse", "--git-dir") is None:
        yield CheckResult("git", PROBLEM, f"{root} is in no repository: runs name no commit", "git init, then commit")
        return
    head = revisions.find(root, "HEAD")
    if head is None:
        yield CheckResult("git", PROBLEM, "no commit yet: runs name no commit", "git commit")
        return
    changed = git.changed_files(root)
    if changed:
        sentence = f"{len(changed)} tracked files differ from commit {str(head.sha)[:12]}: {listed(changed)}"
        yield CheckResult("git", NOTE, sentence, "commit them, so that a run leads to what made it")
    else:
        yield CheckResult("git", OK, f"commit {str(head.sha)[:12]}, nothing changed")


def check_params(root: Path) -> Iterator[CheckResult]:
    from pipeline.commands.params_file import ParamsFile

    path = root / PARAMS_FILE
    readers: dict[str, Callable[[], object]] = {
        name: partial(params.load, path, name, field.annotation)
        for name, field in ParamsFile.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }
    readers["workers"] = partial(launch.worker_count, path)
    errors = []
    for read in readers.values():
        try:
            read()
        except UserError as error:
            errors.append(error)
            yield CheckResult("params", PROBLEM, str(error), "mend that line of params.yaml")
    if not errors:
        yield CheckResult("params", OK, f"params.yaml: {', '.join(readers)} can be read")


def check_leftovers_of_kills(root: Path) -> Iterator[CheckResult]:
    paths = []
    # Unfinished and retired outputs, checkouts of `verify`, half a database.
    for folder in (PREPARED_FOLDER.parent, MODELS_FOLDER, REPORTS_FOLDER):
        for pattern in ("*.part", "*.old"):
            paths += sorted((root / folder).rglob(pattern))
    paths += sorted(root.glob("*.part"))
    paths += sorted((root / ".cache").glob(f"{checkout.PREFIX}*"))
    for path in paths:
        relative = path.relative_to(root)
        cure = f"if nothing runs now: rm -r {relative}"
        yield CheckResult("leftovers", NOTE, f"{relative}, of a run that was ended", cure)
    # Checkpoints, which are of use.
    checkpoints = sorted((root / ".cache" / "checkpoints").glob("*"))
    for path in checkpoints:
        relative = path.relative_to(root)
        sentence = f"{relative}, from which the training that left it goes on, if it is run again as it was"
        yield CheckResult("leftovers", NOTE, sentence, f"`dvc repro`; or, if nothing runs now: rm {relative}")
    # Files that DVC writes in place.
    damaged = []
    for name, is_complete, cure in (
        (_DVC_LOCKS, _is_json, f"if nothing runs now: rm {_DVC_LOCKS}"),
        (lockfile.LOCK_FILE, _is_lock_file, f"git checkout {lockfile.LOCK_FILE}"),
    ):
        if (root / name).exists() and not is_complete(root / name):
            damaged.append(name)
            sentence = f"{name} ends in its middle, as if DVC was killed while it wrote it; it refuses to run"
            yield CheckResult("leftovers", PROBLEM, sentence, cure)
    if not (paths or checkpoints or damaged):
        yield CheckResult("leftovers", OK, "none")


def check_queue(root: Path) -> Iterator[CheckResult]:
    from dvc.exceptions import DvcException

    try:
        tasks = list(queue_tasks.lost(root))
    except DvcException as error:
        yield CheckResult("dvc queue", PROBLEM, f"DVC cannot read its queue: {error}", "dvc queue status")
        return
    for task in tasks:
        name = shlex.quote(task.name)
        cure = f"dvc queue kill {name} && dvc queue remove {name}; then queue it again"
        if task.folder:
            cure += f", and rm -r {shlex.quote(str(task.folder.relative_to(root)))}"
        yield CheckResult("dvc queue", NOTE, f"task {task.name} counts as running, but its process is gone", cure)
    if not tasks:
        yield CheckResult("dvc queue", OK, "no task that counts as running without a process")


def _is_json(path: Path) -> bool:
    try:
        json_documents.decoded(path.read_bytes())
    except ValueError:
        return False
    return True


def _is_lock_file(path: Path) -> bool:
    """Whether DVC takes it."""
    from dvc.exceptions import DvcException
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from dvc.utils import strictyaml

    try:
        strictyaml.load(str(path), COMPILED_LOCKFILE_SCHEMA)
    except DvcException:
        return False
    return True


def check_remote(root: Path) -> Iterator[CheckResult]:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    if not (root / ".dvc").is_dir():
        yield CheckResult("dvc remote", PROBLEM, f"{root} has no .dvc folder", "dvc init")
        return
    try:
        repository: Any = Repo(str(root))
    except DvcException as error:
        yield CheckResult("dvc remote", PROBLEM, f"DVC cannot open the project: {error}", "git init, or dvc doctor")
        return
    with repository:
        name = repository.config["core"].get("remote")
        if name:
            yield _answer_of_remote(str(name), repository)
        else:
            sentence = "no remote: what is in DVC's cache is on this disk alone"
            yield CheckResult("dvc remote", NOTE, sentence, "dvc remote add -d NAME ADDRESS, then dvc push")


def _answer_of_remote(name: str, repository: Any) -> CheckResult:
    """Ask a remote in a thread that no one waits for: its own library may wait for minutes."""
    answers: list[str | bool] = []

    def ask() -> None:
        try:
            remote = repository.cloud.get_remote()
            answers.append(bool(remote.fs.exists(remote.path)))
        except Exception as error:  # whatever the library of this kind of remote raises
            answers.append(credentials.masked(" ".join(str(error).split())) or type(error).__name__)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_REMOTE_SECONDS)
    match answers[:1]:
        case [True]:
            return CheckResult("dvc remote", OK, f"{name} can be reached")
        case [False]:
            return CheckResult("dvc remote", NOTE, f"{name} has no such folder yet", "dvc push")
        case [reason]:
            cure = "dvc remote list; mend its address"
            return CheckResult("dvc remote", PROBLEM, f"{name} cannot be used: {reason}", cure)
        case _:
            text = f"{name} gave no answer within {_REMOTE_SECONDS:g} s"
            return CheckResult("dvc remote", PROBLEM, text, "is the network there? `dvc remote list` shows the address")


def check_store(root: Path) -> Iterator[CheckResult]:
    try:
        name = experiment.of_project(root / PARAMS_FILE)
        with StoreProcess(root, name) as store:
            state = store.state()
    except UserError as error:
        cures = {"out-of-date": "mlflow db upgrade URI", "another process holds": "close it there, and look again"}
        cure = next(
            (cure for sign, cure in cures.items() if sign in str(error)), "mend the store or MLFLOW_TRACKING_URI"
        )
        yield CheckResult("mlflow", PROBLEM, str(error), cure)
        return
    if not state:
        yield CheckResult("mlflow", OK, "no store yet: the first `dvc repro` makes it")
        return
    yield CheckResult("mlflow", OK, f"{state['uri']} opens, {state['runs']} runs, schema of this MLflow")
    for run_id in state["abandoned"]:
        sentence = f"run {run_id[:8]} is RUNNING, but its process is gone"
        yield CheckResult("mlflow", NOTE, sentence, "the next training marks it as KILLED")

"""Checks of the project: git, params.yaml, leftovers, queue, DVC remote, MLflow store."""

import json
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
from pipeline.errors import UserError, listed
from pipeline.output_files import MODELS_FOLDER, PREPARED_FOLDER, REPORTS_FOLDER
from pipeline.params import PARAMS_FILE, Section
from pipeline.repository import git, lockfile, revisions
from pipeline.tracking.client.params import TrackingParams
from pipeline.tracking.client.query import StoreProcess

_REMOTE_SECONDS = 20.0

_MEND_STORE = "mend the store or MLFLOW_TRACKING_URI"

# Who reads and writes what. DVC writes it in place, and dvc.lock, too.
_DVC_LOCKS = ".dvc/tmp/rwlock"


def git_state(root: Path) -> Iterator[CheckResult]:
    if git.stdout(root, "rev-parse", "--git-dir") is None:
        yield CheckResult("git", PROBLEM, f"{root} is in no repository: runs name no commit", "git init, then commit")
        return
    head = revisions.find(root, "HEAD")
    if head is None:
        yield CheckResult("git", PROBLEM, "no commit yet: runs name no commit", "git commit")
        return
    changed = git.changed_files(root)
    if changed:
        said = f"{len(changed)} tracked files differ from commit {str(head.sha)[:12]}: {listed(changed)}"
        yield CheckResult("git", NOTE, said, "commit them, so that a run leads to what made it")
    else:
        yield CheckResult("git", OK, f"commit {str(head.sha)[:12]}, nothing changed")


def params_file(root: Path) -> Iterator[CheckResult]:
    from pipeline.commands.params_file import ParamsFile

    path = root / PARAMS_FILE
    readers: dict[str, Callable[[], object]] = {
        name: partial(params.load, path, name, field.annotation)
        for name, field in ParamsFile.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }
    readers["workers"] = partial(launch.worker_count, path)
    wrong = False
    for read in readers.values():
        try:
            read()
        except UserError as error:
            wrong = True
            yield CheckResult("params", PROBLEM, str(error), "mend that line of params.yaml")
    if not wrong:
        yield CheckResult("params", OK, f"params.yaml: {', '.join(readers)} can be read")


def leftovers(root: Path) -> Iterator[CheckResult]:
    found = list(_left(root))
    for path in found:
        relative = path.relative_to(root)
        yield CheckResult(
            "leftovers", NOTE, f"{relative}, of a run that was ended", f"if nothing runs now: rm -r {relative}"
        )
    for path in sorted((root / ".cache" / "checkpoints").glob("*")):
        relative = path.relative_to(root)
        said = f"{relative}, from which the training that left it goes on, if it is run again as it was"
        yield CheckResult("leftovers", NOTE, said, f"`dvc repro`; or, if nothing runs now: rm {relative}")
        found.append(path)
    for name, is_whole, cure in (
        (_DVC_LOCKS, _is_json, f"if nothing runs now: rm {_DVC_LOCKS}"),
        (lockfile.LOCK_FILE, _is_lock_file, f"git checkout {lockfile.LOCK_FILE}"),
    ):
        if (root / name).exists() and not is_whole(root / name):
            said = f"{name} ends in its middle, as if DVC was killed while it wrote it; it refuses to run"
            yield CheckResult("leftovers", PROBLEM, said, cure)
            found.append(root / name)
    if not found:
        yield CheckResult("leftovers", OK, "none")


def queue(root: Path) -> Iterator[CheckResult]:
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
        json.loads(path.read_bytes())
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


def _left(root: Path) -> Iterator[Path]:
    """What a kill leaves: unfinished and retired outputs, workspaces of `verify`, half a database."""
    for folder in (PREPARED_FOLDER.parent, MODELS_FOLDER, REPORTS_FOLDER):
        for pattern in ("*.part", "*.old"):
            yield from sorted((root / folder).rglob(pattern))
    yield from sorted(root.glob("*.part"))
    yield from sorted((root / ".cache").glob(f"{checkout.PREFIX}*"))


def remote(root: Path) -> Iterator[CheckResult]:
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
            yield _reached(str(name), lambda: _is_there(repository))
        else:
            said = "no remote: what is in DVC's cache is on this disk alone"
            yield CheckResult("dvc remote", NOTE, said, "dvc remote add -d NAME ADDRESS, then dvc push")


def _is_there(repository: Any) -> bool:
    remote = repository.cloud.get_remote()
    return bool(remote.fs.exists(remote.path))


def _reached(name: str, look: Callable[[], bool]) -> CheckResult:
    """Whether a remote answers in time; its own library may wait for minutes, in a thread that no one waits for."""
    said: list[str | bool] = []

    def attempt() -> None:
        try:
            said.append(look())
        except Exception as error:  # whatever the library of this kind of remote raises
            said.append(credentials.masked(" ".join(str(error).split())) or type(error).__name__)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(_REMOTE_SECONDS)
    match said[:1]:
        case [True]:
            return CheckResult("dvc remote", OK, f"{name} can be reached")
        case [False]:
            return CheckResult("dvc remote", NOTE, f"{name} has no such folder yet", "dvc push")
        case [reason]:
            return CheckResult(
                "dvc remote", PROBLEM, f"{name} cannot be used: {reason}", "dvc remote list; mend its address"
            )
        case _:
            text = f"{name} gave no answer within {_REMOTE_SECONDS:g} s"
            return CheckResult("dvc remote", PROBLEM, text, "is the network there? `dvc remote list` shows the address")


def store(root: Path) -> Iterator[CheckResult]:
    try:
        experiment = params.load(root / PARAMS_FILE, "tracking", TrackingParams).experiment
        with StoreProcess(root, experiment) as store:
            state = store.state()
    except UserError as error:
        cures = {"out-of-date": "mlflow db upgrade URI", "another process holds": "close it there, and look again"}
        cure = next((cure for sign, cure in cures.items() if sign in str(error)), _MEND_STORE)
        yield CheckResult("mlflow", PROBLEM, str(error), cure)
        return
    if not state:
        yield CheckResult("mlflow", OK, "no store yet: the first `dvc repro` makes it")
        return
    yield CheckResult("mlflow", OK, f"{state['uri']} opens, {state['runs']} runs, schema of this MLflow")
    for run_id in state["abandoned"]:
        said = f"run {run_id[:8]} is RUNNING, but its process is gone"
        yield CheckResult("mlflow", NOTE, said, "the next training marks it as KILLED")

"""What stands in the way of the promises on this machine, and what to do about it."""

import json
import shlex
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console

from pipeline import credentials, launch, lock, mirror, params, provenance, queue_tasks, revisions
from pipeline.errors import UserError
from pipeline.params import Section
from pipeline.tracked import StoreProcess
from pipeline.verification import workspace

OK, NOTE, PROBLEM = "ok", "note", "problem"

# The libraries whose arithmetic or format decides an output's bytes; the others may differ without harm to them.
_DECIDING = tuple(name for name in provenance.PACKAGES if name not in ("dvc", "mlflow"))

_OLDEST_PYTHON = (3, 11)
_LOW_BYTES = 2**30
_REMOTE_SECONDS = 20.0

_MEND_STORE = "mend the store or MLFLOW_TRACKING_URI"

# Who reads and writes what. DVC writes it in place, and dvc.lock, too.
_DVC_LOCKS = ".dvc/tmp/rwlock"


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it stands, and, unless it is well, what to do."""

    area: str
    state: str
    said: str
    do: str = ""


def _python(_: Path) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= _OLDEST_PYTHON:
        yield Finding("python", OK, version)
    else:
        oldest = ".".join(map(str, _OLDEST_PYTHON))
        yield Finding("python", PROBLEM, f"{version}, older than {oldest}", f"make the environment with {oldest}")


def _packages(root: Path) -> Iterator[Finding]:
    path = root / "requirements.lock"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        yield Finding("packages", PROBLEM, f"{path} cannot be read", "get it from the repository: git checkout")
        return
    pinned = dict(line.split("==", 1) for line in lines if "==" in line)
    found = {name: _installed(name) for name in pinned}
    others = {name: version for name, version in found.items() if version != pinned[name]}
    for name, version in others.items():
        state = PROBLEM if name.lower() in _DECIDING else NOTE
        said = f"{name} {version or 'is not installed'}, pinned is {pinned[name]}"
        yield Finding("packages", state, said, "pip install -r requirements.lock")
    if not others:
        yield Finding("packages", OK, f"{len(pinned)} as requirements.lock pins them")


def _installed(name: str) -> str | None:
    """The version of a package without its local part: the CPU build of torch 2.13.0 calls itself 2.13.0+cpu."""
    try:
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return None


def _processor(_: Path) -> Iterator[Finding]:
    processor = provenance.processor()
    if not processor.avx2:
        said = f"{processor.name} has no AVX2: outputs may differ from those of other machines"
        yield Finding("processor", PROBLEM, said, "use an x86-64 machine with AVX2 where bytes are to be the same")
        return
    import torch

    taken = torch.backends.cpu.get_cpu_capability()
    if taken != "AVX2":
        said = f"torch takes {taken} instead of AVX2: outputs may differ from those of other machines"
        yield Finding("processor", PROBLEM, said, "let nothing load torch before `pipeline`")
    else:
        yield Finding("processor", OK, f"{processor.name}, pinned to AVX2")


def _git(root: Path) -> Iterator[Finding]:
    if provenance.git(root, "rev-parse", "--git-dir") is None:
        yield Finding("git", PROBLEM, f"{root} is in no repository: runs name no commit", "git init, then commit")
        return
    head = revisions.find(root, "HEAD")
    if head is None:
        yield Finding("git", PROBLEM, "no commit yet: runs name no commit", "git commit")
        return
    changed = provenance.changed_files(root)
    if changed:
        said = f"{len(changed)} tracked files differ from commit {str(head.sha)[:12]}: {', '.join(changed[:5])}"
        yield Finding("git", NOTE, said, "commit them, so that a run leads to what made it")
    else:
        yield Finding("git", OK, f"commit {str(head.sha)[:12]}, nothing changed")


def _params(root: Path) -> Iterator[Finding]:
    from pipeline import checkpoint, evaluate, prepare, sweep, train

    path = root / "params.yaml"
    sections: dict[str, type[Section]] = {
        "prepare": prepare.Params,
        "train": train.Params,
        "sweep": sweep.Params,
        "evaluate": evaluate.Params,
        "checkpoint": checkpoint.Params,
        "tracking": mirror.Params,
    }
    readers: dict[str, Callable[[], object]] = {
        name: partial(params.load, path, name, section) for name, section in sections.items()
    }
    readers["workers"] = partial(launch.workers_wanted, path)
    wrong = False
    for read in readers.values():
        try:
            read()
        except UserError as error:
            wrong = True
            yield Finding("params", PROBLEM, str(error), "mend that line of params.yaml")
    if not wrong:
        yield Finding("params", OK, f"params.yaml: {', '.join(readers)} can be read")


def _disk(root: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(root).free
    said = f"{free / 2**30:.1f} GiB free at {root}"
    if free < _LOW_BYTES:
        yield Finding("disk", PROBLEM, said, "make room; `dvc gc --workspace` drops versions that nothing uses")
    else:
        yield Finding("disk", OK, said)


def _leftovers(root: Path) -> Iterator[Finding]:
    found = list(_left(root))
    for path in found:
        relative = path.relative_to(root)
        yield Finding(
            "leftovers", NOTE, f"{relative}, of a run that was ended", f"if nothing runs now: rm -r {relative}"
        )
    for path in sorted((root / ".cache" / "checkpoints").glob("*")):
        relative = path.relative_to(root)
        said = f"{relative}, from which the training that left it goes on, if it is run again as it was"
        yield Finding("leftovers", NOTE, said, f"`dvc repro`; or, if nothing runs now: rm {relative}")
        found.append(path)
    for name, is_whole, cure in (
        (_DVC_LOCKS, _is_json, f"if nothing runs now: rm {_DVC_LOCKS}"),
        (lock.LOCK_FILE, _is_lock_file, f"git checkout {lock.LOCK_FILE}"),
    ):
        if (root / name).exists() and not is_whole(root / name):
            said = f"{name} ends in its middle, as if DVC was killed while it wrote it; it refuses to run"
            yield Finding("leftovers", PROBLEM, said, cure)
            found.append(root / name)
    if not found:
        yield Finding("leftovers", OK, "none")


def _queue(root: Path) -> Iterator[Finding]:
    from dvc.exceptions import DvcException

    try:
        tasks = list(queue_tasks.lost(root))
    except DvcException as error:
        yield Finding("dvc queue", PROBLEM, f"DVC cannot read its queue: {error}", "dvc queue status")
        return
    for task in tasks:
        name = shlex.quote(task.name)
        cure = f"dvc queue kill {name} && dvc queue remove {name}; then queue it again"
        if task.folder:
            cure += f", and rm -r {shlex.quote(str(task.folder.relative_to(root)))}"
        yield Finding("dvc queue", NOTE, f"task {task.name} counts as running, but its process is gone", cure)
    if not tasks:
        yield Finding("dvc queue", OK, "no task that counts as running without a process")


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
    for folder in ("data", "models", "reports"):
        for pattern in ("*.part", "*.old"):
            yield from sorted((root / folder).rglob(pattern))
    yield from sorted(root.glob("*.part"))
    yield from sorted((root / ".cache").glob(f"{workspace.PREFIX}*"))


def _remote(root: Path) -> Iterator[Finding]:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    if not (root / ".dvc").is_dir():
        yield Finding("dvc remote", PROBLEM, f"{root} has no .dvc folder", "dvc init")
        return
    try:
        repository: Any = Repo(str(root))
    except DvcException as error:
        yield Finding("dvc remote", PROBLEM, f"DVC cannot open the project: {error}", "git init, or dvc doctor")
        return
    with repository:
        name = repository.config["core"].get("remote")
        if name:
            yield _reached(str(name), lambda: _is_there(repository))
        else:
            said = "no remote: what is in DVC's cache is on this disk alone"
            yield Finding("dvc remote", NOTE, said, "dvc remote add -d NAME ADDRESS, then dvc push")


def _is_there(repository: Any) -> bool:
    remote = repository.cloud.get_remote()
    return bool(remote.fs.exists(remote.path))


def _reached(name: str, look: Callable[[], bool]) -> Finding:
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
            return Finding("dvc remote", OK, f"{name} can be reached")
        case [False]:
            return Finding("dvc remote", NOTE, f"{name} has no such folder yet", "dvc push")
        case [reason]:
            return Finding(
                "dvc remote", PROBLEM, f"{name} cannot be used: {reason}", "dvc remote list; mend its address"
            )
        case _:
            text = f"{name} gave no answer within {_REMOTE_SECONDS:g} s"
            return Finding("dvc remote", PROBLEM, text, "is the network there? `dvc remote list` shows the address")


def _store(root: Path) -> Iterator[Finding]:
    try:
        experiment = params.load(root / "params.yaml", "tracking", mirror.Params).experiment
        with StoreProcess(root, experiment) as store:
            state = store.state()
    except UserError as error:
        cures = {"out-of-date": "mlflow db upgrade URI", "another process holds": "close it there, and look again"}
        cure = next((cure for sign, cure in cures.items() if sign in str(error)), _MEND_STORE)
        yield Finding("mlflow", PROBLEM, str(error), cure)
        return
    if not state:
        yield Finding("mlflow", OK, "no store yet: the first `dvc repro` makes it")
        return
    yield Finding("mlflow", OK, f"{state['uri']} opens, {state['runs']} runs, schema of this MLflow")
    for run_id in state["abandoned"]:
        said = f"run {run_id[:8]} is RUNNING, but its process is gone"
        yield Finding("mlflow", NOTE, said, "the next training marks it as KILLED")


# What is looked at, quick ones first.
CHECKS: dict[str, Callable[[Path], Iterator[Finding]]] = {
    "python": _python,
    "packages": _packages,
    "processor": _processor,
    "git": _git,
    "params": _params,
    "disk": _disk,
    "leftovers": _leftovers,
    "dvc queue": _queue,
    "dvc remote": _remote,
    "mlflow": _store,
}


def diagnose(root: Path) -> Iterator[Finding]:
    """Every finding about the project at ``root`` and the machine."""
    for check in CHECKS.values():
        yield from check(root)


def main(*, as_json: bool) -> None:
    """Print a line a finding, or one JSON document; SystemExit(1) if there is a problem."""
    findings = diagnose(provenance.project_root())
    found = _as_json(findings) if as_json else _as_lines(findings)
    if any(finding.state == PROBLEM for finding in found):
        sys.exit(1)


def _as_json(findings: Iterable[Finding]) -> list[Finding]:
    found = list(findings)
    healthy = not any(finding.state == PROBLEM for finding in found)
    print(json.dumps({"healthy": healthy, "findings": [asdict(finding) for finding in found]}, indent=2))
    return found


def _as_lines(findings: Iterable[Finding]) -> list[Finding]:
    """Print while they come: a remote that does not answer takes its time."""
    console = Console(highlight=False, soft_wrap=True)
    found = []
    for finding in findings:
        found.append(finding)
        console.print(f"{finding.state:8} {finding.area}: {finding.said}", markup=False)
        if finding.do:
            console.print(f"{'':8} -> {finding.do}", markup=False)
    return found

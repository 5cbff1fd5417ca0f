"""Where a run comes from: project, commit, DVC experiment, versions, processor, content. Knows git, DVC, no MLflow."""

import hashlib
import os
import platform
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

# What `dvc repro` itself writes while it runs: it says nothing about the code and data that a stage started from.
WRITTEN_BY_DVC = ("dvc.lock", "reports")

_GIT_SECONDS = 10
PACKAGES = ("dvc", "mlflow", "numpy", "pyarrow", "safetensors", "scikit-learn", "scipy", "torch")


@dataclass(frozen=True)
class Commit:
    """The checked-out commit; ``dirty`` is true when tracked files differ from it, ``branch`` is None when detached."""

    sha: str
    branch: str | None
    dirty: bool


@dataclass(frozen=True)
class Experiment:
    """The DVC experiment that a stage runs in: its name, and the commit that it started from."""

    name: str
    baseline: str | None


@dataclass(frozen=True)
class Processor:
    """The CPU: its name as it tells it, and whether it has the AVX2 that the same bytes need."""

    name: str
    avx2: bool


def project_root() -> Path:
    """The project's main folder, absolute, also inside the temporary workspace of a DVC experiment.

    DVC sets DVC_ROOT to the main workspace for every stage. Elsewhere it is the nearest folder, from the current one
    upwards, that holds params.yaml or .dvc; the current one if there is none.
    """
    given = os.environ.get("DVC_ROOT")
    if given:
        return Path(given).absolute()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "params.yaml").is_file() or (folder / ".dvc").is_dir():
            return folder
    return here


def commit(folder: Path) -> Commit | None:
    """The commit that ``folder`` is a checkout of; None without git, without a repository or without a commit."""
    excluded = [f":(exclude){path}" for path in WRITTEN_BY_DVC]
    said = git(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no", "--", ".", *excluded)
    return None if said is None else _parsed_status(said)


def git(folder: Path, *words: str, seconds: float = _GIT_SECONDS) -> str | None:
    """What a git command in ``folder`` prints, as text; None if it fails, or takes longer than ``seconds``."""
    said = git_bytes(folder, *words, seconds=seconds)
    return None if said is None else said.decode(errors="replace")


def git_bytes(folder: Path, *words: str, seconds: float = _GIT_SECONDS) -> bytes | None:
    """The same to the byte, as a file's content must be."""
    # Without optional locks a status never stands in the way of a git command that the user gives meanwhile.
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", *words], cwd=folder, env=environment, capture_output=True, timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def changed_files(folder: Path) -> list[str]:
    """Tracked files below ``folder`` that differ from the checked-out commit, as git names them."""
    said = git(folder, "status", "--porcelain", "--untracked-files=no", "-z", "--no-renames", "--", ".") or ""
    return sorted(entry[3:] for entry in said.split("\0") if entry)


def _parsed_status(text: str) -> Commit | None:
    """Read ``git status --porcelain=v2 --branch``: header lines start with #, every other line is a changed file."""
    headers: dict[str, str] = {}
    dirty = False
    for line in text.splitlines():
        if line.startswith("# "):
            name, _, value = line[2:].partition(" ")
            headers[name] = value
        else:
            dirty = True
    sha = headers.get("branch.oid", "(initial)")
    if sha == "(initial)":
        return None
    branch = headers.get("branch.head", "(detached)")
    return Commit(sha, None if branch == "(detached)" else branch, dirty)


def experiment() -> Experiment | None:
    """The DVC experiment that this process runs in; None under plain `dvc repro` and outside DVC."""
    name = os.environ.get("DVC_EXP_NAME")
    return Experiment(name, os.environ.get("DVC_EXP_BASELINE_REV")) if name else None


def versions() -> dict[str, str]:
    """Python and the libraries that decide a result, or that show it."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def processor() -> Processor:
    """The CPU of this machine, from /proc/cpuinfo; elsewhere from Python, which knows nothing of AVX2."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Processor(platform.processor() or platform.machine(), avx2=False)
    found = dict.fromkeys(("model name", "flags"), "")
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if not found.get(name.strip(), "-"):
            found[name.strip()] = value.strip()
    return Processor(found["model name"] or platform.machine(), "avx2" in found["flags"].split())


def md5_file(path: Path) -> str:
    """MD5 of a file's bytes: what dvc.lock says of a file that is an output by itself."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def md5_bytes(content: bytes) -> str:
    """MD5 of bytes, as ``md5_file`` gives of a file."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()

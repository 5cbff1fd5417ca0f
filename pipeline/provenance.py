"""Where a run comes from: project, commit, DVC experiment, versions, processor, content. Knows git, DVC, no MLflow."""

import hashlib
import os
import platform
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

# What `dvc repro` itself writes while it runs: it says nothing about the code and data that a stage started from.
WRITTEN_BY_DVC = ("dvc.lock", "reports")

_GIT_SECONDS = 10

# What ties a command to another repository than that of its folder, beside what the installed git lists itself: git
# sets the first for hooks, a linked worktree's above all, and the others change what a path in a command means.
_REPOSITORY = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"),
    *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT"),
    *("GIT_NAMESPACE", "GIT_ATTR_SOURCE", "GIT_DEFAULT_HASH", "GIT_QUARANTINE_PATH"),
    *("GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS"),
)

# DVC's variables say in which repository, stage or experiment it runs; these say where its settings are.
_DVC_SETTINGS = ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR", "DVC_SITE_CACHE_DIR", "DVC_NO_ANALYTICS")
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

    DVC sets DVC_ROOT to the main workspace for every stage, and DVC_STAGE with it: one that a shell has for itself
    must not send a command to another project. Elsewhere it is the nearest folder, from the current one
    upwards, that holds params.yaml or .dvc; the current one if there is none.
    """
    given = os.environ.get("DVC_ROOT")
    if given and "DVC_STAGE" in os.environ:
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


def repository_free_environment() -> dict[str, str]:
    """This process's environment without what ties git or DVC to a repository other than that of a child's folder.

    A hook of git, or a stage of DVC, runs with such variables, and they would go before the folder that a command is
    given: it would change the repository of the person who committed.
    """
    left_out = _git_variables()
    return {
        name: value
        for name, value in os.environ.items()
        if name not in left_out and (not name.startswith("DVC_") or name in _DVC_SETTINGS)
    }


def leave_repository_of_hook() -> None:
    """Take git's variables of another repository out of this process, for the libraries in it that run git."""
    for name in _git_variables():
        os.environ.pop(name, None)


@cache
def _git_variables() -> frozenset[str]:
    """The names of variables that tie git to a repository, as the installed git lists them, and as known here."""
    command = ["git", "rev-parse", "--local-env-vars"]
    others = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(command, env=others, capture_output=True, text=True, check=False)
    except OSError:
        return frozenset(_REPOSITORY)
    listed = re.findall(r"^GIT_\w+$", done.stdout, re.MULTILINE)
    return frozenset(_REPOSITORY) | frozenset(listed)


def git(folder: Path, *words: str, seconds: float = _GIT_SECONDS) -> str | None:
    """What a git command in ``folder`` prints, as text; None if it fails, or takes longer than ``seconds``."""
    said = git_bytes(folder, *words, seconds=seconds)
    return None if said is None else said.decode(errors="replace")


def git_bytes(folder: Path, *words: str, seconds: float = _GIT_SECONDS) -> bytes | None:
    """The same to the byte, as a file's content must be."""
    done = run_git(folder, *words, seconds=seconds)
    return done.stdout if done and done.returncode == 0 else None


def run_git(folder: Path, *words: str, seconds: float = _GIT_SECONDS) -> subprocess.CompletedProcess[bytes] | None:
    """A git command in the repository that ``folder`` lies in, as it ended, messages in English.

    None without git, or if it takes longer than ``seconds``.
    """
    # Without optional locks a status never stands in the way of a git command that the user gives meanwhile. A commit
    # is what its id is the digest of, whatever refs/replace of this clone puts in its place.
    own = {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1", "LC_ALL": "C"}
    environment = repository_free_environment() | own
    try:
        return subprocess.run(
            ["git", *words], cwd=folder, env=environment, capture_output=True, timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


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

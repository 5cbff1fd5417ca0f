"""The git repository of a project: commits, status, diffs."""

import io
import os
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipeline.output_files import REPORTS_FOLDER
from pipeline.repository.lockfile import LOCK_FILE

# What `dvc repro` itself writes while it runs: it says nothing about the code and data that a stage started from.
WRITTEN_BY_DVC = (LOCK_FILE, str(REPORTS_FOLDER))

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


@dataclass(frozen=True)
class Commit:
    """The checked-out commit; ``dirty`` is true when tracked files differ from it, ``branch`` is None when detached."""

    sha: str
    branch: str | None
    dirty: bool


def head_commit(folder: Path) -> Commit | None:
    """The commit that ``folder`` is a checkout of; None without git, without a repository or without a commit."""
    excluded = [f":(exclude){path}" for path in WRITTEN_BY_DVC]
    status = stdout(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no", "--", ".", *excluded)
    return None if status is None else _parsed_status(status)


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
        done = subprocess.run(command, env=others, capture_output=True, encoding="utf-8", errors="replace", check=False)
    except OSError:
        return frozenset(_REPOSITORY)
    listed = re.findall(r"^GIT_\w+$", done.stdout, re.MULTILINE)
    return frozenset(_REPOSITORY) | frozenset(listed)


def stdout(folder: Path, *words: str, seconds: float = _GIT_SECONDS) -> str | None:
    """The output of a git command in ``folder``, as text; None if it fails, or takes longer than ``seconds``."""
    output = stdout_bytes(folder, *words, seconds=seconds)
    return None if output is None else output.decode(errors="replace")


def stdout_bytes(folder: Path, *words: str, seconds: float = _GIT_SECONDS) -> bytes | None:
    """The output of a git command to the byte, for a file's content."""
    done = run(folder, *words, seconds=seconds)
    return done.stdout if done and done.returncode == 0 else None


def run(
    folder: Path, *words: str, seconds: float = _GIT_SECONDS, stdin: bytes | None = None
) -> subprocess.CompletedProcess[bytes] | None:
    """A git command in the repository that ``folder`` lies in, as it ended, messages in English.

    None without git, if it takes longer than ``seconds``, or for a word that no process can be given, such as one with
    NUL.
    """
    # Without optional locks a status never stands in the way of a git command that the user gives meanwhile. A commit
    # is what its id is the digest of, whatever refs/replace of this clone puts in its place.
    own = {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1", "LC_ALL": "C"}
    environment = repository_free_environment() | own
    try:
        return subprocess.run(
            ["git", *words],
            cwd=folder,
            env=environment,
            input=stdin,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def files_below(folder: Path, sha: str, path: str) -> dict[str, bytes]:
    """The files that a commit holds below ``path``, content by path, both as seen from ``folder``; empty if none."""
    listing = stdout(folder, "ls-tree", "-r", "-z", "--end-of-options", sha, "--", f"{path}/") or ""
    entries = [entry.partition("\t") for entry in listing.split("\0") if " blob " in entry]
    names = [name for _, _, name in entries]
    objects = "".join(f"{fields.split()[2]}\n" for fields, _, _ in entries).encode()
    done = run(folder, "cat-file", "--batch", stdin=objects) if entries else None
    if done is None or done.returncode:
        return {}
    files, output = {}, io.BytesIO(done.stdout)
    for name in names:
        files[name] = output.read(int(output.readline().split()[2]))
        output.readline()
    return files


def changed_files(folder: Path) -> list[str]:
    """Tracked files below ``folder`` that differ from the checked-out commit, as git names them."""
    status = stdout(folder, "status", "--porcelain", "--untracked-files=no", "-z", "--no-renames", "--", ".") or ""
    return sorted(entry[3:] for entry in status.split("\0") if entry)


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


# A diff is there to be read; above a million characters it is data, which DVC keeps.
CHANGES_LENGTH = 1_000_000

# DVC's own settings can hold keys of a remote, and change no result.
_SECRET_FOLDERS = (".dvc",)


def diff(folder: Path, *revisions: str) -> str:
    """The `git diff` between two revisions, or between one and the working tree, of the files of ``folder``.

    Left out are what DVC writes and keeps for itself, and files that git was told to ignore. Cut after
    CHANGES_LENGTH characters, with a last line that says so.
    """
    ignored = _stdout_or_empty(folder, "ls-files", "-z", "--cached", "--ignored", "--exclude-standard").split("\0")
    hidden = [*WRITTEN_BY_DVC, *_SECRET_FOLDERS, *ignored]
    excluded = [f":(exclude,literal){path}" for path in hidden if path]
    # However the user's own git is set up, the text is one that `git apply` takes.
    plain = ["--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/", "--no-relative"]
    text = _stdout_or_empty(folder, "diff", *plain, *revisions, "--", ".", *excluded)
    if len(text) > CHANGES_LENGTH:
        return f"{text[:CHANGES_LENGTH]}\n... cut here, of {len(text):,} characters\n"
    return text


def _stdout_or_empty(folder: Path, *words: str) -> str:
    return stdout(folder, *words) or ""

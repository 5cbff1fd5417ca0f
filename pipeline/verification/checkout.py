"""A commit's files as git has them, in a repository of their own that leaves no trace in the project's."""

import os
import shutil
from pathlib import Path

from pipeline import provenance
from pipeline.errors import UserError

# However git is set up here, the bytes of the commit are checked out, and no hook or server is asked.
_SETTINGS = {
    "core.autocrlf": "false",
    "core.eol": "lf",
    "core.attributesFile": os.devnull,
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.sparseCheckout": "false",
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "submodule.recurse": "false",
}

_GIT_SECONDS = 600
_FULL = ("no space left on device", "disk quota exceeded", "file too large")
_LITTLE_BYTES = 2**16  # a disk with less is full, also where git says only that it could not write
_LINK_MODE = "120000"
_BYTECODE = (".pyc", ".pyo")
_LONGEST = 200  # characters of a path in a message


def check_out(project: Path, commit: str, folder: Path) -> None:
    """Make ``folder`` a repository that borrows the objects of the project's, and check the commit out in it.

    `git worktree` would leave a trace in the project's .git, and `git clone` refuses to share a shallow clone, which
    is what most CI services check out.
    Raises: UserError if git cannot, or if the commit holds links that leave the checkout.
    """
    folder.mkdir()
    git(folder, "init", "--quiet", "--template=", f"--object-format={_object_format(project)}")
    for name, value in _SETTINGS.items():
        git(folder, "config", name, value)
    objects = git(project, "rev-parse", "--path-format=absolute", "--git-path", "objects")
    information = folder / ".git" / "objects" / "info"
    information.mkdir(parents=True, exist_ok=True)
    (information / "alternates").write_text(f"{objects.strip()}\n", encoding="utf-8")
    shallow = Path(git(project, "rev-parse", "--path-format=absolute", "--git-path", "shallow").strip())
    if shallow.is_file():
        shutil.copyfile(shallow, folder / ".git" / "shallow")
    git(folder, "checkout", "--quiet", "--detach", commit)
    _refuse_links(folder, commit)


def refuse_bytecode(folder: Path, commit: str) -> None:
    """Raise if there is bytecode in a checkout: Python would run it in place of the code that dvc.lock records.

    Raises: UserError that names the files.
    """
    compiled = sorted(path for path in folder.rglob("*") if path.suffix.casefold() in _BYTECODE)
    if compiled:
        named = ", ".join(path.relative_to(folder).as_posix()[:_LONGEST] for path in compiled[:5])
        raise UserError(
            f"commit {commit[:12]}: expected code, got compiled code too, which Python would run in its place: {named}"
            f"{', ...' if len(compiled) > 5 else ''}; take it out of the commit: git rm --cached"
        )


def git(folder: Path, *words: str) -> str:
    """What a git command prints.

    Raises: UserError with what git says if it fails; without room on the disk, one that says so.
    """
    done = provenance.run_git(folder, *words, seconds=_GIT_SECONDS)
    if done is None:
        raise UserError(f"git {words[0]}: expected an end within {_GIT_SECONDS} s, got none; is git installed?")
    if done.returncode:
        message = done.stderr.decode(errors="replace")
        refuse_full_disk(folder, message)
        last = (message.strip().splitlines() or ["no message"])[-1]
        raise UserError(
            f"git {words[0]}: expected to check the commit out in {folder}, got {last[:_LONGEST]!r}; run `git fsck`"
        )
    return os.fsdecode(done.stdout)  # names of files are bytes, and need be no UTF-8


def refuse_full_disk(folder: Path, message: str) -> None:
    """Raise if what a failed command says, or the disk of ``folder`` itself, tells that there is no room.

    Raises: UserError that says how much is free and how to make room.
    """
    free = shutil.disk_usage(folder).free
    if free >= _LITTLE_BYTES and not any(sign in message.casefold() for sign in _FULL):
        return
    raise UserError(
        f"{folder}: cannot be written: no space left on device ({free / 2**20:.1f} MiB free); make room, such as by "
        "`dvc gc --workspace`, and verify again"
    )


def _object_format(project: Path) -> str:
    return git(project, "rev-parse", "--show-object-format").strip()


def _refuse_links(folder: Path, commit: str) -> None:
    """A link out of the checkout would let a stage, DVC or this command write, or read, what is not the commit's."""
    for entry in git(folder, "ls-files", "--stage", "-z").split("\0"):
        mode, _, path = entry.partition(" ")
        if mode != _LINK_MODE:
            continue
        name = path.partition("\t")[2]
        link = folder / name
        if link.is_symlink() and not _stays(folder.resolve(), link):
            raise UserError(
                f"commit {commit[:12]}: expected links that stay in the commit, got {name[:_LONGEST]} -> "
                f"{str(link.readlink())[:_LONGEST]}; what lies there is no part of it: put data under DVC (`dvc add`)"
            )


def _stays(folder: Path, link: Path) -> bool:
    """Whether a link leads to a place in the checkout that is not git's own."""
    try:
        target = link.resolve()
    except (OSError, RuntimeError):  # it leads to itself
        return False
    return target.is_relative_to(folder) and not target.is_relative_to(folder / ".git")

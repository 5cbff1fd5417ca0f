"""A commit's files as git has them, in a repository of their own that leaves no trace in the project's."""

import hashlib
import os
import shutil
from glob import escape
from pathlib import Path

from pipeline.arithmetic import compiled
from pipeline.errors import UserError, listed, quoted, shortened
from pipeline.repository.git import run

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
_FILE_MODES = ("100644", "100755")
_EXTENSIONS = (".so", ".pyd")
_SHA1_DIGITS = 40
_BYTECODE = (".pyc", ".pyo")


def check_out(project: Path, commit: str, folder: Path) -> None:
    """Make ``folder`` a repository that borrows the objects of the project's, and check the commit out in it.

    `git worktree` would leave a trace in the project's .git, and `git clone` refuses to share a shallow clone, which
    is what most CI services check out.
    Raises: UserError if git cannot, or if the commit holds links that leave the checkout.
    """
    folder.mkdir()
    object_format = git(project, "rev-parse", "--show-object-format").strip()
    git(folder, "init", "--quiet", "--template=", f"--object-format={object_format}")
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
    bytecode = sorted(path for path in folder.rglob("*") if path.suffix.casefold() in _BYTECODE)
    if bytecode:
        raise UserError(
            f"commit {commit[:12]}: expected code, got compiled code too, which Python would run in its place: "
            f"{listed([path.relative_to(folder).as_posix() for path in bytecode])}; take it out of the commit: git rm "
            "--cached"
        )


def refuse_stand_ins(folder: Path, commit: str) -> None:
    """Raise if Python would run something else in place of a module of a checkout: a package or a compiled extension.

    Or if the checkout brings the compiled arithmetic, which an environment builds from the commit's sources.
    Raises: UserError that names them.
    """
    for library in sorted(folder.rglob(f"{compiled.LIBRARY}*")):
        if library.suffix.casefold() in _EXTENSIONS:
            raise UserError(
                f"commit {commit[:12]}: expected the sources of {compiled.LIBRARY}, got it compiled, which nobody can "
                f"read: {shortened(library.relative_to(folder).as_posix())}; take it out of the commit: git rm --cached"
            )
    for module in sorted(folder.rglob("*.py")):
        beside = [path for path in module.parent.glob(f"{escape(module.stem)}.*") if path.suffix in _EXTENSIONS]
        beside += list((module.parent / module.stem).glob("__init__.*"))
        if beside:
            names = [shortened(path.relative_to(folder).as_posix()) for path in (module, beside[0])]
            raise UserError(
                f"commit {commit[:12]}: expected one file for each module, got {names[0]} and {names[1]}, which Python "
                "would run in its place; take it out of the commit: git rm --cached"
            )


def converted(folder: Path) -> list[str]:
    """Files of a fresh checkout whose bytes are not those that git holds: attributes of the commit change them.

    Whoever reads the commit elsewhere, on a web page, sees other bytes than its stages do.
    """
    names = []
    for entry in filter(None, git(folder, "ls-files", "--stage", "-z").split("\0")):
        facts, _, name = entry.partition("\t")
        mode, identity, _ = facts.split(" ")
        path = folder / name
        if mode in _FILE_MODES and path.is_file() and _blob_id(path, identity) != identity:
            names.append(name)
    return names


def _blob_id(path: Path, like: str) -> str:
    """The id that git would give a file's bytes, of the same length as another id."""
    digest = hashlib.new("sha1" if len(like) == _SHA1_DIGITS else "sha256", usedforsecurity=False)
    digest.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def git(folder: Path, *words: str) -> str:
    """The output of a git command; names of files are bytes, and need be no UTF-8.

    Raises: UserError with what git says if it fails; without room on the disk, one that says so.
    """
    return os.fsdecode(_git_bytes(folder, *words))


def blob(folder: Path, name: str) -> bytes:
    """A file as the checked-out commit holds it, byte for byte. Raises: UserError, as ``git``."""
    return _git_bytes(folder, "cat-file", "blob", f"HEAD:./{name}")


def _git_bytes(folder: Path, *words: str) -> bytes:
    done = run(folder, *words, seconds=_GIT_SECONDS)
    if done is None:
        raise UserError(f"git {words[0]}: expected an end within {_GIT_SECONDS} s, got none; is git installed?")
    if done.returncode:
        message = done.stderr.decode(errors="replace")
        refuse_full_disk(folder, message)
        last = (message.strip().splitlines() or ["no message"])[-1]
        raise UserError(
            f"git {words[0]}: expected to check the commit out in {folder}, got {quoted(last)}; run `git fsck`"
        )
    return done.stdout


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
                f"commit {commit[:12]}: expected links that stay in the commit, got {shortened(name)} -> "
                f"{shortened(link.readlink())}; what lies there is no part of it: put data under DVC (`dvc add`)"
            )


def _stays(folder: Path, link: Path) -> bool:
    """Whether a link leads to a place in the checkout that is not git's own."""
    try:
        target = link.resolve()
    except (OSError, RuntimeError):  # it leads to itself
        return False
    return target.is_relative_to(folder) and not target.is_relative_to(folder / ".git")

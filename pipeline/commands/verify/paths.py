"""Check that the outputs of a commit lie inside its checkout, before anything is touched."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

from pipeline.errors import UserError, quoted, shortened

# What git and DVC keep for themselves, also as a case-insensitive file system spells it.
_RESERVED = (".git", ".dvc")


def refuse_outside(folder: Path, paths: Iterable[str], place: str) -> None:
    """Raise unless every path, of an output of the project in ``folder``, lies in there and goes through no link.

    Paths are judged as POSIX and as Windows read them, since a commit is written on one and verified on another.
    Raises: UserError that names the first path that does not; ``place`` says where it stands.
    """
    for path in paths:
        reason = _reason(folder, path)
        if reason:
            raise UserError(
                f"{place}: expected outputs inside the project, got {quoted(path)}, which {reason}; nothing was "
                "run or removed; give dvc.yaml a path below the project's folder, `dvc repro` and commit"
            )


def _reason(folder: Path, path: str) -> str | None:
    """The fault of an output's path; None if there is none."""
    posix, windows = PurePosixPath(path), PureWindowsPath(path)
    if "://" in path:
        return "is an address"
    if posix.root or windows.drive or windows.root:
        return "is absolute"
    parts = {part.rstrip(". ").casefold() if part != ".." else part for part in (*posix.parts, *windows.parts)}
    if ".." in parts:
        return "leads upwards"
    if not posix.parts or "\0" in path:
        return "names no file"
    if parts.intersection(_RESERVED):
        return "belongs to git or DVC"
    steps = [folder.joinpath(*posix.parts[: count + 1]) for count in range(len(posix.parts))]
    link = next((step for step in steps if step.is_symlink()), None)
    if link is not None:
        return f"goes through a link: {shortened(link.relative_to(folder).as_posix())} -> {shortened(link.readlink())}"
    if not (folder / path).resolve().is_relative_to(folder.resolve()):  # a junction of Windows, for one, is no symlink
        return f"lies at {shortened((folder / path).resolve())}"
    return None

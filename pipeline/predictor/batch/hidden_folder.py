"""The hidden folder ``.NAME.part`` beside a place, where its files lie while one process writes them.

Whoever may write beside the place could lay a link or a folder of their own there, through which files elsewhere would
be cut short or removed. So the folder is its owner's alone, and one that `predict` would not have left is refused.
"""

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from pipeline import files
from pipeline.errors import UserError, quoted

JOURNAL, LOCK, FILES = "journal", "lock", "out"


def path(out: Path) -> Path:
    """Where ``out`` lies while it is written."""
    return out.with_name(f".{out.name}.part")


@contextmanager
def locked(out: Path) -> Iterator[Path]:
    """Yield the folder of ``out``, new or as an earlier run left it, that no other process writes to meanwhile.

    Raises: UserError if it cannot be made, is not what `predict` left, or another process writes there.
    """
    place = path(out)
    with files.full_disk_named(out), files.no_place_named(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            place.mkdir(mode=0o700)
        except FileExistsError:
            _require_own(place)
        lock = filelock.FileLock(place / LOCK)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            raise UserError(f"{out}: another predict writes it now; wait for its end, or write to another") from None
    try:
        yield place
    finally:
        lock.release()
        if sys.platform == "win32":  # where no file that is open can be removed
            with suppress(OSError):
                (place / LOCK).unlink()
                place.rmdir()


def _require_own(place: Path) -> None:
    stranger = _stranger(place)
    if stranger is not None:
        raise UserError(
            f"{place}: expected what a predict that was cut short left, got {stranger}; look at it, remove it and run "
            "again, or write to another place"
        )


def _stranger(place: Path) -> str | None:
    """What is at ``place`` and not of `predict`; None if all is."""
    status = place.lstat()
    if not stat.S_ISDIR(status.st_mode):
        return "a link" if stat.S_ISLNK(status.st_mode) else "a file"
    # Not by the process's user: a file system of another machine has users of its own.
    with tempfile.TemporaryFile(dir=place.parent) as own:
        if os.fstat(own.fileno()).st_uid != status.st_uid:
            return "a folder of another user"
    with suppress(PermissionError):  # of a file system without permissions
        place.chmod(0o700)
    kinds = {JOURNAL: stat.S_ISREG, LOCK: stat.S_ISREG, FILES: stat.S_ISDIR}
    for each in place.iterdir():
        if each.name not in kinds or not kinds[each.name](each.lstat().st_mode):
            return quoted(each.name)
    written = place / FILES
    inside = written.iterdir() if written.exists() else ()
    return next((quoted(f"{FILES}/{each.name}") for each in inside if not stat.S_ISREG(each.lstat().st_mode)), None)

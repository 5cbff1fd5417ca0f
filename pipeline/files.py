"""Files that are either wholly there or not there at all, and bytes that depend on nothing but the content."""

import csv
import ctypes
import errno
import hashlib
import io
import json
import os
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from pipeline.errors import UserError

_TEMPORARY = ".part"
_RETIRED = ".old"

# The disk, a quota or a limit on the size of files is used up.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# A place where no file of this name can be.
_NO_PLACE = (errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENXIO, errno.ENODEV, errno.EBADF)

# Of linux/fcntl.h and linux/fs.h; Python has no names for them.
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, shortest round-trip floats, two-space indent, LF endings and a final newline.

    Raises: ValueError for NaN or infinity, which JSON cannot hold (write null and a reason instead).
    """
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole: to a temporary name beside it, synced, then renamed over ``path``.

    Raises: UserError if it cannot be written.
    """
    with replacing(path) as file:
        file.write(data)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Yield a new file; it takes the place of ``path`` only when the block ends without an exception.

    A device or a pipe is written in place: what other programs hold open must stay what it is.
    Raises: UserError if it cannot be written.
    """
    require_file_name(path)
    if is_device(path):
        with full_disk_named(path), no_place_named(path), path.open("ab") as file:
            yield file
        return
    temporary = path.with_name(path.name + _TEMPORARY)
    with no_place_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = temporary.open("wb")
    try:
        with full_disk_named(path), opened as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with no_place_named(path):
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def is_device(path: Path) -> bool:
    """Whether the path names something that is neither file nor folder, or a file that is open, as /dev/stdout does."""
    if path.is_symlink() and path.absolute().is_relative_to("/dev"):
        return True
    return path.exists() and not path.is_file() and not path.is_dir()


@contextmanager
def standard_output() -> Iterator[IO[bytes]]:
    """Yield this process's standard output. Raises: UserError if it cannot be written."""
    name = Path("standard output")
    with full_disk_named(name), no_place_named(name), open(1, "wb", closefd=False) as file:
        yield file


def require_file_name(path: Path) -> None:
    """Raises: UserError if a folder is at ``path``, or no file of the name can be."""
    with no_place_named(path):
        is_folder = path.is_dir()
    if is_folder:
        raise UserError(f"{path}: expected the name of a file to write, got a folder; name a file in it")


def require_own_folder(path: Path, mark: str) -> None:
    """Check that what ``new_folder`` would replace is nothing, an empty folder, or one that holds the file ``mark``.

    Raises: UserError if it is anything else: a person's files would be gone.
    """
    if not os.path.lexists(path) or (path / mark).is_file() or (path.is_dir() and not any(path.iterdir())):
        return
    raise UserError(f"{path}: expected a new folder or one with {mark}, got what would be lost; name another folder")


def refuse_to_overwrite(path: Path, inputs: Iterable[Path | int]) -> None:
    """Check that ``path`` is none of the files that are read, by any name: a link, a second spelling, an open file.

    ``inputs`` are paths or descriptors. Raises: UserError if it is one.
    """
    try:
        target = path.stat()
    except (OSError, ValueError):
        return
    if any(os.path.samestat(target, status) for status in _statuses(inputs)) and not is_device(path):
        raise UserError(f"{path}: is one of the files that are read; write to another")


def _statuses(inputs: Iterable[Path | int]) -> Iterator[os.stat_result]:
    for each in inputs:
        try:
            yield os.stat(each)  # noqa: PTH116 - of a descriptor, too
        except (OSError, ValueError):
            continue


@contextmanager
def no_place_named(path: Path) -> Iterator[None]:
    """Tell in one sentence that nothing can be written at ``path``."""
    try:
        yield
    except OSError as error:
        if error.errno not in (*_NO_PLACE, *_REFUSED):
            raise
        reason = os.strerror(error.errno).lower()
        what = "name a file in a folder" if error.errno in _NO_PLACE else "change its permissions, or name one"
        raise UserError(f"{path}: cannot be written: {reason}; {what} that can be written") from None


@contextmanager
def full_disk_named(path: Path) -> Iterator[None]:
    """Tell in one sentence that what is written for ``path`` found no room."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        reason = os.strerror(error.errno).lower()
        raise UserError(f"{path}: cannot be written: {reason}; make room and run again") from None


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text whole, with LF endings on every system."""
    write_bytes(path, text.encode("utf-8"))


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Rows as CSV with LF endings; the header is the first."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def write_json(path: Path, value: Any) -> None:
    """Write ``canonical_json(value)`` whole."""
    write_text(path, canonical_json(value))


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; it replaces ``path`` only when the block ends without an exception.

    Whatever happens inside, and whenever the process is killed, ``path`` is the earlier folder or the complete new one.
    Raises: UserError if there is no room for it.
    """
    temporary = path.with_name(path.name + _TEMPORARY)
    restore(path)
    remove_folder(path.with_name(path.name + _RETIRED))
    remove_folder(temporary)
    try:
        with full_disk_named(path):
            with no_place_named(path):
                temporary.mkdir(parents=True)
            yield temporary
            replace_folder(temporary, path)
    finally:
        remove_folder(temporary)


def replace_folder(new: Path, path: Path) -> None:
    """Put the folder ``new`` where ``path`` is; what was there is then at ``new`` or gone."""
    if not os.path.lexists(path):
        new.replace(path)
    elif not _exchange(new, path):
        # Killed between the two renames, the earlier folder waits under its second name for ``restore``.
        retired = path.with_name(path.name + _RETIRED)
        path.replace(retired)
        new.replace(path)
        remove_folder(retired)


def _exchange(first: Path, second: Path) -> bool:
    """Let two paths change places in one step; False where the system, the file system or the C library cannot."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None) if sys.platform == "linux" else None
    if rename is None:
        return False
    return bool(rename(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0)


def restore(path: Path) -> None:
    """Bring back the earlier folder of a ``new_folder`` that was killed while it took its place."""
    retired = path.with_name(path.name + _RETIRED)
    if retired.exists() and not os.path.lexists(path):
        retired.replace(path)


def remove_folder(path: Path) -> None:
    """Remove a folder, or a link to one, if it is there; what cannot be removed now stays, and is in nobody's way."""
    if path.is_symlink():
        path.unlink()
    if sys.platform == "win32":  # only there a file's own write protection, which git and DVC set, keeps it
        for file in path.rglob("*"):
            with suppress(OSError):
                file.chmod(stat.S_IWRITE)
    shutil.rmtree(path, ignore_errors=True)


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_text(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes, in hexadecimal."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def md5_file(path: Path) -> str:
    """MD5 of a file's bytes: what dvc.lock says of a file that is an output by itself."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def md5_bytes(content: bytes) -> str:
    """MD5 of bytes, as ``md5_file`` gives of a file."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()

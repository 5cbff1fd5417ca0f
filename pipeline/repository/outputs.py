"""The bytes of outputs by their md5: from DVC's cache, or from its remote."""

import re
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.errors import UserError, shortened
from pipeline.files import md5_bytes
from pipeline.repository import lockfile

# An entry of DVC's cache; a dvc.lock that says anything else must lead to no other file.
_MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")


def read(path: Path) -> bytes | None:
    """The bytes of a regular file; None if it cannot be read, or is a device or a pipe, which may never end."""
    try:
        return path.read_bytes() if path.is_file() else None
    except OSError:
        return None


def matching(content: bytes | None, md5: str) -> bytes | None:
    """The content, if it has the md5."""
    return content if content is not None and md5_bytes(content) == md5 else None


def path_below(path: str, folder: str) -> str:
    """The path as seen from the folder; empty if it does not lie in it."""
    parts = PurePosixPath(path)
    return parts.relative_to(folder).as_posix() if parts.is_relative_to(folder) and path != folder else ""


@cache
def cache_folder(root: Path) -> Path:
    """The folder of DVC's cache; DVC's own reader knows the settings and their places."""
    from dvc.config import Config, ConfigError

    try:
        given = Config(dvc_dir=str(root / ".dvc"))["cache"].get("dir")
    except ConfigError as error:
        raise UserError(f"{root / '.dvc' / 'config'}: {error}") from None
    return Path(given or root / ".dvc" / "cache").absolute() / "files" / "md5"


def cached(root: Path, md5: str) -> bytes | None:
    """The content of DVC's cache under an md5.

    Raises: UserError if these are other bytes: DVC trusts an entry that is read-only without looking into it.
    """
    if not _MD5.fullmatch(md5):
        return None
    path = cache_folder(root) / md5[:2] / md5[2:]
    content = read(path)
    if content is not None and matching(content, md5.removesuffix(lockfile.FOLDER_MARK)) is None:
        raise UserError(
            f"{path}: expected the bytes that its name is the md5 of, got others: DVC's cache is damaged here; remove "
            "this file, then `dvc fetch --all-commits` brings it from a remote, or a `dvc repro --force` of the "
            "commit makes it again"
        )
    return content


def pulled(root: Path, sha: str, path: str, md5: str) -> bytes | None:
    """A file from DVC's remote, if there is one that has it.

    Raises: UserError if the remote has other bytes under the md5.
    """
    files = _remote(root, sha)
    try:
        content: bytes | None = files.read_bytes(path) if files else None
    except Exception:  # each kind of remote has errors of its own; the caller tells what is missing
        return None
    if content is not None and matching(content, md5) is None:
        raise _damaged_remote(path, md5)
    return content


def pulled_listing(root: Path, sha: str, folder: str, md5: str) -> dict[str, str]:
    """The files of a folder in DVC's remote, md5 by path in it; empty if there is no remote, or none that has it.

    Raises: UserError if the listing is another one than the md5 says.
    """
    files = _remote(root, sha)
    try:
        paths = files.find(folder) if files else []
        md5s = {path_below(path, folder): str(files.info(path)["dvc_info"]["md5"]) for path in paths}
    except Exception:  # as above
        return {}
    if md5s and lockfile.listing_md5(md5s) != md5:
        raise _damaged_remote(folder, md5)
    return md5s


def _damaged_remote(path: str, md5: str) -> UserError:
    return UserError(
        f"{shortened(path)}: expected md5 {md5} in DVC's remote, got other bytes: the remote is damaged here; remove "
        "its entry there, and `dvc push` from where it was made"
    )


@cache
def _remote(root: Path, sha: str) -> Any:
    """DVC's own view of a commit, remote and all; None without a remote, which saves loading it."""
    from dvc.config import Config

    config = Config(dvc_dir=str(root / ".dvc"))
    if not config["core"].get("remote"):
        return None
    from dvc.api import DVCFileSystem

    # The remote of today: the commit may be older than it.
    return DVCFileSystem(str(root), rev=sha, config={name: dict(config[name]) for name in ("core", "remote")})

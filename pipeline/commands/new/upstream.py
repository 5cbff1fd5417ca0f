"""The version of the code that a project is made of: its commit, its files, and where later ones come from."""

import json
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from pipeline.commands import version
from pipeline.documents import yaml_documents
from pipeline.errors import UserError
from pipeline.repository import git

# In a project: release and commit of its code, and their address where others can reach it.
RECORD_FILE = ".softmax-pipeline.yaml"

# In the .git/config of one clone: the folder of the code, where it has no address; a commit must not name a folder
# of somebody's machine.
SOURCE_SETTING = "softmax-pipeline.source"

# In a commit of the code: the files and folders that a project takes from it. Each version knows its own.
_LIST_FILE = "pipeline/commands/new/template.txt"

_SCHEMES = ("https", "http", "ssh", "git")
_HOST_AND_PATH = re.compile(r"[\w.-]+@[\w.-]+:[^:]+")  # git@host:path, as ssh is spelled short

_COMMENT = "# The version of the code in this project; `python -m pipeline new --update` brings a later one.\n"

_DIGEST = re.compile(r"[0-9a-f]{40,64}")
_SHORT = 10


@dataclass(frozen=True)
class Version:
    """A commit of the code; ``folder`` is a repository that has it."""

    folder: Path
    commit: str

    def __str__(self) -> str:
        return f"{self.release} ({self.commit[:_SHORT]})"

    @property
    def release(self) -> str:
        """Its number. Raises: UserError if the commit is none of this code."""
        text = git.stdout(self.folder, "show", f"{self.commit}:{version.PROJECT_FILE}")
        try:
            return version.release_in(text or "")
        except ValueError:
            raise _no_code(self.commit) from None

    @property
    def paths(self) -> list[str]:
        """The files and folders that a project takes from it. Raises: UserError if the commit is none of this code."""
        text = git.stdout(self.folder, "show", f"{self.commit}:{_LIST_FILE}")
        if text is None:
            raise _no_code(self.commit)
        return text.split()

    def files(self) -> dict[str, bytes]:
        """The content of each of them, by path."""
        every = git.files_below(self.folder, self.commit, ".")
        parts = [PurePosixPath(path) for path in self.paths]
        return {name: content for name, content in every.items() if _lies_in(name, parts)}


@dataclass(frozen=True)
class Record:
    """What a project's RECORD_FILE says; ``source`` is None where the code has no address."""

    release: str
    commit: str
    source: str | None

    def __str__(self) -> str:
        return f"{self.release} ({self.commit[:_SHORT]})"

    def to_text(self) -> str:
        """The file's text; in quotes, since YAML takes some digests for numbers."""
        values = {"release": self.release, "commit": self.commit, "source": self.source}
        return _COMMENT + "".join(f"{name}: {json.dumps(value)}\n" for name, value in values.items() if value)

    @classmethod
    def read(cls, root: Path) -> "Record":
        """That of a project. Raises: UserError if it has none, or one that was edited."""
        path = root / RECORD_FILE
        try:
            document = yaml_documents.parse(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UserError(
                f"{RECORD_FILE}: no such file: this project was not made by `new`; `git pull` updates a clone"
            ) from None
        except ValueError:
            document = None
        values = document if isinstance(document, dict) else {}
        release, commit, source = (values.get(name) for name in ("release", "commit", "source"))
        if not isinstance(release, str) or not (isinstance(commit, str) and _DIGEST.fullmatch(commit)):
            raise UserError(f"{RECORD_FILE}: expected a release and a commit, got others; `git log` has what it was")
        return cls(release, commit, source if isinstance(source, str) else None)


def running() -> Version:
    """The commit that the running code was checked out of.

    Raises: UserError if it lies in no repository of its own.
    """
    folder = version.code_folder()
    head = git.stdout(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    is_root = git.stdout(folder, "rev-parse", "--show-prefix") == "\n"
    is_tracked = git.stdout(folder, "ls-files", "--error-unmatch", _LIST_FILE) is not None
    if head is None or not is_root or not is_tracked:
        raise UserError(
            f"{folder}: expected the code in a clone of its git repository, which a new project is made of, got it "
            "without one; clone it, `make install` there, and run the command again with what that installs"
        )
    return Version(folder, head.strip())


def uncommitted(running_version: Version) -> list[str]:
    """The files that a project would take, and that differ from the commit in the folder of the code."""
    parts = [PurePosixPath(path) for path in running_version.paths]
    return [name for name in git.changed_files(running_version.folder) if _lies_in(name, parts)]


def address(running_version: Version) -> str | None:
    """Where others find the commit: the address of the remote that has it, without a password; None without one."""
    url = (git.stdout(running_version.folder, "remote", "get-url", "origin") or "").strip()
    branches = git.stdout(running_version.folder, "branch", "--remotes", "--contains", running_version.commit)
    if not (branches or "").strip() or not url.isprintable() or " " in url:
        return None
    if _HOST_AND_PATH.fullmatch(url):
        return url
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.hostname:
        return None
    user, _, host = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return parts._replace(netloc=f"{name}@{host}" if name and parts.scheme == "ssh" else host).geturl()


def _lies_in(name: str, parts: list[PurePosixPath]) -> bool:
    return any(PurePosixPath(name).is_relative_to(part) for part in parts)


def _no_code(commit: str) -> UserError:
    return UserError(f"{commit[:_SHORT]}: expected a commit of {version.DISTRIBUTION} that knows `new`, got another")

"""What a run starts from, captured once before it starts: so it can be told later, from another process, the same way.

Knows git and DVC, not MLflow.
"""

import getpass
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline import lock, provenance
from pipeline.provenance import Commit, Experiment, Processor

# A diff is there to be read; above a million characters it is data, which DVC keeps.
CHANGES_LENGTH = 1_000_000

# DVC's own settings can hold keys of a remote, and change no result.
_NEVER_SHOWN = (".dvc",)


@dataclass(frozen=True)
class Circumstances:
    """Who ran what where: ``changes`` is the diff of a dirty commit, ``inputs`` the md5 of what train reads."""

    user: str
    versions: dict[str, str]
    commit: Commit | None = None
    changes: str = ""
    experiment: Experiment | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    processor: Processor | None = None

    def to_json(self) -> dict[str, Any]:
        """The same as plain mappings."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Circumstances":
        """Read back what ``to_json`` gave."""
        parts = {"processor": Processor, "commit": Commit, "experiment": Experiment}
        return cls(**document | {name: document[name] and part(**document[name]) for name, part in parts.items()})


def here() -> Circumstances:
    """The circumstances of a stage that starts now, in this process's folder and environment."""
    folder = Path.cwd()
    commit = provenance.commit(folder)
    return Circumstances(
        user=user(),
        versions=provenance.versions(),
        processor=provenance.processor(),
        commit=commit,
        changes=changes(folder, "HEAD") if commit and commit.dirty else "",
        experiment=provenance.experiment(),
        inputs=lock.inputs(folder, "train"),
    )


def user() -> str:
    """Who runs this process, as far as the system knows; a container may know no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def changes(folder: Path, *revisions: str) -> str:
    """What `git diff` says between two revisions, or between one and the working tree, about the files of ``folder``.

    Left out are what DVC writes and keeps for itself, and files that git was told to ignore. Cut after
    CHANGES_LENGTH characters, with a last line that says so.
    """
    ignored = _printed(folder, "ls-files", "-z", "--cached", "--ignored", "--exclude-standard").split("\0")
    hidden = [*provenance.WRITTEN_BY_DVC, *_NEVER_SHOWN, *ignored]
    excluded = [f":(exclude,literal){path}" for path in hidden if path]
    # However the user's own git is set up, the text is one that `git apply` takes.
    plain = ["--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/", "--no-relative"]
    text = _printed(folder, "diff", *plain, *revisions, "--", ".", *excluded)
    if len(text) > CHANGES_LENGTH:
        return f"{text[:CHANGES_LENGTH]}\n... cut here, of {len(text):,} characters\n"
    return text


def _printed(folder: Path, *words: str) -> str:
    return provenance.git(folder, *words) or ""

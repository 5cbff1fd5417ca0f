"""What a run starts from, captured once before it starts: so it can be told later, from another process, the same way.

Knows git and DVC, not MLflow.
"""

import getpass
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.repository import environment, git, lockfile, project
from pipeline.repository.environment import Processor
from pipeline.repository.git import Commit, diff
from pipeline.repository.project import Experiment


@dataclass(frozen=True)
class RunContext:
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
    def from_json(cls, document: dict[str, Any]) -> "RunContext":
        """Read back what ``to_json`` gave."""
        parts = {"processor": Processor, "commit": Commit, "experiment": Experiment}
        return cls(**document | {name: document[name] and part(**document[name]) for name, part in parts.items()})


def here() -> RunContext:
    """The circumstances of a stage that starts now, in this process's folder and environment."""
    folder = Path.cwd()
    commit = git.head_commit(folder)
    return RunContext(
        user=user(),
        versions=environment.installed_versions(),
        processor=environment.read_processor(),
        commit=commit,
        changes=diff(folder, "HEAD") if commit and commit.dirty else "",
        experiment=project.experiment(),
        inputs=lockfile.inputs(folder, "train"),
    )


def user() -> str:
    """Who runs this process, as far as the system knows; a container may know no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"

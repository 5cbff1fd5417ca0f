"""The context of a run, captured once before it starts, so that any process can write it later.

Knows git and DVC, not MLflow.
"""

import getpass
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipeline.repository import environment, git, lockfile, project
from pipeline.repository.git import Commit, diff
from pipeline.repository.project import Experiment
from pipeline.tracking.client.tags import (
    BASELINE_TAG,
    BRANCH_TAG,
    COMMIT_TAG,
    CPU_TAG,
    DIRTY_TAG,
    EXPERIMENT_TAG,
    USER_TAG,
    VERSION_PREFIX,
)


@dataclass(frozen=True)
class RunContext:
    """User, versions, code and processor of a run: ``changes`` is the diff of a dirty commit, ``inputs`` are md5s."""

    user: str
    versions: dict[str, str]
    commit: Commit | None = None
    changes: str = ""
    experiment: Experiment | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    processor: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The context as plain mappings."""
        return asdict(self)

    def tags(self) -> dict[str, str]:
        """The tags of a run that started here."""
        tags = {USER_TAG: self.user}
        tags |= {f"{VERSION_PREFIX}{package}": version for package, version in self.versions.items()}
        if self.processor:
            tags[CPU_TAG] = self.processor
        if self.commit:
            tags |= {COMMIT_TAG: self.commit.sha, DIRTY_TAG: str(self.commit.dirty).lower()}
            if self.commit.branch:
                tags[BRANCH_TAG] = self.commit.branch
        if self.experiment:
            tags[EXPERIMENT_TAG] = self.experiment.name
            if self.experiment.baseline:
                tags[BASELINE_TAG] = self.experiment.baseline
        return tags

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "RunContext":
        """Read back what ``to_json`` gave."""
        parts = {"commit": Commit, "experiment": Experiment}
        return cls(**document | {name: document[name] and part(**document[name]) for name, part in parts.items()})


def here() -> RunContext:
    """The context of a stage that starts now, in this process's folder and environment."""
    folder = Path.cwd()
    commit = git.head_commit(folder)
    return RunContext(
        user=user(),
        versions=environment.installed_versions(),
        processor=environment.processor_name(),
        commit=commit,
        changes=diff(folder, "HEAD") if commit and commit.dirty else "",
        experiment=project.experiment(),
        inputs=lockfile.inputs(folder, "train"),
    )


def user() -> str:
    """The user of this process; a container may know no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"

"""The results of a verification as JSON: the same ones on the same machine give the same bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.commands.verify.comparison import OutputResult
from pipeline.repository.lockfile import Lock

FORMAT = "softmax-receipt/2"


@dataclass(frozen=True)
class Trial:
    """The findings of one run of all stages; ``setting`` says under what, such as "2 threads"."""

    setting: str
    findings: Sequence[OutputResult]

    @property
    def identical(self) -> bool:
        """Whether every byte is as recorded."""
        return all(finding.difference is None for finding in self.findings)


@dataclass(frozen=True)
class Circumstances:
    """Circumstances that decide a result and that dvc.lock does not record.

    ``uncovered`` is the MD5 by path of code that stages loaded and that is no dependency; ``changed`` are those of them
    that changed after dvc.lock was committed; ``pins`` says which versions are not those of requirements.lock;
    ``other_commands`` are those of stages elsewhere than in the project's dvc.yaml.
    """

    uncovered: dict[str, str]
    changed: Sequence[str]
    pins: Sequence[str]
    other_commands: Mapping[str, object] = field(default_factory=dict)


def document(
    commit: str, lock: Lock, trials: Sequence[Trial], environment: dict[str, str], circumstances: Circumstances
) -> dict[str, Any]:
    """The receipt of a commit: no time and no host, so that whoever repeats it can compare receipts too."""
    commands = {name: stage.get("cmd") for name, stage in lock.stages.items()}
    return {
        "format": FORMAT,
        "commit": commit,
        "verdict": "identical" if all(trial.identical for trial in trials) else "different",
        "environment": environment,
        "inputs": lock.inputs(),
        "commands": commands | dict(circumstances.other_commands),
        "uncovered": dict(circumstances.uncovered),
        "changed": list(circumstances.changed),
        "pins": list(circumstances.pins),
        "trials": [_trial(trial) for trial in trials],
    }


def _trial(trial: Trial) -> dict[str, Any]:
    different = {finding.place: finding.difference for finding in trial.findings if finding.difference}
    files = {
        finding.place: {"recorded": finding.recorded, "made": finding.now}
        for finding in trial.findings
        if finding.recorded or finding.now
    }
    return {"setting": trial.setting, "outputs": files, "differences": different}

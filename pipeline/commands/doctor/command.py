"""What stands in the way of the promises on this machine, and what to do about it."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from pipeline.commands.doctor.machine import disk, packages, processor, python
from pipeline.commands.doctor.project import git_state, leftovers, params_file, queue, remote, store
from pipeline.commands.doctor.result import PROBLEM, CheckResult
from pipeline.repository import project

# What is looked at, quick ones first.
CHECKS: dict[str, Callable[[Path], Iterator[CheckResult]]] = {
    "python": python,
    "packages": packages,
    "processor": processor,
    "git": git_state,
    "params": params_file,
    "disk": disk,
    "leftovers": leftovers,
    "dvc queue": queue,
    "dvc remote": remote,
    "mlflow": store,
}


def diagnose(root: Path) -> Iterator[CheckResult]:
    """Every finding about the project at ``root`` and the machine."""
    for check in CHECKS.values():
        yield from check(root)


def main(*, as_json: bool) -> None:
    """Print a line a finding, or one JSON document; SystemExit(1) if there is a problem."""
    findings = diagnose(project.project_root())
    found = _as_json(findings) if as_json else _as_lines(findings)
    if any(finding.state == PROBLEM for finding in found):
        sys.exit(1)


def _as_json(findings: Iterable[CheckResult]) -> list[CheckResult]:
    found = list(findings)
    healthy = not any(finding.state == PROBLEM for finding in found)
    print(json.dumps({"healthy": healthy, "findings": [asdict(finding) for finding in found]}, indent=2))
    return found


def _as_lines(findings: Iterable[CheckResult]) -> list[CheckResult]:
    """Print while they come: a remote that does not answer takes its time."""
    console = Console(highlight=False, soft_wrap=True)
    found = []
    for finding in findings:
        found.append(finding)
        console.print(f"{finding.state:8} {finding.area}: {finding.said}", markup=False)
        if finding.do:
            console.print(f"{'':8} -> {finding.do}", markup=False)
    return found

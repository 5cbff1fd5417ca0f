"""`python -m pipeline doctor`: problems of this machine and project, and what to do about each."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline import screen
from pipeline.commands.doctor.machine import (
    check_arithmetic,
    check_free_space,
    check_installed_versions,
    check_python_version,
    describe_system,
)
from pipeline.commands.doctor.project import (
    check_clean_commit,
    check_leftovers_of_kills,
    check_params,
    check_queue,
    check_remote,
    check_store,
)
from pipeline.commands.doctor.result import PROBLEM, CheckResult
from pipeline.repository import project

_MARGIN = 9  # of the sentences, beside their states

# Quick ones first.
CHECKS: dict[str, Callable[[Path], Iterator[CheckResult]]] = {
    "system": describe_system,
    "python": check_python_version,
    "packages": check_installed_versions,
    "arithmetic": check_arithmetic,
    "git": check_clean_commit,
    "params": check_params,
    "disk": check_free_space,
    "leftovers": check_leftovers_of_kills,
    "dvc queue": check_queue,
    "dvc remote": check_remote,
    "mlflow": check_store,
}


def diagnose(root: Path) -> Iterator[CheckResult]:
    """Every result about the project at ``root`` and the machine."""
    for check in CHECKS.values():
        yield from check(root)


def main(*, as_json: bool) -> None:
    """Print a line a result, or one JSON document; SystemExit(1) if there is a problem."""
    # Check; lines are printed while results come: a remote that does not answer takes its time.
    results = []
    for result in diagnose(project.project_root()):
        results.append(result)
        if not as_json:
            screen.say(f"{result.state:8} {result.area}: {result.sentence}", indent=_MARGIN)
            if result.do:
                screen.say(f"{'':8} -> {result.do}", indent=_MARGIN + 3)
    # Conclude.
    healthy = all(result.state != PROBLEM for result in results)
    if as_json:
        print(json.dumps({"healthy": healthy, "findings": [result.to_json() for result in results]}, indent=2))
    if not healthy:
        sys.exit(1)

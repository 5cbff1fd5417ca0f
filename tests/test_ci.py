""".github/workflows/ci.yml against what the project has."""

import re
from typing import Any

from ruamel.yaml import YAML

from pipeline.commands.cli import cli
from tests.project import SOURCE

WORKFLOW: dict[str, Any] = YAML(typ="safe", pure=True).load(
    (SOURCE / ".github/workflows/ci.yml").read_text(encoding="utf-8")
)
STEPS = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]


def test_every_command_of_the_workflow_is_one_of_the_project() -> None:
    """A target that was renamed would be found out only where the workflow runs."""
    commands = "\n".join(step.get("run", "") for step in STEPS)
    targets = set(re.findall(r"^([a-z]+):", (SOURCE / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    used = set(re.findall(r"\bmake ([a-z]+)", commands))
    words = set(re.findall(r"python -m pipeline ([a-z]+)", commands))
    assert {"run", "check", "quick"} <= used <= targets
    assert {"summary", "doctor"} <= words <= set(cli.commands)


def test_what_is_not_of_the_project_is_pinned_and_may_only_read() -> None:
    """An action is named by its commit, which nobody can move, and gets no secret and no right to write."""
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert used
    assert [action for action in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)] == []
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert [name for name, job in WORKFLOW["jobs"].items() if "permissions" in job or "secrets" in job] == []


def test_each_system_compares_what_it_wrote_with_what_is_committed() -> None:
    """Linux on both architectures, macOS and Windows; the comparison fails by itself and may not be passed over."""
    job = WORKFLOW["jobs"]["bytes"]
    kinds = {(runner.partition("-")[0], runner.endswith("-arm")) for runner in job["strategy"]["matrix"]["runner"]}
    assert {("ubuntu", False), ("ubuntu", True), ("macos", False), ("windows", False)} <= kinds
    (compared, *_) = [step for step in job["steps"] if "git diff --exit-code" in step.get("run", "")]
    assert "dvc.lock reports" in compared["run"]
    assert compared.keys().isdisjoint({"if", "continue-on-error"})

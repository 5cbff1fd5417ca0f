"""dvc.yaml against the code that it runs."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
STAGES = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def _imports(module: Path) -> set[Path]:
    """The files of this project that a module imports, wherever in it; the package itself, which is loaded first."""
    found = {"pipeline.__init__"}
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files = {ROOT / (name.replace(".", "/") + ".py") for name in found if name.startswith("pipeline.")}
    return {file for file in files if file.exists()}


def _closure(module: Path) -> set[str]:
    """A module and everything of this project that it imports, directly or not, as dvc.yaml writes it."""
    seen: set[Path] = set()
    waiting = {module}
    while waiting:
        file = waiting.pop()
        seen.add(file)
        waiting |= _imports(file) - seen
    return {file.relative_to(ROOT).as_posix() for file in seen}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_the_modules_it_imports(stage: str) -> None:
    """A change of code re-runs the stages that it can change, and no other."""
    declared = {dep for dep in STAGES[stage]["deps"] if dep.startswith("pipeline/")}
    assert declared == _closure(ROOT / "pipeline" / f"{stage}.py")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_one_name_in_six_places(stage: str) -> None:
    """Stage, command-line word, module, params section and test file share the name."""
    params = YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    assert STAGES[stage]["cmd"].startswith(f"python -m pipeline {stage} ")
    assert STAGES[stage]["params"] == [stage]
    assert stage in params
    assert (ROOT / "tests" / f"test_{stage}.py").exists()


@pytest.mark.parametrize("stage", STAGES)
def test_no_param_stands_in_a_command(stage: str) -> None:
    """A shell reads the commands: a file name in one could run another."""
    assert "${" not in STAGES[stage]["cmd"]

"""dvc.yaml against the code that it runs."""

import ast
from pathlib import Path, PurePosixPath

import pytest
from ruamel.yaml import YAML

from tests.project import SOURCE

_ALL_STAGES = YAML(typ="safe", pure=True).load((SOURCE / "dvc.yaml").read_text(encoding="utf-8"))["stages"]

# A stage without outputs, such as the check of params, has no bytes that its code could decide.
STAGES = {name: stage for name, stage in _ALL_STAGES.items() if {"outs", "metrics"} & stage.keys()}

# Files below a stage's dependencies that it does not import: a change of one re-runs it for nothing. The list grows on
# purpose only.
WATCHED_WITHOUT_NEED: dict[str, set[str]] = {
    "prepare": {
        "pipeline/dataset/reader.py",
        "pipeline/dataset/values.py",
        "pipeline/parallel/lazy.py",
    },
    "train": {"pipeline/dataset/writer.py"},
    "decide": {
        "pipeline/arithmetic/lookups.py",
        "pipeline/arithmetic/reference/lookups.py",
        "pipeline/dataset/writer.py",
        "pipeline/resampling/entries.py",
        "pipeline/scoring/column_effects.py",
        "pipeline/scoring/intervals.py",
        "pipeline/scoring/predictions.py",
    },
    "evaluate": {
        *(f"pipeline/arithmetic/{name}.py" for name in ("factors", "lookups", "softmax")),
        *(f"pipeline/arithmetic/reference/{name}.py" for name in ("factors", "lookups", "softmax")),
        "pipeline/dataset/writer.py",
        "pipeline/scoring/column_effects.py",
        "pipeline/scoring/intervals.py",
    },
    "infer": {
        "pipeline/dataset/row_digests.py",
        "pipeline/dataset/writer.py",
        *(
            f"pipeline/numerics/curvature/{name}.py"
            for name in ("class_blocks", "dense", "preconditioners", "row_space")
        ),
        "pipeline/numerics/data/sample.py",
    },
    "report": {
        *(f"pipeline/dataset/{name}.py" for name in ("reader", "row_digests", "values", "writer")),
        "pipeline/documents/yaml_documents.py",
        *(f"pipeline/parallel/{name}.py" for name in ("lazy", "threads")),
        "pipeline/results/receipts.py",
        *(f"pipeline/scoring/{name}.py" for name in ("intervals", "logits", "predictions")),
        *(f"pipeline/arithmetic/{name}.py" for name in ("factors", "lookups", "softmax")),
        *(f"pipeline/arithmetic/reference/{name}.py" for name in ("factors", "lookups", "softmax")),
    },
}
# It takes no params of its own, and shows those of the others.
WITHOUT_SECTION = {"report"}


def _imports(module: Path) -> set[Path]:
    """The files of this project that a module imports, wherever in it, each with the packages that it lies in."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    modules = {SOURCE / (name.replace(".", "/") + ".py") for name in names if name.startswith("pipeline.")}
    files = {file for file in modules if file.exists()}
    return files | {package / "__init__.py" for file in files for package in file.parents if package > SOURCE}


def _closure(module: Path) -> set[str]:
    """A module and everything of this project that it imports, directly or not, as dvc.yaml writes it."""
    seen: set[Path] = set()
    waiting = {module}
    while waiting:
        file = waiting.pop()
        seen.add(file)
        waiting |= {other for other in _imports(file) if other.is_relative_to(SOURCE / "pipeline")} - seen
    return {file.relative_to(SOURCE).as_posix() for file in seen}


def _code(stage: str) -> set[str]:
    return {dep for dep in STAGES[stage]["deps"] if dep.startswith("pipeline/")}


def _below(dep: str) -> set[str]:
    """The code files that a dependency is, or holds."""
    path = SOURCE / dep
    files = [path] if path.is_file() else path.rglob("*.py")
    return {file.relative_to(SOURCE).as_posix() for file in files}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_that_it_imports(stage: str) -> None:
    """Every imported module is a dependency or lies below one, what pins the bytes among them."""
    imported = _closure(SOURCE / "pipeline" / stage / "stage.py")
    assert "pipeline/__init__.py" in imported
    deps = [PurePosixPath(dep) for dep in _code(stage)]
    assert [file for file in imported if not any(PurePosixPath(file).is_relative_to(dep) for dep in deps)] == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_little_that_it_does_not_import(stage: str) -> None:
    """Every dependency holds an imported module; the files that none needs are those that are listed here."""
    imported = _closure(SOURCE / "pipeline" / stage / "stage.py")
    assert [dep for dep in _code(stage) if not _below(dep) & imported] == []
    watched = {file for dep in _code(stage) for file in _below(dep)}
    assert watched - imported == WATCHED_WITHOUT_NEED[stage]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_one_name_in_six_places(stage: str) -> None:
    """Stage, command-line word, package, params section, if it has one, and test folder share the name."""
    params = YAML(typ="safe", pure=True).load((SOURCE / "params.yaml").read_text(encoding="utf-8"))
    assert STAGES[stage]["cmd"].startswith(f"python -m pipeline {stage} ")
    assert (STAGES[stage]["params"] == [stage]) == (stage not in WITHOUT_SECTION)
    assert (stage in params) == (stage not in WITHOUT_SECTION)
    assert (SOURCE / "tests" / stage / "test_stage.py").exists()


@pytest.mark.parametrize("stage", STAGES)
def test_no_param_stands_in_a_command(stage: str) -> None:
    """A shell reads the commands: a file name in one could run another."""
    assert "${" not in STAGES[stage]["cmd"]

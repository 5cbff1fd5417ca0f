"""Projects that git does not know, or does not know yet, train all the same."""

import shutil
from pathlib import Path

import pytest

from tests.project import Project

pytestmark = pytest.mark.slow


def test_project_without_commits_is_trained_and_tracked(tmp_path: Path) -> None:
    """`dvc repro` makes all outputs and a run; `track` and `runs` find it in the workspace.

    First without git, then in a repository without a commit.
    """
    project = Project(tmp_path / "project")
    shutil.rmtree(project.folder / ".git")
    project.dvc("config", "core.no_scm", "true")
    assert "MLflow: run " in project.dvc("repro").stdout
    assert (project.folder / "reports" / "metrics.json").is_file()
    _require_tracked(project)

    project.dvc("config", "--unset", "core.no_scm")
    project.run("git", "init", "-q")
    (project.folder / "mlflow.db").unlink()
    assert "MLflow: run " in project.dvc("repro", "--force", "--downstream", "train").stdout
    _require_tracked(project)


def _require_tracked(project: Project) -> None:
    (line,) = project.pipeline("track").stdout.splitlines()
    assert line.startswith("workspace: run ")
    assert line.endswith("is there")
    assert "eval/log_loss 0.16" in project.pipeline("runs").stdout

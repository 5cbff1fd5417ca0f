"""Projects that git does not know, or does not know yet, train all the same."""

import shutil
from pathlib import Path

import pytest

from tests.project import Project

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("initialised", [False, True], ids=["no git", "no commit"])
def test_project_without_commits_is_trained_and_tracked(tmp_path: Path, initialised: bool) -> None:
    """`dvc repro` makes all outputs and a run; `track` and `runs` find it in the workspace."""
    project = Project(tmp_path / "project")
    shutil.rmtree(project.folder / ".git")
    if initialised:
        project.run("git", "init", "-q")
    else:
        project.dvc("config", "core.no_scm", "true")
    result = project.dvc("repro")
    assert "MLflow: run " in result.stdout
    assert (project.folder / "reports" / "metrics.json").is_file()
    (line,) = project.pipeline("track").stdout.splitlines()
    assert line.startswith("workspace: run ")
    assert line.endswith("is there")
    assert "eval/log_loss 0.16" in project.pipeline("runs").stdout

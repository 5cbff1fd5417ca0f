"""Stages that MLflow did not get: kept as files, sent in their order, each once."""

import json
import shutil

import pytest

from pipeline.tracking import resend
from pipeline.tracking.client import outbox
from pipeline.tracking.client.tags import KEY_TAG
from pipeline.tracking.runs import train_run
from pipeline.tracking.store.store import Store
from tests.tracking.outputs import Project


def keep(project: Project, stage: str, store: Store, *, started: int = 1000, identity: str = "") -> outbox.OutboxEntry:
    """Keep a stage of the project that took a second."""
    event = project.started(started)
    entry = outbox.OutboxEntry(
        stage=stage,
        identity=identity or event.identity,
        experiment=store.experiment,
        params=event.params,
        circumstances=event.context.to_json(),
        started=started,
        ended=started + 1000,
    )
    folders = ("prepared", "models", "reports") if stage == "evaluate" else ("prepared", "models")
    outbox.keep(project.folder, entry, {name: project.paths[name] for name in folders})
    return entry


@pytest.mark.slow
def test_kept_stages_become_the_run_that_was_missed(store: Store, project: Project) -> None:
    """Training and evaluation are one run with their own times, though the project's outputs are gone by then."""
    keep(project, "train", store)
    keep(project, "evaluate", store, started=5000)
    for path in project.paths.values():
        shutil.rmtree(path)
    sent = resend.send(store, project.folder).sent
    (run,) = store.client.search_runs([store.experiment_id])
    assert sent == [run.info.run_id] * 2
    assert (run.info.status, run.info.start_time, run.info.end_time) == ("FINISHED", 1000, 2000)
    assert {"by epoch/cost", "eval/log_loss"} <= run.data.metrics.keys()
    assert run.data.tags[KEY_TAG] == project.model.key
    assert outbox.waiting(project.folder) == []


@pytest.mark.slow
def test_half_written_run_is_replaced(store: Store, project: Project) -> None:
    """The run of a training that lost its store on the way is not left beside the complete one."""
    started = project.started(1000)
    half = train_run.Mirrored(store, started)
    half.epochs([{"epoch": 0, "cost": 1.0}], 1500)
    keep(project, "train", store, identity=started.identity)
    resend.send(store, project.folder)
    (run,) = store.client.search_runs([store.experiment_id])
    assert run.info.run_id != half.run_id
    assert run.info.status == "FINISHED"


def test_entry_that_was_sent_already_is_not_sent_again(store: Store, project: Project) -> None:
    """A process that ended between sending and forgetting leaves no second run."""
    started = project.started(1000)
    run_id = train_run.Mirrored(store, started).finished(2000)
    keep(project, "train", store, identity=started.identity)
    assert resend.send(store, project.folder).sent == [run_id]
    assert len(store.client.search_runs([store.experiment_id])) == 1


def test_damaged_entry_is_told_and_stops_no_other(store: Store, project: Project) -> None:
    """What cannot be read is named and stays; what came after it is sent."""
    keep(project, "train", store)
    (damaged,) = outbox.waiting(project.folder)
    (damaged / "models" / "softmax.json").write_text("{}", encoding="utf-8")
    keep(project, "train", store, started=9000)
    result = resend.send(store, project.folder)
    assert len(result.sent) == 1
    assert result.damaged[0].startswith(f".cache/tracking/{damaged.name}: ")
    assert outbox.waiting(project.folder) == [damaged]


def test_entry_that_mlflow_refuses_is_told_and_stops_no_other(store: Store, project: Project) -> None:
    """What MLflow will never take, here a data set from an address of 80,000 characters, holds nothing else up."""
    keep(project, "train", store)
    (refused,) = outbox.waiting(project.folder)
    document = json.loads((refused / "entry.json").read_text(encoding="utf-8"))
    document["params"]["prepare"]["source"] = "a/" * 40_000
    (refused / "entry.json").write_text(json.dumps(document), encoding="utf-8")
    keep(project, "train", store, started=9000)
    result = resend.send(store, project.folder)
    assert len(result.sent) == 1
    assert "exceeds the maximum length" in result.damaged[0]
    assert outbox.waiting(project.folder) == [refused]


@pytest.mark.slow
def test_a_stage_sends_a_few_and_leaves_the_rest(store: Store, project: Project) -> None:
    """The limit holds, oldest first."""
    for started in (3000, 20_000, 1000):
        keep(project, "train", store, started=started)
    resend.send(store, project.folder, limit=2)
    assert [run.info.start_time for run in store.client.search_runs([store.experiment_id])] == [3000, 1000]
    assert [path.name.split("-")[0] for path in outbox.waiting(project.folder)] == ["21000"]


def test_missing_file_keeps_nothing(store: Store, project: Project) -> None:
    """An entry is whole or not there."""
    (project.paths["models"] / "history.csv").unlink()
    with pytest.raises(FileNotFoundError):
        keep(project, "train", store)
    assert list((project.folder / ".cache" / "tracking").iterdir()) == []

"""The join of DVC and MLflow: evaluations find the run of their model, and no finished training stays without."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.repository.project import Experiment
from pipeline.tracking.runs import evaluate_run, train_run
from pipeline.tracking.store import search
from pipeline.tracking.store.store import Store
from tests.tracking.outputs import PARAMS, Project


def train(store: Store, project: Project, time: int = 1000) -> str:
    """The id of the run of a training."""
    return train_run.Mirrored(store, project.started(time)).finished(time + 500)


def evaluate(store: Store, project: Project, time: int = 9000) -> str:
    """The id of the run that the evaluation joined."""
    return evaluate_run.record(store, project.started(time), time)


@pytest.mark.slow
def test_evaluation_joins_the_run_of_its_model(store: Store, project: Project, tmp_path: Path) -> None:
    """Metrics, reports and the evaluate params go to the finished run of that model, which stays finished."""
    other = Project(tmp_path / "other", seed=2)
    run_id = train(store, project)
    train(store, other, 2000)
    assert evaluate(store, project) == run_id
    run = store.client.get_run(run_id)
    assert (run.info.status, run.info.end_time) == ("FINISHED", 1500)
    assert run.data.metrics["eval/log_loss"] == 0.25
    assert run.data.metrics["eval/log_loss/baseline"] == 1.1
    assert run.data.params["evaluate.calibration_bins"] == "10"
    assert run.data.tags["mlflow.note.content"].startswith("**train log loss 0.2500 nats")
    files = {info.path for info in store.client.list_artifacts(run_id)}
    assert {"metrics.json", "confusion_matrix.csv"} <= files


@pytest.mark.slow
def test_evaluation_prefers_its_own_dvc_experiment(
    store: Store, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two runs of the same model, the one of the same experiment is joined, though the other is newer."""
    monkeypatch.setenv("DVC_EXP_NAME", "ruddy-kaka")
    own = train(store, project, 1000)
    monkeypatch.setenv("DVC_EXP_NAME", "nodal-want")
    newer = train(store, project, 5000)
    monkeypatch.setenv("DVC_EXP_NAME", "ruddy-kaka")
    assert evaluate(store, project) == own
    monkeypatch.delenv("DVC_EXP_NAME")
    assert evaluate(store, project) == newer


def test_names_of_experiments_are_no_query(store: Store, project: Project) -> None:
    """A name with a quote in it finds the run by its key, and does not break the search."""
    run_id = train(store, project)
    matches = search.find(store, project.model.key, Experiment("it's", None))
    assert matches is not None
    assert matches.info.run_id == run_id


def test_evaluation_without_a_run_makes_one_from_the_files(store: Store, project: Project) -> None:
    """A model that was trained without MLflow gets a complete run when it is evaluated."""
    run = store.client.get_run(evaluate(store, project))
    assert (run.info.status, run.data.tags["rebuilt"]) == ("FINISHED", "true")
    assert run.data.metrics["eval/log_loss"] == 0.25
    assert len(store.client.get_metric_history(run.info.run_id, "by epoch/cost")) == project.epochs


@pytest.mark.slow
def test_run_deleted_by_hand_is_replaced(store: Store, project: Project) -> None:
    """An evaluation does not write into a deleted run."""
    deleted = train(store, project)
    store.client.delete_run(deleted)
    assert evaluate(store, project) != deleted


@pytest.mark.slow
def test_evaluating_twice_writes_once(store: Store, project: Project) -> None:
    """The same metrics again are not a second point of the chart; changed ones are what the run shows."""
    run_id = train(store, project)
    for time in (2000, 3000):
        evaluate(store, project, time)
    assert [point.timestamp for point in store.client.get_metric_history(run_id, "eval/log_loss")] == [2000]
    project.write_metrics(log_loss=0.125)
    evaluate(store, project, 4000)
    assert store.client.get_run(run_id).data.metrics["eval/log_loss"] == 0.125


@pytest.mark.slow
def test_changed_evaluate_param_is_told_by_a_tag(store: Store, project: Project) -> None:
    """MLflow never changes a param, so a later value stands in a tag of the same name."""
    run_id = train(store, project)
    evaluate(store, project)
    evaluate_run.record(store, project.started(9500, PARAMS | {"evaluate": {"calibration_bins": 20}}), 9500)
    data = store.client.get_run(run_id).data
    assert (data.params["evaluate.calibration_bins"], data.tags["evaluate.calibration_bins"]) == ("10", "20")


@pytest.mark.slow
def test_repeated_training_gets_the_metrics_of_its_twin(store: Store, project: Project) -> None:
    """DVC does not evaluate the same model again, so the second run says where its metrics come from."""
    first = train(store, project, 1000)
    evaluate(store, project)
    second = store.client.get_run(train(store, project, 10_000))
    assert second.data.metrics["eval/log_loss"] == 0.25
    assert second.data.tags["eval.from"] == first
    evaluate(store, project, 20_000)
    assert "eval.from" not in store.client.get_run(second.info.run_id).data.tags


@pytest.mark.slow
def test_runs_whose_owner_is_gone_are_ended(store: Store) -> None:
    """A running run of a dead process becomes KILLED; those of this process, other hosts and other tools stay."""
    dead = subprocess.run(
        [sys.executable, "-c", "from pipeline.tracking.store import search; print(search.owner())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    owners = {"dead": dead, "mine": search.owner(), "far": "another-host:1:2.00"}
    reused = search.owner().rsplit(":", 1)[0] + ":1.00"
    runs = {
        name: store.client.create_run(store.experiment_id, tags={"owner": mark}).info.run_id
        for name, mark in (owners | {"reused": reused}).items()
    }
    runs["none"] = store.client.create_run(store.experiment_id).info.run_id
    search.end_abandoned(store, 4000)
    status = {name: store.client.get_run(run_id).info.status for name, run_id in runs.items()}
    assert status == {"dead": "KILLED", "reused": "KILLED", "mine": "RUNNING", "far": "RUNNING", "none": "RUNNING"}

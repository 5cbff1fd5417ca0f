"""A sweep in a real MLflow store: a parent with the choice, and a child for each l2."""

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run

from pipeline.commands.sweep import command as sweeps
from pipeline.commands.sweep import params
from pipeline.tracking import resend
from pipeline.tracking.client import outbox, run_context
from pipeline.tracking.client.tags import PARENT_TAG
from pipeline.tracking.runs import sweep_run
from pipeline.tracking.runs.train_run import Started
from pipeline.tracking.store.store import Store
from pipeline.train.params import TrainParams
from tests.problems import synthetic
from tests.tracking.outputs import PARAMS
from tests.train.cross_validation.test_folds import prepared

VALUES = [0.1, 0.01, 0.001]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders that a real sweep of three l2 has read and written."""
    folder = tmp_path_factory.mktemp("sweep")
    prepared(folder / "prepared", synthetic(200, 3, (3,), 3))
    sweeps.main(
        params=params.SweepParams(l2=params.Penalties(values=VALUES), folds=4),
        trained=TrainParams(solver="auto", seed=0, epochs=100, snapshot_every=1),
        prepared=folder / "prepared",
        out=folder / "reports",
    )
    return {name: folder / name for name in ("prepared", "reports")}


@pytest.fixture
def document(paths: dict[str, Path]) -> dict[str, Any]:
    """What sweep.json says."""
    return json.loads((paths["reports"] / "sweep.json").read_text(encoding="utf-8"))


def recorded(store: Store, paths: dict[str, Path]) -> tuple[Run, list[Run]]:
    """The parent and its children, from the strongest l2."""
    train = {"solver": "auto", "l2": 0.5}
    begun = Started(outbox.new_identity(), PARAMS | {"train": train}, run_context.here(), paths, 1000)
    parent = sweep_run.record(store, begun, 2000)
    children = store.client.search_runs([store.experiment_id], f"tags.`mlflow.parentRunId` = '{parent}'")
    return store.client.get_run(parent), sorted(children, key=lambda run: -float(run.data.params["train.l2"]))


@pytest.mark.slow
def test_each_l2_is_a_child_with_its_numbers(store: Store, paths: dict[str, Path], document: dict[str, Any]) -> None:
    """Mean, standard error, passes and bound are those of sweep.json; the log loss of each fold is a step."""
    _, children = recorded(store, paths)
    assert [float(child.data.params["train.l2"]) for child in children] == VALUES
    for child, line in zip(children, document["lines"], strict=True):
        for name in ("log_loss", "standard_error", "training_log_loss", "passes", "relative_bound"):
            assert child.data.metrics[f"sweep/{name}"] == line[name]
        by_fold = store.client.get_metric_history(child.info.run_id, "sweep/log_loss by fold")
        assert [(point.step, point.value) for point in sorted(by_fold, key=lambda point: point.step)] == [
            (number, fit["log_loss"]) for number, fit in enumerate(line["folds"], 1)
        ]
        assert (child.info.status, child.info.start_time, child.info.end_time) == ("FINISHED", 1000, 2000)
        assert child.data.tags["train.status"] == "converged"


def test_the_parent_has_choice_curves_and_files(store: Store, paths: dict[str, Path], document: dict[str, Any]) -> None:
    """The chosen l2 is a tag and a bar; curves run by the power of ten; the table is among the artifacts."""
    parent, children = recorded(store, paths)
    assert len(children) == 3
    assert parent.data.tags["sweep.l2"] == repr(document["chosen_l2"])
    assert parent.data.metrics["chosen/l2"] == document["chosen_l2"]
    assert parent.data.metrics["lowest/l2"] == document["lowest_l2"]
    curve = store.client.get_metric_history(parent.info.run_id, "by l2/log_loss")
    assert {point.step: point.value for point in curve} == {
        step: line["log_loss"] for step, line in zip((1000, 2000, 3000), document["lines"], strict=True)
    }
    files = {file.path for file in store.client.list_artifacts(parent.info.run_id)}
    assert {"sweep.json", "sweep.csv"} <= files
    assert "train.l2" not in parent.data.params
    assert parent.data.params["sweep.folds"] == "4"
    assert parent.info.status == "FINISHED"


def test_names_say_what_differs(store: Store, paths: dict[str, Path], document: dict[str, Any]) -> None:
    """Children are called by their l2, with a mark on the lowest and the chosen; the parent by data and choice."""
    parent, children = recorded(store, paths)
    marks = [
        [word for word in ("lowest", "chosen") if document[f"{word}_l2"] == line["l2"]] for line in document["lines"]
    ]
    expected = [
        f"l2={l2:g}" + (f" ({', '.join(words)})" if words else "") for l2, words in zip(VALUES, marks, strict=True)
    ]
    assert [child.info.run_name for child in children] == expected
    assert parent.info.run_name == f"sweep: l2={document['chosen_l2']:g} of 3, 4 folds"


@pytest.mark.parametrize(("l2", "step"), [(1.0, 0), (0.1, 1000), (0.0316, 1500), (10.0, -1000), (1e-6, 6000)])
def test_steps_are_powers_of_ten(l2: float, step: int) -> None:
    """A thousand steps a decade, growing to the weaker penalty."""
    assert sweep_run.step(l2) == step


def save_entry(paths: dict[str, Path], folder: Path, store: Store, identity: str) -> None:
    """Keep the sweep in a project's folder, as `pipeline.tracking.client.mirror` does where MLflow is away."""
    entry = outbox.OutboxEntry("sweep", identity, store.experiment, PARAMS, run_context.here().to_json(), 1000, 2000)
    outbox.keep(folder, entry, paths)


def test_a_kept_sweep_becomes_the_runs_that_were_missed(store: Store, paths: dict[str, Path], tmp_path: Path) -> None:
    """Sent from the spool, a sweep has parent, children and files, and nothing is left waiting."""
    save_entry(paths, tmp_path, store, outbox.new_identity())
    result = resend.send(store, tmp_path)
    assert result.damaged == []
    (parent,) = result.sent
    assert {"sweep.json", "sweep.csv"} <= {file.path for file in store.client.list_artifacts(parent)}
    children = store.client.search_runs([store.experiment_id], f"tags.`{PARENT_TAG}` = '{parent}'")
    assert sorted(float(child.data.params["train.l2"]) for child in children) == sorted(VALUES)
    assert outbox.waiting(tmp_path) == []


@pytest.mark.slow
def test_a_half_written_sweep_is_replaced(store: Store, paths: dict[str, Path], tmp_path: Path) -> None:
    """Runs that were begun before the store went away do not stay beside the complete ones; a second time is none."""
    begun = Started(outbox.new_identity(), PARAMS, run_context.here(), paths, 1000)
    parent = sweep_run.record(store, begun, 2000)
    for run in store.client.search_runs([store.experiment_id], f"tags.`{PARENT_TAG}` = '{parent}'")[:1]:
        store.client.delete_run(run.info.run_id)
    store.client.update_run(parent, "RUNNING")
    save_entry(paths, tmp_path, store, begun.identity)
    (sent,) = resend.send(store, tmp_path).sent
    save_entry(paths, tmp_path, store, begun.identity)
    assert resend.send(store, tmp_path).sent == [sent]
    runs = store.client.search_runs([store.experiment_id])
    assert (len(runs), {run.info.status for run in runs}) == (1 + len(VALUES), {"FINISHED"})
    assert parent not in {run.info.run_id for run in runs}

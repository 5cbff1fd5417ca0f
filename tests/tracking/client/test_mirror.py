"""The mirror seen from the stage: a child that loads MLflow beside it, and never stands in its way."""

import datetime
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from mlflow.entities import Run

from pipeline.commands import track
from pipeline.errors import UserError
from pipeline.tracking.client import deferred_mirror, mirror, outbox, thinning
from pipeline.tracking.client.params import TrackingParams
from tests.project import SOURCE
from tests.tracking.outputs import PARAMS, Project

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")]

QUICK = TrackingParams(live_after_s=0.0, timeout_s=60.0)

# A parent that trains for ever: argv[1] is the project.
ENDLESS = """
import os, signal, sys, time
from pathlib import Path
from pipeline.tracking.client import mirror
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in what it starts in the background
os.chdir(sys.argv[1])
from pipeline.commands import track
from pipeline.tracking.client.params import TrackingParams
from tests.tracking.outputs import PARAMS
paths = {"prepared": Path("prepared"), "models": Path("models")}
with mirror.started("train", TrackingParams(live_after_s=0.0), PARAMS, paths) as mirrored:
    for epoch in range(10**9):
        mirrored.watch({"epoch": epoch, "cost": 1.0 / (1 + epoch)})
        time.sleep(0.05)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that is the current folder, with MLflow's store at its root."""
    tutorial = Project(tmp_path / "project")
    monkeypatch.chdir(tutorial.folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tutorial


def run_of(project: Project) -> Run:
    """The only run in the project's store."""
    (run,) = MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}").search_runs(["1"])
    return run


def until(condition: Callable[[], Any]) -> Any:
    """Wait, for four minutes at most, until the condition holds, and return what it gave."""
    deadline = time.monotonic() + 240
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited for four minutes"
        time.sleep(0.05)
    return value


def run_with_costs(project: Project) -> Run:
    """The run, as soon as it has costs."""
    until((project.folder / "mlflow.db").exists)
    client = MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}")
    (run,) = until(lambda: [run for run in client.search_runs(["1"]) if "by epoch/cost" in run.data.metrics])
    return run


def started(project: Project, stage: str, params: TrackingParams = QUICK) -> Any:
    """Mirror a stage of the project."""
    return mirror.started(stage, params, PARAMS, project.paths)


def child_of(project: Project, params: TrackingParams) -> mirror.Mirror:
    """A training's mirror whose end is left to the test."""
    return mirror.Mirror(mirror.begun_entry("train", params, PARAMS), params, project.paths)


def fail_after_an_epoch(project: Project, params: TrackingParams, error: BaseException) -> None:
    """A training that ends with this exception."""
    with started(project, "train", params) as mirrored:
        mirrored.watch({"epoch": 0, "cost": 1.0})
        raise error


def test_training_and_evaluation_become_one_run(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """Both stages say where the run is, and it holds costs as well as metrics."""
    with started(project, "train", TrackingParams()) as mirrored:
        for epoch in range(project.epochs):
            mirrored.watch({"epoch": epoch, "cost": 1.0})
    with started(project, "evaluate"):
        pass
    run = run_of(project)
    sentence = f"MLflow: run {run.info.run_id[:8]} '{run.info.run_name}' in sqlite:///{project.folder}/mlflow.db"
    assert " ".join(capsys.readouterr().out.split()) == f"{sentence} {sentence}"
    assert {"by epoch/cost", "eval/log_loss"} <= run.data.metrics.keys()
    assert run.info.end_time >= run.info.start_time > 0


def test_unreachable_server_is_one_warning(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage ends well, and one line says what is missing, without the password of the address."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    with started(project, "train"):
        pass
    output = capsys.readouterr()
    assert output.err.startswith("warning: MLflow: http://***@127.0.0.1:9 cannot be reached: ")
    assert len(output.err.splitlines()) == 1
    assert "secret" not in output.err
    assert output.out == ""


def test_next_start_sends_what_was_kept(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training without a server joins its evaluation once there is a store, in one run."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with started(project, "train"):
        pass
    assert "its run is kept in .cache/tracking/" in capsys.readouterr().err
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with started(project, "evaluate"):
        pass
    assert " ".join(capsys.readouterr().out.split()).endswith("; 1 kept before went with it")
    assert {"by epoch/cost", "eval/log_loss"} <= run_of(project).data.metrics.keys()


def test_a_deferred_stage_waits_for_the_next(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """No process is started for it, its files are kept, and the next stage's child records it first."""
    with started(project, "train"):
        pass
    reports = project.paths["reports"]
    for name in ("inference.json", "coefficients.csv", "effects.csv", "influence.csv"):
        (reports / name).write_text("{}" if name.endswith("json") else "class\n", encoding="utf-8")
    capsys.readouterr()
    with deferred_mirror.deferred("infer", QUICK, PARAMS, project.paths):
        pass
    assert capsys.readouterr().out == "MLflow: a later stage records this one, too, or `python -m pipeline track`\n"
    (waiting,) = outbox.waiting(project.folder)
    assert outbox.read(waiting)[0].stage == "infer"
    with started(project, "evaluate"):
        pass
    assert "1 kept before went with it" in " ".join(capsys.readouterr().out.split())
    assert outbox.waiting(project.folder) == []
    client = MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}")
    names = {artifact.path for artifact in client.list_artifacts(run_of(project).info.run_id)}
    assert {"inference.json", "inference.csv"} <= names


def test_a_deferred_training_that_lasts_is_live(project: Project) -> None:
    """After tracking.live_after_s it has a child, whose run has the earlier epochs; its end leaves nothing to send."""
    with deferred_mirror.deferred("train", QUICK, PARAMS, project.paths, is_followed=True) as mirrored:
        mirrored.begun("a" * 64)
        mirrored.watch({"epoch": 0, "cost": 1.0})
        assert run_with_costs(project).info.status == "RUNNING"
    assert outbox.waiting(project.folder) == []
    assert run_of(project).info.status == "FINISHED"


def test_a_short_deferred_training_keeps_its_records(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """No file tells the seconds of an epoch; the stage that records the training has them all the same."""
    with deferred_mirror.deferred("train", TrackingParams(), PARAMS, project.paths, is_followed=True) as mirrored:
        for epoch in range(project.epochs):
            mirrored.watch({"epoch": epoch, "cost": 1 / (1 + epoch), "seconds": 0.25})
    assert capsys.readouterr().out == ""
    with started(project, "evaluate"):
        pass
    metrics = run_of(project).data.metrics
    assert metrics["by epoch/seconds"] == 0.25
    assert "eval/log_loss" in metrics


def test_the_stages_of_a_model_go_before_older_ones(project: Project, tmp_path: Path) -> None:
    """However many others wait: what is recorded next joins the run that they make."""
    other = Project(tmp_path / "other", seed=7)
    for _ in range(6):
        with deferred_mirror.deferred("train", TrackingParams(), PARAMS, other.paths, is_followed=True):
            pass
    with deferred_mirror.deferred("train", TrackingParams(), PARAMS, project.paths, is_followed=True):
        pass
    with started(project, "evaluate"):
        pass
    assert len(outbox.waiting(project.folder)) == 3
    runs = MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}").search_runs(["1"])
    [own] = [run for run in runs if run.data.tags["model.key"] == project.model.key]
    assert "eval/log_loss" in own.data.metrics
    assert "rebuilt" not in own.data.tags


def test_a_deferred_stage_that_fails_is_not_kept(project: Project) -> None:
    """As one that fails early: there is nothing to record."""
    with pytest.raises(UserError), deferred_mirror.deferred("infer", QUICK, PARAMS, project.paths):
        raise UserError("no")
    assert outbox.waiting(project.folder) == []


def test_server_that_hangs_is_one_warning_and_sent_later(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that takes connections and never answers is given up after tracking.timeout_s; `track` sends the run."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.getsockname()[1]}")
        with started(project, "train", TrackingParams(timeout_s=2.0)):
            pass
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: MLflow: no answer within 2 s (tracking.timeout_s); the stage's files are complete")
    assert line.endswith("`python -m pipeline track` sends it")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    track.main(setting="auto", revision=None, all_experiments=False, relocated=False)
    assert " ".join(capsys.readouterr().out.split()).startswith("1 kept stage sent to sqlite:///")
    assert "by epoch/cost" in run_of(project).data.metrics


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder that takes no files, whoever asks: /sys")
def test_disk_that_takes_no_file_is_told_in_the_same_warning(
    project: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing can be kept, not even by root, the stage still ends well, and says that its run is missing."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    (project.folder / ".cache").symlink_to("/sys")
    with started(project, "train"):
        pass
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(
        r"files are complete, only the run is missing \(.*/\.cache/tracking/\S+: cannot be written: ", line
    )


def test_required_store_that_is_missing_stops_before_the_stage(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With tracking.required the block never begins, and the message names the param."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with (
        pytest.raises(UserError, match=r"tracking\.required: .* http://127\.0\.0\.1:9 cannot be reached: "),
        started(project, "train", TrackingParams(required=True)),
    ):
        pytest.fail("the stage began")


def test_required_store_that_is_there_lets_the_stage_begin(project: Project) -> None:
    """With tracking.required the block begins once the store is open."""
    with started(project, "train", TrackingParams(required=True)):
        assert (project.folder / "mlflow.db").is_file()
    assert run_of(project).info.status == "FINISHED"


def test_damaged_outputs_are_one_warning(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """What the child cannot read is told in its own words."""
    (project.folder / "models" / "snapshots.safetensors").unlink()
    with started(project, "train"):
        pass
    assert "models/snapshots.safetensors: no such file" in capsys.readouterr().err


@pytest.mark.parametrize(("error", "status"), [(UserError("no"), "FAILED"), (KeyboardInterrupt(), "KILLED")])
def test_stage_that_fails_late_leaves_an_ended_run(project: Project, error: BaseException, status: str) -> None:
    """An exception passes through unchanged, and a run that was visible already says how it ended."""
    with pytest.raises(type(error)) as raised:
        fail_after_an_epoch(project, QUICK, error)
    assert raised.value is error
    assert run_of(project).info.status == status


def test_stage_that_fails_early_leaves_nothing(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake that is found at once costs no run and no sentence about MLflow."""
    with pytest.raises(UserError):
        fail_after_an_epoch(project, TrackingParams(), UserError("no"))
    assert capsys.readouterr() == ("", "")
    assert not (project.folder / "mlflow.db").exists()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGINT"])
def test_parent_that_dies_leaves_a_killed_run(project: Project, name: str) -> None:
    """However the training process ends, its visible run ends as KILLED, with the costs it had."""
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", ENDLESS, str(project.folder)]
    parent = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        assert run_with_costs(project).info.status == "RUNNING"
    finally:
        parent.send_signal(getattr(signal, name))
        parent.wait()
    until(lambda: run_of(project).info.status == "KILLED")
    assert "by epoch/cost" in run_of(project).data.metrics


def test_a_parent_that_is_killed_within_a_line_leaves_a_killed_run(project: Project) -> None:
    """Of an event that is longer than a pipe takes at once the beginning may be all that the child gets."""
    mirrored = child_of(project, QUICK)
    mirrored.watch({"epoch": 0, "cost": 1.0})
    run_with_costs(project)
    assert mirrored._child.stdin is not None
    mirrored._child.stdin.write(b'{"event": "epochs", "rec')
    mirrored._leave()
    assert run_of(project).info.status == "KILLED"


@pytest.fixture
def stopped_child(project: Project) -> Iterator[mirror.Mirror]:
    """A mirror whose child does not answer."""
    mirrored = child_of(project, TrackingParams(timeout_s=0.5))
    mirrored._child.send_signal(signal.SIGSTOP)
    yield mirrored
    mirrored.abandon()


def test_slow_child_never_blocks_the_stage(stopped_child: mirror.Mirror) -> None:
    """Far more than a pipe holds can be sent to a child that reads nothing."""
    for _ in range(100):
        stopped_child.send({"event": "epochs", "records": [{"text": "x" * 100_000}]})


def test_child_that_does_not_answer_is_given_up(stopped_child: mirror.Mirror) -> None:
    """After tracking.timeout_s the stage ends with a warning that names the param."""
    assert stopped_child.finish().startswith("warning: MLflow: no answer within 0.5 s (tracking.timeout_s)")


def test_child_that_was_killed_is_a_warning(project: Project) -> None:
    """A child that is gone is told, and sending to it is no error."""
    mirrored = child_of(project, QUICK)
    mirrored._child.kill()
    mirrored._child.wait()
    mirrored.watch({"epoch": 0, "cost": 1.0})
    sentence = mirrored.finish()
    assert sentence.startswith("warning: MLflow: its process ended without a word")
    assert sentence.endswith("`python -m pipeline track` sends it")


def test_values_that_json_does_not_know_are_sent(project: Project) -> None:
    """A params document with a date, and costs that are NaN, become a run."""
    document = PARAMS | {"train": PARAMS["train"] | {"since": datetime.date(2026, 1, 2)}}
    with mirror.started("train", QUICK, document, project.paths) as mirrored:
        mirrored.watch({"epoch": 0, "cost": float("nan")})
    assert run_of(project).data.params["train.since"] == "2026-01-02"


def test_a_short_training_has_its_seconds(project: Project) -> None:
    """What no file keeps, when each epoch ended, is in the run beside the costs of the history, each once."""
    with mirror.started("train", TrackingParams(), PARAMS, project.paths) as mirrored:
        for epoch in range(5):
            mirrored.watch({"epoch": epoch, "cost": 1 / (1 + epoch), "seconds": epoch / 4})
    client, run = MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}"), run_of(project)
    for name, values in (("seconds", [epoch / 4 for epoch in range(5)]), ("cost", [1 / (1 + e) for e in range(5)])):
        history = client.get_metric_history(run.info.run_id, f"by epoch/{name}")
        assert [(point.step, point.value) for point in history] == list(enumerate(values))


@given(st.integers(1, 5000))
def test_recent_keeps_few_records_and_the_last(count: int) -> None:
    """However many epochs pass between two batches, a batch is small, in order, and ends with the latest."""
    recent = thinning.Recent()
    for epoch in range(count):
        recent.add({"epoch": epoch})
    epochs = [record["epoch"] for record in recent.take()]
    assert epochs == sorted(set(epochs))
    assert (epochs[0], epochs[-1]) == (0, count - 1)
    assert len(epochs) <= 32
    recent.add({"epoch": count})
    assert recent.take() == [{"epoch": count}]


def test_a_sweep_becomes_a_parent_and_its_children(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence at the end names the parent; a sweep that fails leaves no run."""
    line = {"log_loss": 0.5, "standard_error": 0.1, "training_log_loss": 0.4, "passes": 9, "relative_bound": 1e-9}
    lines = [line | {"l2": l2, "status": "converged", "folds": [line, line]} for l2 in (0.1, 0.01)]
    sweep = {"chosen_l2": 0.1, "lowest_l2": 0.01, "rule": "best", "sweep": {"folds": 2}, "lines": lines}
    (project.folder / "reports" / "sweep.json").write_text(json.dumps(sweep), encoding="utf-8")
    (project.folder / "reports" / "sweep.csv").write_text("l2\n0.1\n0.01\n", encoding="utf-8")
    with pytest.raises(ZeroDivisionError), started(project, "sweep"):
        1 / 0  # noqa: B018
    with started(project, "sweep"):
        pass
    runs = MlflowClient(f"sqlite:///{project.folder / 'mlflow.db'}").search_runs(["1"])
    (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    assert len(runs) == 3
    assert {run.data.tags.get("mlflow.parentRunId", parent.info.run_id) for run in runs} == {parent.info.run_id}
    assert capsys.readouterr().out.startswith(f"MLflow: run {parent.info.run_id[:8]} 'sweep: l2=")

"""A run against one that the same outputs gave again: equal runs agree, and nothing that was edited does."""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow.entities import Metric
from PIL import Image

from pipeline.errors import UserError
from pipeline.tracking.client.tags import COPIED_TAG
from pipeline.tracking.runs import evaluate_run, run_comparison, train_run
from pipeline.tracking.runs.run_comparison import ARTIFACT, DATA, METRIC, PARAM, STATUS, TAG, RunContents
from pipeline.tracking.store.store import Store, open_store
from tests.tracking.outputs import Project


def log(store: Store, project: Project, time: int) -> str:
    """A run of training and evaluation."""
    run_id = train_run.Mirrored(store, project.started(time)).finished(time + 1000)
    evaluate_run.record(store, project.started(time + 2000), time + 3000)
    return run_id


@dataclass(frozen=True)
class Pair:
    """A store with an evaluated run, the outputs that it came from, and what a second run of them holds."""

    root: Path
    store: Store
    run_id: str
    outputs: Project
    again: RunContents

    def compared(self, run_id: str, folder: Path, only: Iterable[str] | None = None) -> set[tuple[str, str]]:
        """Kind and name of every difference of a run; with ``only`` no other artifacts are looked at."""
        run = self.store.client.get_run(run_id)
        recorded = run_comparison.read(self.store.client, run, folder, self.again.artifacts if only is None else only)
        return {(each.kind, each.name) for each in run_comparison.differences(recorded, self.again)}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Two runs of the same outputs, in two experiments, for MLflow shares a data set between the runs of one."""
    root = tmp_path_factory.mktemp("pair")
    outputs = Project(root / "project")
    recorded, other = open_store(root, "recorded"), open_store(root, "again")
    again = other.client.get_run(log(other, outputs, 9000))
    (root / "copies").mkdir()
    contents = run_comparison.read(other.client, again, root / "copies")
    return Pair(root, recorded, log(recorded, outputs, 1000), outputs, contents)


@pytest.mark.slow
def test_equal_runs_agree(pair: Pair, tmp_path: Path) -> None:
    """Time, owner, colour and name differ between any two runs, and people add to theirs: none of it counts.

    An evaluation that was repeated leaves its earlier bar in the store, below the one that is shown.
    """
    client = pair.store.client
    assert pair.compared(pair.run_id, tmp_path) == set()
    run_id = log(pair.store, pair.outputs, 50_000)
    client.update_run(run_id, name="my best one")
    client.set_tag(run_id, "team", "birds")
    client.set_tag(run_id, "mlflow.user", "someone else")
    note = client.get_run(run_id).data.tags["mlflow.note.content"]
    client.set_tag(run_id, "mlflow.note.content", f"Look at this!\n\n{note}\n\nor not")
    client.log_text(run_id, "mine", "notes.txt")
    client.log_metric(run_id, "mine", 1.0)
    client.log_batch(run_id, metrics=[Metric("eval/log_loss", 0.5, 100, 0)])
    assert pair.compared(run_id, tmp_path) == set()


@pytest.mark.slow
def test_a_run_that_was_looked_at_meanwhile_agrees(pair: Pair, tmp_path: Path) -> None:
    """It has more epochs than a chart needs, and seconds, which only its own clock knew."""
    live = train_run.Mirrored(pair.store, pair.outputs.started(1000))
    live.epochs([{"epoch": 1, "cost": 1 / 2, "gradient_norm": 1.0, "seconds": 0.1}], 1500)
    run_id = live.finished(2000)
    evaluate_run.record(pair.store, pair.outputs.started(3000), 3000)
    assert pair.compared(run_id, tmp_path) == set()


@pytest.mark.slow
def test_a_run_without_an_evaluation_of_its_own_agrees(pair: Pair, tmp_path: Path) -> None:
    """One with the numbers of its twin does not claim files that it does not have; its numbers are looked at."""
    copy = train_run.Mirrored(pair.store, pair.outputs.started(20_000)).finished(21_000)
    assert COPIED_TAG in pair.store.client.get_run(copy).data.tags
    assert pair.compared(copy, tmp_path) == set()
    pair.store.client.log_batch(copy, metrics=[Metric("eval/log_loss", 0.1, 30_000, 0)])
    assert pair.compared(copy, tmp_path) == {(METRIC, "eval/log_loss")}


TAMPERED = {
    "param": ("UPDATE params SET value = '0.2' WHERE run_uuid = :run AND key = 'train.lr'", PARAM, "train.lr"),
    "param gone": ("DELETE FROM params WHERE run_uuid = :run AND key = 'train.lr'", PARAM, "train.lr"),
    "param more": ("INSERT INTO params (run_uuid, key, value) VALUES (:run, 'train.x', '1')", PARAM, "train.x"),
    "param of evaluate": (
        "UPDATE params SET value = '11' WHERE run_uuid = :run AND key LIKE 'evaluate.%'",
        PARAM,
        "evaluate.calibration_bins",
    ),
    "bar in the table": (
        "UPDATE latest_metrics SET value = 0.1 WHERE run_uuid = :run AND key = 'eval/log_loss'",
        METRIC,
        "eval/log_loss",
    ),
    "bar in the chart": (
        "UPDATE metrics SET value = 0.1 WHERE run_uuid = :run AND key = 'eval/log_loss'",
        METRIC,
        "eval/log_loss, step 0",
    ),
    "last ulp": (
        "UPDATE latest_metrics SET value = 0.12500000000000003 WHERE run_uuid = :run AND key = 'train/final_cost'",
        METRIC,
        "train/final_cost",
    ),
    "bar that is none": (
        "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) "
        "VALUES ('eval/x', 1, 1, 0, 0, :run)",
        METRIC,
        "eval/x",
    ),
    "curve": (
        "UPDATE metrics SET value = 0.1 WHERE run_uuid = :run AND key = 'by epoch/cost' AND step = 2",
        METRIC,
        "by epoch/cost, step 2",
    ),
    "curve shorter": (
        "DELETE FROM metrics WHERE run_uuid = :run AND key = 'by epoch/cost' AND step = 2",
        METRIC,
        "by epoch/cost, step 2",
    ),
    "curve longer": (
        "INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid) "
        "VALUES ('by epoch/cost', 0.01, 1, 99, 0, :run)",
        METRIC,
        "by epoch/cost, step 99",
    ),
    "not a number": (
        "UPDATE metrics SET is_nan = 1 WHERE run_uuid = :run AND key = 'by epoch/cost' AND step = 2",
        METRIC,
        "by epoch/cost, step 2",
    ),
    "weight": (
        "UPDATE metrics SET value = 9 WHERE run_uuid = :run AND key = 'weights/ant/x1' AND step = 3",
        METRIC,
        "weights/ant/x1, step 3",
    ),
    "status": ("UPDATE runs SET status = 'RUNNING' WHERE run_uuid = :run", STATUS, ""),
    "data set": (
        "UPDATE datasets SET digest = '01234567' WHERE dataset_uuid IN "
        "(SELECT source_id FROM inputs WHERE destination_id = :run)",
        DATA,
        "digest",
    ),
    "rows": (
        "UPDATE datasets SET dataset_profile = '{}' WHERE dataset_uuid IN "
        "(SELECT source_id FROM inputs WHERE destination_id = :run)",
        DATA,
        "profile",
    ),
    "tag gone": ("DELETE FROM tags WHERE run_uuid = :run AND key = 'eval.split'", TAG, "eval.split"),
    "tag more": ("INSERT INTO tags (run_uuid, key, value) VALUES (:run, 'train.best', 'yes')", TAG, "train.best"),
} | {
    f"tag {name}": (f"UPDATE tags SET value = 'other' WHERE run_uuid = :run AND key = '{name}'", TAG, name)
    for name in (
        *("model.key", "model.md5", "data.digest", "train.status", "eval.split"),
        *("mlflow.source.name", "mlflow.note.content"),
    )
}


@pytest.mark.slow
@pytest.mark.parametrize(("statement", "kind", "name"), list(TAMPERED.values()), ids=list(TAMPERED))
def test_an_edit_of_the_database_is_named(pair: Pair, tmp_path: Path, statement: str, kind: str, name: str) -> None:
    """Whatever a person sees of a run and the outputs decide is found out, by name."""
    with closing(sqlite3.connect(pair.root / "mlflow.db")) as database, closing(sqlite3.connect(":memory:")) as before:
        database.backup(before)
        with database:
            assert database.execute(statement, {"run": pair.run_id}).rowcount > 0
        differing = pair.compared(pair.run_id, tmp_path, only=["metrics.json"])
        before.backup(database)
    assert (kind, name) in differing


def _changed_digit(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"1", b"2"))


def _changed_pixel(path: Path) -> None:
    with Image.open(path) as picture:
        picture.putpixel((5, 5), (1, 2, 3))
        picture.save(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "change"),
    [
        *((name, _changed_digit) for name in ("metrics.json", "history.csv", "coefficients.csv", "dvc-md5.csv")),
        *((name, Path.unlink) for name in ("metrics.json", "confusion_matrix.csv", "snapshots.safetensors")),
        ("softmax.safetensors", lambda path: path.write_bytes(path.read_bytes()[:-1] + b"\x00")),
        ("images/*step+3+*.png", _changed_pixel),
        ("images/*step+3+*.png", Path.unlink),
        ("images/*step+3+*.png", lambda path: path.write_text("no picture", encoding="utf-8")),
    ],
)
def test_an_edit_of_an_artifact_is_named(
    pair: Pair, tmp_path: Path, pattern: str, change: Callable[[Path], object]
) -> None:
    """One byte, one pixel, or the whole file."""
    (path,) = Path(pair.store.client.get_run(pair.run_id).info.artifact_uri).glob(pattern)
    before = path.read_bytes()
    change(path)
    differing = pair.compared(pair.run_id, tmp_path)
    path.write_bytes(before)
    assert differing == {(ARTIFACT, "images/weights~heat map, step 3" if "images" in pattern else pattern)}


def test_artifacts_that_are_nowhere_are_one_difference(pair: Pair, tmp_path: Path) -> None:
    """As after the project's folder was moved."""
    folder = Path(pair.store.client.get_run(pair.run_id).info.artifact_uri)
    folder.rename(folder.with_name("elsewhere"))
    differing = pair.compared(pair.run_id, tmp_path)
    folder.with_name("elsewhere").rename(folder)
    assert differing == {(ARTIFACT, "")}


@pytest.mark.parametrize(
    "text",
    [
        *(b"\xff\xfe", b"cost\n1\n", b"epoch,cost\n1\n", b"epoch,cost\na,b\n", b"epoch,cost\n1e400,1\n"),
        *(b"epoch,cost\n0,\0\n", b'epoch,cost\n"1', b"epoch,cost\n1,1\n1,1\n"),
    ],
)
def test_a_history_that_is_none_is_one_sentence(tmp_path: Path, text: bytes) -> None:
    """An artifact of a store may be anyone's."""
    path = tmp_path / "history.csv"
    path.write_bytes(text)
    with pytest.raises(UserError, match=r"history\.csv of the run") as refusal:
        run_comparison._history([path])
    assert len(str(refusal.value)) < 500

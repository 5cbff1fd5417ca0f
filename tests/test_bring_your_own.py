"""Tables other than the tutorial's, through real `dvc repro` and `dvc exp run`."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluate import stage as evaluate
from pipeline.evaluate.params import EvaluateParams
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.train import stage as train
from pipeline.train.params import TrainParams
from tests import sessions
from tests.project import UNTRACKED, Project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def penguins(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after the experiment on the penguins that README shows."""
    project = Project(tmp_path_factory.mktemp("penguins") / "project")
    sessions.run_all(project, [sessions.step(sessions.README, "dvc exp run -n penguins")], **UNTRACKED)
    return project


def test_the_penguins_are_told_apart(penguins: Project) -> None:
    """Rows that training did not see have a log loss below 0.1 nats; knowing nothing costs about 1."""
    metrics = json.loads(penguins.read("reports/metrics.json"))
    prior = next(line for line in metrics["baseline"] if line["split"] == "test")
    assert metrics["test"]["log_loss"] < 0.1
    assert prior["log_loss"] > 0.9
    assert [metrics[split]["rows"] for split in ("train", "validation", "test")] == [206, 70, 68]


def test_missing_values_have_columns_and_levels_of_their_own(penguins: Project) -> None:
    """Two birds have no measures and eleven no sex: indicator columns and a level say so."""
    encoder = json.loads(penguins.read("data/prepared/encoder.json"))
    assert "sex=<missing>" in encoder["features"]
    assert "bill_length_mm missing" in encoder["features"]
    assert encoder["classes"] == ["Adelie", "Chinstrap", "Gentoo"]


def test_every_row_has_its_prediction(penguins: Project) -> None:
    """One line a row; probabilities are the softmax of the logits beside them, times the scale that decide found."""
    table = pd.read_csv(io.StringIO(penguins.read("reports/predictions.csv")))
    calibration = json.loads(penguins.read("models/decision.json"))["calibration"]
    assert calibration["method"] == "temperature"
    scale = calibration["weights"] if calibration["applied"] else 1.0
    logits = scale * table.filter(like="logit_").to_numpy()
    expected = np.exp(logits - logits.max(1, keepdims=True))
    expected /= expected.sum(1, keepdims=True)
    assert sorted(table["row"]) == list(range(1, 345))
    # Products of logits and scale are rounded, which exponents of a hundred and more feel.
    np.testing.assert_allclose(table.filter(like="probability_"), expected, rtol=1e-11, atol=0)


def test_new_birds_are_scored_whatever_their_columns(penguins: Project) -> None:
    """Columns in another order, one too many, a level never seen and a value missing: still a line each."""
    birds = pd.read_csv(penguins.folder / "data/raw/penguins.csv").drop(columns="species").head(3)
    birds["island"] = ["Biscoe", "Atlantis", None]
    birds["extra"] = "x"
    birds[birds.columns[::-1]].to_csv(penguins.folder / "birds.csv", index=False)
    result = penguins.pipeline("predict", "birds.csv", "-o", "scored.csv")
    rows = list(csv.DictReader(io.StringIO(penguins.read("scored.csv"))))
    assert [row["predicted"] for row in rows] == ["Adelie"] * 3
    assert "Atlantis" in result.stderr


def _table(path: Path, labels: list[str]) -> None:
    """Write a table whose column answer has these labels in turn."""
    lines = [f"{i % 7},{'ab'[i % 2]},{labels[i % 2]}" for i in range(40)]
    path.write_text("\n".join(["size,kind,answer", *lines]), encoding="utf-8")


@pytest.mark.parametrize(
    ("labels", "classes"),
    [(["no", "yes"], ["no", "yes"]), (["true", "false"], [False, True]), (["-1", "10"], [-1, 10])],
    ids=["text", "boolean", "integer"],
)
def test_labels_of_any_type_are_sorted_and_kept(tmp_path: Path, labels: list[str], classes: list[object]) -> None:
    """In the model they are values of their type, in predictions the texts of the table."""
    _table(tmp_path / "mine.csv", labels)
    prepared, models, reports = (tmp_path / name for name in ("prepared", "models", "reports"))
    source = str(tmp_path / "mine.csv")
    prepare.main(params=PrepareParams(source=source, target="answer"), source=source, out=prepared, cache=None)
    train.main(
        params=TrainParams(solver="newton", epochs=100, seed=1, snapshot_every=100, l2=0.001),
        prepared=prepared,
        out=models,
    )
    evaluate.main(params=EvaluateParams(calibration_bins=10), prepared=prepared, model=models, out=reports)
    assert json.loads((models / "softmax.json").read_text(encoding="utf-8"))["classes"] == classes
    predictions = list(csv.DictReader(io.StringIO((reports / "predictions.csv").read_text(encoding="utf-8"))))
    assert [row["predicted"] for row in predictions] == [labels[i % 2] for i in range(40)]


@pytest.mark.parametrize("folder", ["", "data/raw/"], ids=["root", "data"])
def test_a_file_name_is_never_a_command(tmp_path: Path, folder: str) -> None:
    """A name made of all that a shell, DVC or a command line reads as more than a name is a name."""
    project = Project(tmp_path / "project")
    name = """-$(touch marker)`touch marker`"; touch marker; "'\n& | ${prepare.target} $HOME #:*[ü漢].csv"""
    (project.folder / folder / name).write_text("x,y\n1,a\n2,b\n3,a\n4,b\n", encoding="utf-8")
    text = project.read("params.yaml").replace(
        "source: data/raw/tutorial.csv", f"source: {json.dumps(folder + name, ensure_ascii=False)}"
    )
    (project.folder / "params.yaml").write_text(text, encoding="utf-8")
    project.dvc("repro", "prepare")
    assert json.loads(project.read("data/prepared/prepared.json"))["splits"]["train"]["rows"] == 4
    assert list(project.folder.rglob("marker")) == []

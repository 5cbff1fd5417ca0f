"""The stage: what it reads, what it loads, and the lesson of a small run."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline import files
from pipeline import model as models
from pipeline.errors import UserError
from pipeline.evaluate.metrics import Predictions
from pipeline.evaluate.prediction_sets import SetCounts, prediction_set_records
from pipeline.scoring.decision import Decision
from pipeline.scoring.prediction_sets import PredictionSets
from tests.project import Project
from tests.report.runs import RESULT, page_of, sealed, write_run

_HEAVY = ("torch", "sklearn", "scipy", "mlflow", "pandas", "matplotlib", "pyarrow", "dvc")
_SMALL = RESULT | {"method": "sgd", "status": "epochs_done"}


def test_the_stage_loads_no_library_of_numerics_or_tracking() -> None:
    """Its process has none of the libraries that take long to load."""
    code = f"import sys, pipeline.report.stage; print([name for name in {_HEAVY} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_predictions_of_many_rows_are_not_read(tmp_path: Path) -> None:
    """A predictions.csv of a run with many rows may hold anything."""
    run = write_run(tmp_path)
    page = page_of(run)
    files.write_text(run / "reports" / "predictions.csv", "no table at all")
    assert page_of(run) == page
    assert "Step by step" not in page


def test_a_small_run_is_shown_step_by_step(tmp_path: Path) -> None:
    """W and b by epoch, and each row with logits, probabilities and ranks."""
    run = write_run(tmp_path, result=_SMALL, rows=(2, 1))
    classes = ("a", "b", "c")
    header = ("row", "split", "actual", "predicted", *(f"{of}_{c}" for of in ("probability", "logit") for c in classes))
    lines = [(row, "train", "a", "b", 0.25, 0.5, 0.25, -0.1, 0.6, -0.1) for row in (1, 2)]
    files.write_text(run / "reports" / "predictions.csv", files.csv_text([header, *lines]))
    page = page_of(run)
    assert "Step by step" in page
    assert "Each row" in page
    assert "before 0" in page
    assert page.count(">0.5000<") >= 2


def test_coverage_is_what_evaluate_found(tmp_path: Path) -> None:
    """Of a real record: shares as they are, sizes of all weight, and none of a class without test rows."""
    run = write_run(tmp_path)
    model = models.load(run / "models")
    weights = np.array([2.0, 1.0, 0.5, 0.5])
    labels, p = np.array([0, 0, 1, 1]), np.full((4, 3), 1 / 3)
    predicted = Predictions(labels, labels, p, np.log(p[:, 0]), weights, np.arange(4, dtype=np.uint64))
    counts = SetCounts(3)
    contained = np.array([[1, 0, 0], [0, 1, 0], [1, 1, 0], [1, 1, 1]], dtype=bool)
    counts.add("test", predicted, contained)
    sets = Decision(sets=PredictionSets("lac", np.array([0.5])), set_rows=20, level=0.9)
    path = run / "reports" / "metrics.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document["prediction_sets"] = prediction_set_records(counts, sets, model.classes)
    files.write_json(path, document)
    page = page_of(run)
    tables = page[page.index("Sets that hold the right class") : page.index("Decisions and costs")].split("<caption")
    of_split, sizes, of_classes = (re.findall(r">(–|[<> .\d]+%)<", table) for table in tables)
    assert of_split[:2] == ["90.0%", "75.0%"]
    assert sizes == ["75.0%", "12.5%", "12.5%"]
    assert of_classes == ["66.7%", "100%", "–", "–"]  # the last one is the size


def test_nothing_is_promised_of_no_sets(tmp_path: Path) -> None:
    """Without validation rows there are none, and the page says why."""
    run = write_run(tmp_path)
    path = run / "models" / "decision.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    del document["digest"]
    document["sets"] |= {"method": "lac", "quantiles": None, "rows": None, "reason": "no sets: there are no rows"}
    assert "A set holds the right class in at least" in page_of(run)
    files.write_json(path, sealed(document))
    page = page_of(run)
    assert "A set holds the right class in at least" not in page
    assert "No sets: there are no rows" in page


def test_a_run_without_a_model_is_refused(tmp_path: Path) -> None:
    """The stage names the file that is not there, and what to do."""
    run = write_run(tmp_path)
    (run / "models" / "softmax.json").unlink()
    with pytest.raises(UserError, match=r"softmax\.json: no such file; run `dvc repro`"):
        page_of(run)


@pytest.mark.parametrize(
    ("result", "sentence"),
    [
        (
            RESULT | {"status": "not_converged", "meaning": "ran all epochs before"},
            "Training: <bdi>ran all epochs before",
        ),
        (RESULT | {"status": "separable", "meaning": "classes can be told apart"}, "classes can be told apart"),
        (RESULT, "Calibration: on test the probabilities are 0.080 off on average"),
        (RESULT, "Test has 20 rows only"),
        (RESULT, "Training names 1 oddity"),
    ],
)
def test_the_verdict_names_what_to_distrust(tmp_path: Path, result: dict[str, object], sentence: str) -> None:
    """Each reason for doubt is a sentence at the beginning."""
    page = page_of(write_run(tmp_path, result=result))
    verdict = page.partition('<h2 id="data">')[0]
    assert sentence in verdict


def test_params_that_change_no_result_are_not_on_the_page(tmp_path: Path) -> None:
    """Neither the number of workers nor where runs are tracked is a part of the page."""
    from pipeline.report import stage

    run = write_run(tmp_path)
    params = {"workers": 977, "tracking": {"uri": "http://secret"}, "prepare": {"source": "s3://key:secret@host/a"}}
    stage.main(params=params, prepared=run / "prepared", model=run / "models", out=run / "reports")
    page = (run / "reports" / "report.html").read_text(encoding="utf-8")
    assert "977" not in page
    assert "secret" not in page


@pytest.mark.slow
def test_the_tutorial_is_a_lesson(tmp_path: Path, repro: Path) -> None:
    """Its page has the costs, the W and b by epoch, and the probabilities of the rows that the lesson tells of."""
    page = Project.after_repro(tmp_path, repro).read("reports/report.html")
    for text in ("1.601916", "0.290131", "0.162271", "\u22121.3098", "2.1999", "0.3952", "0.6040", "0.8813"):
        assert text in page
    assert "these rows were trained on" in page
    assert len(page.encode()) < 100_000

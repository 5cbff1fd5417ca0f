"""The stage: what it reads, what it loads, and the lesson of a small run."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import files
from pipeline.errors import UserError
from tests.project import Project
from tests.report.runs import RESULT, page_of, write_run

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

"""decision.json applied: the same by `predict` and by `evaluate`, printed, explained, and absent."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import model
from pipeline.commands import explain, predict
from pipeline.errors import UserError
from pipeline.evaluate import stage as evaluate
from pipeline.evaluate.params import EvaluateParams
from tests.decide.test_stage import CLASSES, held_out, make_project, rows_of, run
from tests.terminal import unwrapped

DECISION = ["decision", *(f"in_set_{name}" for name in CLASSES), "set_size"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that is twice as sure as its rows allow, scaled, with sets and costs; the test rows as a CSV."""
    splits = held_out(0.5)
    project = make_project(tmp_path_factory.mktemp("project"), **splits)
    document = run(project, costs={"dog": {"bird": 7}}, abstain=0.45)
    assert document["calibration"]["applied"]
    write_csv(project / "test.csv", splits["test"].numbers)
    evaluate.main(
        params=EvaluateParams(), prepared=project / "prepared", model=project / "models", out=project / "reports"
    )
    return project


def write_csv(path: Path, numbers: np.ndarray) -> None:
    """The rows as a table; a float32 has a shortest text that reads back as it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(f"x{place}" for place in range(numbers.shape[1]))
        writer.writerows([[repr(float(value)) for value in row] for row in numbers])


def read(path: Path) -> list[dict[str, str]]:
    """The lines of a CSV."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_predict_and_evaluate_give_the_same_cells(folder: Path) -> None:
    """To the last digit, of every column that both have."""
    predict.main(source=folder / "test.csv", out=folder / "scored.csv", model=folder / "models")
    scored, evaluated = read(folder / "scored.csv"), read(folder / "reports" / "predictions.csv")
    evaluated = [line for line in evaluated if line["split"] == "test"]
    both = [name for name in scored[0] if name in evaluated[0] and name != "row"]
    assert set(DECISION) < set(both)
    assert [[line[name] for name in both] for line in scored] == [[line[name] for name in both] for line in evaluated]


def test_the_columns_are_what_decide_says(folder: Path) -> None:
    """Logits are the model's, probabilities and ranks are scaled, sets are of the model's own probabilities."""
    document = json.loads((folder / "models" / "decision.json").read_text(encoding="utf-8"))
    scale, quantile = document["calibration"]["weights"], document["sets"]["quantiles"][0]
    costs = np.array(document["costs"]["matrix"])
    for line in read(folder / "reports" / "predictions.csv")[:200]:
        logits, p = (
            np.array([float(line[f"{name}_{label}"]) for label in CLASSES]) for name in ("logit", "probability")
        )
        own = np.exp(logits) / np.exp(logits).sum()
        # Of exp and three roundings.
        assert p == pytest.approx(own**scale / (own**scale).sum(), rel=1e-12)
        assert line["predicted"] == CLASSES[p.argmax()]
        expected = p @ costs
        assert line["decision"] == (CLASSES[expected.argmin()] if expected.min() <= 0.45 else "")
        contained = [int(line[f"in_set_{label}"]) for label in CLASSES]
        assert contained == (1 - own <= quantile).astype(int).tolist()
        assert int(line["set_size"]) == sum(contained)
    assert {line["decision"] for line in read(folder / "reports" / "predictions.csv")} == {"", *CLASSES}


def test_metrics_have_the_sets_of_test_and_what_decisions_cost(folder: Path) -> None:
    """Lists, which DVC leaves out; metrics of the probabilities are of the scaled ones."""
    metrics = json.loads((folder / "reports" / "metrics.json").read_text(encoding="utf-8"))
    lines = [line for line in read(folder / "reports" / "predictions.csv") if line["split"] == "test"]
    (sets,) = metrics["prediction_sets"]
    covered = np.mean([line[f"in_set_{line['actual']}"] == "1" for line in lines])
    assert (sets["split"], sets["rows"], sets["covered"]) == ("test", 600, covered)
    assert sets["low"] < sets["covered"] < sets["high"]
    decided, most_probable, _ = metrics["decisions"]
    assert decided["no_decision"] == np.mean([line["decision"] == "" for line in lines])
    assert decided["realised_cost"] < most_probable["realised_cost"]
    assert most_probable["low"] > 0
    judged = json.loads((folder / "models" / "decision.json").read_text(encoding="utf-8"))["calibration"]["judged"]
    # The same sum, rounded once.
    assert metrics["test"]["log_loss"] == pytest.approx(judged["after"], rel=1e-12)


def test_a_printed_row_has_decision_and_set(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No decision is the word none; each class is in the set or not."""
    predict.main(source=folder / "test.csv", out=None, model=folder / "models")
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split() == ["row", "predicted", "decision", "class", "logit", "probability", "rank", "in", "set"]
    lines = [line for line in read(folder / "reports" / "predictions.csv") if line["split"] == "test"][:20]
    printed = [row.split() for row in rows if row.split() and row.split()[0].isdigit()]
    assert [row[2] for row in printed] == [line["decision"] or "none" for line in lines]
    words = [row.split()[-1] for row in rows if any(name in row.split() for name in CLASSES)]
    assert words == [("no", "yes")[int(line[f"in_set_{name}"])] for line in lines for name in CLASSES]


def test_explain_shows_the_scaling(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From log p to the probability that predict prints."""
    explain.main(row=1, source=str(folder / "test.csv"), model=folder / "models", digits=4)
    printed = capsys.readouterr().out
    assert "Scaling by temperature, as `decide` fitted it: softmax of 0." in printed
    table = printed.partition("Scaling by")[2]
    line = next(line for line in read(folder / "reports" / "predictions.csv") if line["split"] == "test")
    for name in CLASSES:
        cells = next(row.split() for row in table.splitlines() if row.startswith(name))
        assert cells[3] == f"{float(line[f'probability_{name}']):.4f}"
    assert "The cost and its gradient below are the training's, of p before scaling." in printed


def test_without_the_file_predictions_are_as_before(tmp_path: Path) -> None:
    """Nor with a file that has neither scaling, sets nor costs."""
    project = make_project(tmp_path, train=rows_of(1, 30, 1.0))
    write_csv(tmp_path / "new.csv", rows_of(5, 20, 1.0).numbers)
    written = []
    for decide in (False, True):
        if decide:
            run(project)
        predict.main(source=tmp_path / "new.csv", out=tmp_path / "scored.csv", model=project / "models")
        evaluate.main(
            params=EvaluateParams(), prepared=project / "prepared", model=project / "models", out=project / "reports"
        )
        names = ("scored.csv", "reports/predictions.csv", "reports/metrics.json")
        written.append([(tmp_path / name).read_bytes() for name in names])
    assert written[0] == written[1]
    assert b"decision" not in written[0][1]


@pytest.mark.parametrize("command", ["predict", "explain", "evaluate"])
def test_another_models_decision_is_refused(folder: Path, tmp_path: Path, command: str) -> None:
    """As after a training without `decide`."""
    project = make_project(tmp_path, train=rows_of(1, 30, 1.0))
    trained = model.load(project / "models")
    (project / "models" / "decision.json").write_bytes((folder / "models" / "decision.json").read_bytes())
    assert trained.key not in (folder / "models" / "decision.json").read_text(encoding="utf-8")
    write_csv(tmp_path / "new.csv", rows_of(5, 20, 1.0).numbers)
    source: Any = tmp_path / "new.csv"
    calls = {
        "predict": lambda: predict.main(source=source, out=None, model=project / "models"),
        "explain": lambda: explain.main(row=1, source=str(source), model=project / "models", digits=4),
        "evaluate": lambda: evaluate.main(
            params=EvaluateParams(), prepared=project / "prepared", model=project / "models", out=tmp_path / "reports"
        ),
    }
    with pytest.raises(UserError, match=r"decision\.json: expected the decision of the model beside it"):
        calls[command]()


def test_decision_json_is_not_overwritten(folder: Path) -> None:
    """It is one of the files that are read."""
    with pytest.raises(UserError, match="is one of the files that are read"):
        predict.main(source=folder / "test.csv", out=folder / "models" / "decision.json", model=folder / "models")


def test_strange_class_names_are_written_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Commas, quotes and ends of lines, in cells and in names of columns."""
    classes = ('a,"b"', "two\nlines", "=1+1")
    splits = {name: rows_of(row, 60, 1.0) for name, row in (("train", 1), ("validation", 101), ("test", 201))}
    project = make_project(tmp_path, classes=classes, **splits)
    run(project, costs={classes[0]: {classes[1]: 3}}, abstain=0.3, coverage=0.5)
    write_csv(tmp_path / "new.csv", splits["test"].numbers)
    predict.main(source=tmp_path / "new.csv", out=tmp_path / "scored.csv", model=project / "models")
    lines = read(tmp_path / "scored.csv")
    assert {line["decision"] for line in lines} <= {"", *classes}
    assert [name for name in lines[0] if name.startswith("in_set_")] == [f"in_set_{name}" for name in classes]
    predict.main(source=tmp_path / "new.csv", out=None, model=project / "models")
    assert "two\nlines" not in unwrapped(capsys.readouterr().out)

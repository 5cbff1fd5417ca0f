"""The command's params, files, words and errors."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from pipeline import model, params
from pipeline.commands.sweep import command
from pipeline.commands.sweep.params import Penalties, SweepParams
from pipeline.dataset import reader
from pipeline.errors import UserError
from pipeline.train.fit import fit
from pipeline.train.params import TrainParams
from tests.problems import Problem, synthetic
from tests.project import SOURCE, Project
from tests.train.cross_validation.test_folds import prepared

L2 = Penalties(values=[0.1, 0.01, 0.001])


def train_params(**changes: object) -> TrainParams:
    return TrainParams(**({"solver": "auto", "seed": 0, "epochs": 1000, "snapshot_every": 1} | changes))


def written(folder: Path, problem: Problem, **changes: object) -> dict[str, bytes]:
    """The files that a sweep of the problem leaves."""
    prepared(folder, problem)
    chosen = SweepParams(**({"l2": L2, "folds": 3} | changes))
    command.main(params=chosen, trained=train_params(), prepared=folder, out=folder / "reports")
    return {path.name: path.read_bytes() for path in (folder / "reports").iterdir()}


@pytest.mark.slow
def test_files_are_the_same_bytes_at_any_number_of_threads_and_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One or two threads, rows as they are or permuted; only the digest of the prepared data tells the orders apart."""
    problem = synthetic(30_000, 4, (3, 12), 3)
    permuted = problem.take(np.random.default_rng(0).permutation(30_000))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    single = written(tmp_path / "single", problem, folds=2)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    double = written(tmp_path / "double", problem, folds=2)
    other = written(tmp_path / "other", permuted, folds=2)
    assert set(single) == {"sweep.csv", "sweep.json"}
    assert single == double
    assert single["sweep.csv"] == other["sweep.csv"]
    first, second = (json.loads(files["sweep.json"]) for files in (single, other))
    assert first.pop("data_digest") != second.pop("data_digest")
    assert first == second


def test_files_hold_the_table_and_the_choice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CSV and JSON say the same; means and errors follow from the folds; the words name the chosen l2."""
    left = written(tmp_path / "data", synthetic(400, 3, (3,), 3))
    rows = list(csv.DictReader(io.StringIO(left["sweep.csv"].decode())))
    document = json.loads(left["sweep.json"])
    assert [float(row["l2"]) for row in rows] == [line["l2"] for line in document["lines"]] == [0.1, 0.01, 0.001]
    for row, line in zip(rows, document["lines"], strict=True):
        own = [float(row[f"fold_{number}"]) for number in (1, 2, 3)]
        assert own == [fit["log_loss"] for fit in line["folds"]]
        assert float(row["log_loss"]) == line["log_loss"] == pytest.approx(np.mean(own), rel=1e-14)
        assert row["status"] == "converged"
        assert int(row["passes"]) == sum(fit["passes"] for fit in (line["whole"], *line["folds"]))
        assert 0 <= float(row["relative_bound"]) <= 1e-8
    printed = capsys.readouterr().out
    assert "3-fold cross-validation, 400 training rows, log loss in nats" in printed
    assert f"sweep: next: dvc exp run -S train.l2={document['chosen_l2']}" in printed.splitlines()[-1]
    assert document["rule"] == "one_standard_error"


def test_the_chosen_model_is_the_one_that_train_gives(tmp_path: Path) -> None:
    """train with the printed l2 reaches the sweep's objective, within both proven bounds."""
    line = json.loads(written(tmp_path / "data", synthetic(400, 3, (3,), 3))["sweep.json"])["lines"][1]
    data = reader.open_dataset(tmp_path / "data")
    fitted, _ = fit(data, train_params(l2=line["l2"]), lambda _: None)
    allowed = fitted.result["bound"] + line["whole"]["relative_bound"] * line["whole"]["objective"]
    assert abs(fitted.result["objective"] - line["whole"]["objective"]) <= allowed


def test_an_earlier_model_is_where_the_paths_begin(tmp_path: Path) -> None:
    """From the optimum of the strongest l2 the first model of all rows takes fewer passes, and is the same."""
    data = prepared(tmp_path / "data", synthetic(400, 3, (3,), 3))
    earlier, _ = fit(data, train_params(l2=0.1), lambda _: None)
    model.save(tmp_path / "models", earlier)
    trained = train_params(start={"model": str(tmp_path / "models"), "key": earlier.key})
    cold, warm = (
        command.sweep(data, SweepParams(l2=L2, folds=2), chosen, begin).lines[0].full_fit
        for chosen, begin in ((train_params(), None), (trained, earlier))
    )
    assert warm.passes < cold.passes
    allowed = sum(fit.relative_bound * fit.objective for fit in (warm, cold))
    assert abs(warm.objective - cold.objective) <= allowed


def test_an_end_of_the_range_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The lowest loss at the weakest l2 means that a weaker one may be better."""
    written(tmp_path / "data", synthetic(400, 3, (), 2), l2=Penalties(values=[10.0, 1.0]), rule="best")
    printed = capsys.readouterr().out
    assert "sweep: l2 1 has the lowest log loss\n" in printed
    assert "lies at an end of the values tried: lower sweep.l2.weakest" in printed


def test_unfinished_models_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One step is too few: status in the files, mark and meaning in print, and a bound that still holds."""
    data = tmp_path / "data"
    prepared(data, synthetic(400, 3, (), 3))
    command.main(params=SweepParams(l2=L2), trained=train_params(epochs=1), prepared=data, out=data / "reports")
    document = json.loads((data / "reports/sweep.json").read_text(encoding="utf-8"))
    assert document["lines"][0]["status"] == "not_converged"
    assert document["lines"][0]["relative_bound"] > 1e-8
    assert "not converged means: ran all epochs asked for" in capsys.readouterr().out


def test_the_shipped_section_is_what_the_knobs_default_to() -> None:
    """Every key stands in params.yaml, with the value that it has by itself."""
    path = SOURCE / "params.yaml"
    section = params.read_params(path)["sweep"]
    assert params.load(path, "sweep", SweepParams) == SweepParams()
    assert section == SweepParams().model_dump()


@pytest.mark.slow
def test_the_command_sweeps_a_prepared_project(tmp_path: Path) -> None:
    """Penguins, from the command line: the same table twice, and next to it nothing that DVC watches has changed."""
    project = Project(tmp_path / "project")
    text = project.read("params.yaml")
    for old, new in (
        ("source: data/raw/tutorial.csv ", "source: data/raw/penguins.csv "),
        ("target: y ", "target: species "),
        ("standardise: false ", "standardise: true "),
        ("weakest: 1e-6 ", "weakest: 0.01 "),
        ("count: 13 ", "count: 2 "),
    ):
        assert old in text
        text = text.replace(old, new)
    (project.folder / "params.yaml").write_text(text, encoding="utf-8")
    project.pipeline("prepare", "--source", "data/raw/penguins.csv", "--out", "data/prepared")
    refused = project.pipeline("sweep", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("params.yaml: train.solver: expected auto, newton or lbfgs with sweep")
    text = text.replace("solver: sgd ", "solver: auto ").replace("lr: 0.1 ", "lr: null ")
    (project.folder / "params.yaml").write_text(text, encoding="utf-8")
    first = project.pipeline("sweep").stdout
    left = project.read("reports/sweep.csv"), project.read("reports/sweep.json")
    second = project.pipeline("sweep").stdout
    assert "sweep: next: dvc exp run -S train.l2=0.01\nMLflow: run " in first
    assert first.partition("MLflow")[0] == second.partition("MLflow")[0]
    assert left == (project.read("reports/sweep.csv"), project.read("reports/sweep.json"))
    untracked = project.run("git", "status", "--porcelain", "reports").stdout
    assert sorted(untracked.splitlines()) == ["?? reports/sweep.csv", "?? reports/sweep.json"]


def test_a_scale_is_logarithmic_and_can_be_typed() -> None:
    """Strong to weak, both ends among them, three digits each; values of one's own come sorted and once."""
    assert Penalties(strongest=1, weakest=0.01, count=5).descending() == [1.0, 0.316, 0.1, 0.0316, 0.01]
    assert Penalties(count=1).descending() == [1.0]
    assert Penalties(values=[0.1, 3.0, 0.1]).descending() == [3.0, 0.1]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("l2: {values: [0.1, 0]}", r"sweep\.l2: expected values > 0 in sweep\.l2\.values, .* got 0$"),
        ("l2: {values: [-1.0]}", r"sweep\.l2: expected values > 0 in sweep\.l2\.values, .* got -1$"),
        ("l2: {strongest: 0}", r"sweep\.l2\.strongest: expected greater than 0, got 0 \(int\)"),
        ("l2: {strongest: 0.1, weakest: 1}", r"sweep\.l2\.weakest at most sweep\.l2\.strongest 0\.1, got 1$"),
        ("l2: {count: 0}", r"sweep\.l2\.count: expected greater than 0"),
        ("folds: 1", r"sweep\.folds: expected greater than or equal to 2, got 1"),
        ("rule: luck", r"sweep\.rule: expected 'one_standard_error' or 'best', got 'luck'"),
    ],
)
def test_wrong_params_are_one_sentence(tmp_path: Path, section: str, message: str) -> None:
    """Each names the param as it was typed, what is expected and what came."""
    path = tmp_path / "params.yaml"
    path.write_text(f"sweep:\n  {section}\n", encoding="utf-8")
    with pytest.raises(UserError, match=message):
        params.load(path, "sweep", SweepParams)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"solver": "sgd", "lr": 0.1}, r"train\.solver: expected auto, newton or lbfgs with sweep, .* got sgd; set"),
        ({"early_stopping": {"patience": 3}}, r"train\.early_stopping\.patience: expected 0 with sweep, .* got 3;"),
    ],
)
def test_trainings_that_are_no_optimum_are_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    """The sentence names the knob of train and the sweep."""
    data = prepared(tmp_path / "data", synthetic(50, 2, (), 2))
    with pytest.raises(UserError, match=message):
        command.sweep(data, SweepParams(), train_params(**changes))


def test_missing_data_and_missing_rows_are_told(tmp_path: Path) -> None:
    """No prepared folder, or one without a training row: the message says what to run or where to look."""
    with pytest.raises(UserError, match=r"prepared\.json: no such file; run `dvc repro`"):
        command.main(params=SweepParams(), trained=train_params(), prepared=tmp_path / "none", out=tmp_path)
    data = prepared(tmp_path / "data", synthetic(50, 2, (), 2))
    data.splits["validation"] = data.splits.pop("train")
    with pytest.raises(UserError, match="expected training rows of weight above 0"):
        command.sweep(data, SweepParams(), train_params(class_weight="balanced"))
    assert not (tmp_path / "sweep.json").exists()

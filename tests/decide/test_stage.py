"""The stage on prepared data made in a few lines: what it writes, and the sentence where it cannot."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import model
from pipeline.dataset import shard
from pipeline.dataset.columns import Class
from pipeline.dataset.encoder import Encoder, NumberColumn
from pipeline.dataset.writer import Writer
from pipeline.decide import stage
from pipeline.decide.params import DecideParams
from pipeline.errors import UserError
from pipeline.scoring import decision
from tests.terminal import unwrapped

CLASSES = ("bird", "cat", "dog")


def encoder_of(classes: tuple[Class, ...]) -> Encoder:
    """A number for each class."""
    numbers = tuple(
        NumberColumn(f"x{place}", "number", 0.0, 0.0, 1.0, indicator=False) for place in range(len(classes))
    )
    return Encoder(numbers, (), "animal", classes, ("",))


def rows_of(first: int, n: int, sharpness: float, k: int = 3, weights: np.ndarray | None = None) -> shard.Shard:
    """Rows whose classes are drawn with the softmax of ``sharpness`` times the numbers."""
    generator = np.random.default_rng(first)
    numbers = 3 * generator.normal(size=(n, k))
    labels = np.argmax(sharpness * numbers + generator.gumbel(size=(n, k)), axis=1)
    return shard.Shard(
        numbers=numbers.astype(np.float32),
        codes=np.empty((n, 0), dtype=np.uint8),
        labels=labels.astype(np.int32),
        rows=np.arange(first, first + n),
        weights=weights,
    )


def make_project(
    folder: Path, params: dict[str, Any] | None = None, classes: tuple[Class, ...] = CLASSES, **splits: shard.Shard
) -> Path:
    """Prepared data with these splits, and a model whose logits are the numbers."""
    (folder / "prepared").mkdir(parents=True)
    writer = Writer(folder / "prepared")
    encoder, k = encoder_of(classes), len(classes)
    for name, rows in splits.items():
        writer.add(name, rows)
    digest = writer.finish({}, encoder)
    result = {"status": "converged"}
    model.save(folder / "models", model.Model(np.eye(k), np.zeros(k), encoder, params or {}, digest, result))
    return folder


def run(folder: Path, **params: Any) -> dict[str, Any]:
    """Decide, and return decision.json."""
    models = folder / "models"
    stage.main(params=DecideParams(**params), prepared=folder / "prepared", model=models, out=models)
    document: dict[str, Any] = json.loads((models / "decision.json").read_text(encoding="utf-8"))
    return document


def held_out(sharpness: float, n: int = 600, k: int = 3) -> dict[str, shard.Shard]:
    """All three splits."""
    first = {"train": 1, "validation": 10_001, "test": 20_001}
    return {name: rows_of(row, n, sharpness, k) for name, row in first.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that is twice as sure as its rows allow."""
    return make_project(tmp_path_factory.mktemp("project"), **held_out(0.5))


@pytest.mark.parametrize("method", ["temperature", "vector", "matrix"])
def test_a_model_that_is_too_sure_is_scaled(folder: Path, method: str) -> None:
    """The test rows show the gain; what is read back is applied, and the bound stands in the file."""
    calibration = run(folder, calibration=method)["calibration"]
    assert calibration["applied"]
    assert calibration["reason"].endswith("the rows show a gain, so the probabilities are scaled")
    judged = calibration["judged"]
    assert judged["high"] < 0
    assert judged["after"] - judged["before"] == pytest.approx(judged["difference"], abs=1e-13)
    assert (judged["split"], judged["rows"], calibration["rows"]) == ("test", 600, 600)
    assert calibration["bound"] <= 1e-12
    read = decision.load(folder / "models", model.load(folder / "models"))
    assert read.scaling is not None
    # 600 rows tell a scale of 0.5 within 0.1 or so.
    assert np.diag(np.atleast_2d(read.scaling.weights)) == pytest.approx(0.5, abs=0.2)


def test_a_model_that_is_calibrated_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence says what the rows can show; the numbers stand in the file all the same."""
    folder = make_project(tmp_path, **held_out(1.0))
    calibration = run(folder)["calibration"]
    assert not calibration["applied"]
    assert calibration["judged"]["high"] >= 0
    assert calibration["weights"] == pytest.approx(1, abs=0.2)
    assert "no gain that the rows can show, so the probabilities stay as they are" in unwrapped(capsys.readouterr().out)
    assert decision.load(folder / "models", model.load(folder / "models")).scaling is None


def test_sets_have_a_quantile_or_one_a_class(folder: Path) -> None:
    """Of all validation rows, or of each class's."""
    sets = run(folder)["sets"]
    assert (sets["method"], sets["rows"], len(sets["quantiles"])) == ("lac", 600, 1)
    assert sets["reason"] == "lac sets of coverage 0.9 from 600 validation rows"
    by_class = run(folder, sets="aps", sets_by_class=True, coverage=0.8)["sets"]
    assert by_class["rows"] == 600
    assert len(by_class["quantiles"]) == 3
    assert run(folder, sets="none")["sets"]["quantiles"] is None


def test_costs_are_resolved_in_the_order_of_the_classes(folder: Path) -> None:
    """The document is what is applied; the settings are as they were typed."""
    document = run(folder, costs={"dog": {"bird": 7}}, abstain=0.5)
    assert document["costs"] == {
        "classes": [*CLASSES],
        "matrix": [[0, 1, 1], [1, 0, 1], [7, 1, 0]],
        "thresholds": None,
        "abstain": 0.5,
    }
    assert document["settings"]["costs"] == {"dog": {"bird": 7}}
    by_thresholds = run(folder, thresholds={"cat": 0.25, "dog": 0.5, "bird": 0.8})["costs"]
    assert by_thresholds["thresholds"] == [0.8, 0.25, 0.5]
    assert by_thresholds["matrix"] == [[0, 1.25, 1.25], [4, 0, 4], [2, 2, 0]]
    assert decision.load(folder / "models", model.load(folder / "models")).policy is not None
    assert run(folder, abstain=0.2)["costs"]["matrix"] == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert run(folder)["costs"] is None
    with pytest.raises(UserError, match=r"decide\.costs: expected classes \('bird', 'cat', 'dog'\), got 'cow'"):
        run(folder, costs={"cow": 2})


def test_settings_with_keys_that_are_no_text_are_written(tmp_path: Path) -> None:
    """JSON has text alone as keys, and so has the digest."""
    folder = make_project(tmp_path, classes=(False, True), train=rows_of(1, 20, 1.0, 2))
    document = run(folder, costs={True: 4})
    assert document["settings"]["costs"] == {"true": 4}
    assert document["costs"]["matrix"] == [[0, 1], [4, 0]]
    assert decision.load(folder / "models", model.load(folder / "models")).policy is not None


@pytest.mark.parametrize(
    ("splits", "params", "reason"),
    [
        ({}, {}, "not fitted: there are no validation rows (prepare.split)"),
        (
            {"validation": (600, 0.5)},
            {},
            "there are no test rows to judge it on, so the probabilities stay as they are",
        ),
        ({"validation": (9, 0.5)}, {}, "not fitted: 9 validation rows are too few for 1 numbers; it takes 10"),
        (
            {"validation": (60, 0.5)},
            {"calibration": "matrix"},
            "not fitted: 60 validation rows are too few for 12 numbers; it takes 120",
        ),
        (
            {"validation": (60, -2.0)},
            {},
            "not fitted: the validation rows are no more probable with these probabilities than with equal ones, so "
            "that no scale above 0 is best",
        ),
        (
            {"validation": (60, 1e6)},
            {},
            "not fitted: the class of every validation row is its most probable one, so that no scale is large enough",
        ),
        ({}, {"calibration": "none"}, "decide.calibration is none"),
    ],
)
def test_what_the_rows_cannot_give_is_a_sentence(
    tmp_path: Path, splits: dict[str, tuple[int, float]], params: dict[str, Any], reason: str
) -> None:
    """The stage ends well, and nothing is applied."""
    rows = {name: rows_of(10_001, *given) for name, given in splits.items()}
    calibration = run(make_project(tmp_path, train=rows_of(1, 50, 1.0), **rows), **params)["calibration"]
    assert (calibration["applied"], calibration["reason"]) == (False, reason)


def test_a_class_without_validation_rows_is_told(tmp_path: Path) -> None:
    """Vector scaling is refused, temperature is not; by class that class is in every set."""
    validation = rows_of(10_001, 600, 0.5)
    validation = dataclasses.replace(validation, labels=np.minimum(validation.labels, 1))
    folder = make_project(tmp_path, train=rows_of(1, 50, 1.0), validation=validation)
    document = run(folder, calibration="vector", sets_by_class=True)
    assert document["calibration"]["reason"].startswith("not fitted: no validation row is of class dog, which vector")
    assert document["sets"]["quantiles"][2] is None
    assert document["sets"]["reason"] == (
        "every set holds class dog: coverage 0.9 takes 9 validation rows of a class, there are fewer"
    )
    assert run(folder)["calibration"]["weights"] is not None


def test_too_few_rows_for_the_level_are_told(tmp_path: Path) -> None:
    """With the least number of them."""
    folder = make_project(tmp_path, train=rows_of(1, 50, 1.0), validation=rows_of(10_001, 18, 1.0))
    sets = run(folder, coverage=0.95)["sets"]
    assert sets["quantiles"] == [None]
    assert sets["reason"] == "every set holds all classes: coverage 0.95 takes 19 validation rows, there are 18"


def test_one_class_and_many_are_told(tmp_path: Path) -> None:
    """A matrix of more than 32 classes has too many numbers."""
    one = {name: rows_of(row, 30, 1.0, 1) for name, row in (("train", 1), ("validation", 101))}
    document = run(make_project(tmp_path / "one", classes=("a",), **one))
    assert document["calibration"]["reason"] == "not fitted: the model has one class, whose probability is 1"
    many = {name: rows_of(row, 40, 1.0, 33) for name, row in (("train", 1), ("validation", 101))}
    folder = make_project(tmp_path / "many", classes=tuple(range(33)), **many)
    reason = run(folder, calibration="matrix")["calibration"]["reason"]
    assert reason.startswith("not fitted: 1,122 numbers of 33 classes are too many")


def test_infinite_log_probabilities_are_told(tmp_path: Path) -> None:
    """Logits of 1e38 are finite, and their squares are; these weights make them 1e200 apart."""
    folder = make_project(tmp_path, train=rows_of(1, 20, 1.0), validation=rows_of(10_001, 50, 1.0))
    trained = model.load(folder / "models")
    model.save(folder / "models", dataclasses.replace(trained, weights=1e200 * trained.weights))
    assert run(folder)["calibration"]["reason"] == (
        "not fitted: a validation row gives a class an infinite log-probability"
    )


def test_early_stopping_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has used the validation rows, whose scores are then not quite those of new rows."""
    params = {"early_stopping": {"patience": 3, "minimum_drop": 0.0}}
    document = run(make_project(tmp_path, params, **held_out(0.5)))
    note = "early stopping has used the validation rows, too, so they are not quite as new ones are"
    assert document["calibration"]["notes"] == document["sets"]["notes"] == [note]
    assert unwrapped(capsys.readouterr().out).count(note) == 1


def test_a_weight_is_that_many_rows(tmp_path: Path) -> None:
    """Scale and quantile are those of the rows that many times; rows of weight 0 do not count."""
    weights = np.tile([0.0, 1.0, 2.0, 1.0], 100)
    rows = rows_of(10_001, 400, 0.5, weights=weights)
    repeated = np.repeat(np.arange(400), weights.astype(int))
    plain = shard.Shard(
        **{name: array[repeated] for name, array in dataclasses.replace(rows, weights=None).tensors().items()}
    )
    documents = []
    for name, validation, ones in (("weighted", rows, np.ones(50)), ("plain", plain, None)):
        folder = make_project(tmp_path / name, train=rows_of(1, 50, 1.0, weights=ones), validation=validation)
        documents.append(run(folder))
    weighted, other = documents
    assert weighted["sets"] == other["sets"]
    # f' is rounded at 1e-16 of its terms; the curvature is above 0.1.
    assert weighted["calibration"]["weights"] == pytest.approx(other["calibration"]["weights"], rel=1e-12)


def test_the_same_bytes_come_out_again(folder: Path) -> None:
    """Also where blocks are computed anew in every pass."""
    path = folder / "models" / "decision.json"
    run(folder)
    before = path.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.decide.rows._MOST_KEPT", 0)
        run(folder)
    assert path.read_bytes() == before


def test_a_model_of_other_data_is_refused(folder: Path, tmp_path: Path) -> None:
    """No file is written."""
    other = make_project(tmp_path, train=rows_of(1, 30, 1.0))
    with pytest.raises(UserError, match="trained on other data"):
        stage.main(params=DecideParams(), prepared=folder / "prepared", model=other / "models", out=tmp_path / "models")
    assert not (tmp_path / "models" / "decision.json").exists()


@pytest.mark.slow
def test_without_validation_rows_nothing_heavy_is_loaded(tmp_path: Path) -> None:
    """Neither torch, scikit-learn, scipy nor MLflow: the stage takes as long as its imports."""
    folder = make_project(tmp_path, train=rows_of(1, 30, 1.0))
    program = (
        "import sys; from pathlib import Path; from pipeline.decide import stage;"
        "from pipeline.decide.params import DecideParams; folder = Path(sys.argv[1]);"
        "stage.main(params=DecideParams(), prepared=folder / 'prepared', model=folder / 'models', out=folder);"
        "print([name for name in ('torch', 'mlflow', 'sklearn', 'scipy') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert result.stdout.splitlines()[-1] == "[]"

"""Stage 3 on prepared data made in a few lines: its reports against scikit-learn and against each other."""

import csv
import dataclasses
import hashlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics

from pipeline import model
from pipeline.dataset import shard
from pipeline.dataset.encoder import UNSEEN, CategoryColumn, Encoder, NumberColumn
from pipeline.dataset.writer import Writer
from pipeline.errors import UserError
from pipeline.evaluate import stage as evaluate
from pipeline.evaluate.params import EvaluateParams
from tests.terminal import unwrapped

CLASSES = ("bird", "cat", "dog")
PARAMS = EvaluateParams(calibration_bins=10)

ENCODER = Encoder(
    numbers=tuple(NumberColumn(name, "number", 0.0, 0.0, 1.0, indicator=False) for name in ("x1", "x2")),
    categories=(CategoryColumn("colour", ("blue", "red", UNSEEN)),),
    target="animal",
    classes=CLASSES,
    missing_values=("",),
)


def rows_of(first: int, labels: np.ndarray, weights: np.ndarray | None = None) -> shard.Shard:
    """Encoded rows of these classes, from source row ``first`` on."""
    generator = np.random.default_rng(first)
    return shard.Shard(
        numbers=generator.normal(size=(len(labels), 2)).astype(np.float32),
        codes=generator.integers(0, 2, size=(len(labels), 1)).astype(np.uint8),
        labels=labels.astype(np.int32),
        rows=np.arange(first, first + len(labels)),
        weights=weights,
    )


def labels_of(seed: int, rows: int) -> np.ndarray:
    """Random classes, each at least once."""
    return np.concatenate([np.arange(3), np.random.default_rng(seed).integers(0, 3, rows - 3)])


def make_project(folder: Path, **splits: shard.Shard) -> Path:
    """Prepared data with these splits, and a model whose weights are drawn at random."""
    prepared = folder / "prepared"
    prepared.mkdir(parents=True)
    writer = Writer(prepared)
    for name, rows in splits.items():
        writer.add(name, rows)
    digest = writer.finish({}, ENCODER)
    weights = np.random.default_rng(0).normal(size=(3, 5))
    result = {"status": "converged", "meaning": "a sentence", "cost": 0.5, "epochs": 7, "best_epoch": None}
    model.save(folder / "models", model.Model(weights, np.array([0.2, 0.0, -0.2]), ENCODER, {}, digest, result))
    return folder


def run(folder: Path) -> dict[str, Any]:
    """Evaluate, and return metrics.json."""
    evaluate.main(params=PARAMS, prepared=folder / "prepared", model=folder / "models", out=folder / "reports")
    return json.loads((folder / "reports" / "metrics.json").read_text(encoding="utf-8"))


def lines_of(folder: Path) -> list[dict[str, str]]:
    """The rows of predictions.csv."""
    with (folder / "reports" / "predictions.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with all three splits, evaluated."""
    project = make_project(
        tmp_path_factory.mktemp("project"),
        train=rows_of(1, labels_of(1, 300)),
        validation=rows_of(301, labels_of(2, 60)),
        test=rows_of(361, labels_of(3, 80)),
    )
    run(project)
    return project


@pytest.fixture(scope="module")
def metrics(folder: Path) -> dict[str, Any]:
    """metrics.json of that project."""
    return json.loads((folder / "reports" / "metrics.json").read_text(encoding="utf-8"))


def test_metrics_follow_from_the_predictions_table(folder: Path, metrics: dict[str, Any]) -> None:
    """What a person computes from predictions.csv with scikit-learn is what metrics.json says, for each split."""
    for split in ("train", "validation", "test"):
        lines = [line for line in lines_of(folder) if line["split"] == split]
        actual = np.array([CLASSES.index(line["actual"]) for line in lines])
        predicted = np.array([CLASSES.index(line["predicted"]) for line in lines])
        probability = np.array([[float(line[f"probability_{name}"]) for name in CLASSES] for line in lines])
        expected = {
            "rows": len(lines),
            "log_loss": sklearn.metrics.log_loss(actual, probability),
            "accuracy": sklearn.metrics.accuracy_score(actual, predicted),
            "macro_f1": sklearn.metrics.f1_score(actual, predicted, average="macro"),
            "roc_auc_ovr": sklearn.metrics.roc_auc_score(actual, probability, multi_class="ovr"),
            "brier": sklearn.metrics.brier_score_loss(actual, probability),
        }
        # At most 300 rounded additions of numbers below 10 on either side.
        assert {name: metrics[split][name] for name in expected} == pytest.approx(expected, rel=1e-12)


def test_every_row_of_every_split_has_a_line(folder: Path) -> None:
    """Row numbers are the source's, once each; probabilities sum to 1 and are the softmax of the logits."""
    lines = lines_of(folder)
    assert [int(line["row"]) for line in lines] == list(range(1, 441))
    for line in lines:
        logits = [float(line[f"logit_{name}"]) for name in CLASSES]
        probability = [float(line[f"probability_{name}"]) for name in CLASSES]
        assert sum(probability) == pytest.approx(1.0, abs=1e-6)
        total = sum(math.exp(logit) for logit in logits)
        assert probability == pytest.approx([math.exp(logit) / total for logit in logits], rel=1e-13)
        assert line["predicted"] == CLASSES[int(np.argmax(logits))]


def test_the_baseline_predicts_the_training_frequencies(metrics: dict[str, Any]) -> None:
    """For each split, the same metrics of scikit-learn's DummyClassifier(strategy='prior')."""
    train, test = labels_of(1, 300), labels_of(3, 80)
    prior = np.bincount(train) / 300
    probability = np.tile(prior, (80, 1))
    (baseline,) = [record for record in metrics["baseline"] if record["split"] == "test"]
    expected = {
        "rows": 80,
        "log_loss": sklearn.metrics.log_loss(test, probability),
        "accuracy": np.mean(test == prior.argmax()),
        "balanced_accuracy": 1 / 3,
        "macro_f1": sklearn.metrics.f1_score(test, np.full(80, prior.argmax()), average="macro"),
        "roc_auc_ovr": 0.5,
        "brier": sklearn.metrics.brier_score_loss(test, probability),
        "expected_calibration_error": abs(np.mean(test == prior.argmax()) - prior.max()),
    }
    # Sums of 80 rounded numbers.
    assert {name: baseline[name] for name in expected} == pytest.approx(expected, rel=1e-12)
    assert [record["split"] for record in metrics["baseline"]] == ["train", "validation", "test"]


def test_per_class_has_a_record_for_each_class_of_each_split(metrics: dict[str, Any]) -> None:
    """Support adds up to the rows; names are the classes' own."""
    for split in ("train", "validation", "test"):
        records = [record for record in metrics["per_class"] if record["split"] == split]
        assert [record["class"] for record in records] == list(CLASSES)
        assert sum(record["support"] for record in records) == metrics[split]["rows"]


def test_intervals_are_records_of_a_split_a_metric_and_perhaps_a_class(metrics: dict[str, Any]) -> None:
    """One for each metric that is defined, or the reason in ``undefined``."""
    records = metrics["intervals"] + [record for record in metrics["undefined"] if record["of"] == "interval"]
    for split in ("train", "validation", "test"):
        named = {(record["metric"], record.get("class")) for record in records if record["split"] == split}
        of_classes = {(name, label) for name in ("precision", "recall", "f1") for label in CLASSES}
        assert named == {(name, None) for name in metrics[split].keys() - {"rows"}} | of_classes
    assert all(record["low"] < record["high"] for record in metrics["intervals"])


def test_rows_in_another_order_and_other_shards_have_the_same_intervals(tmp_path: Path) -> None:
    """To the last bit; weights and groups go with their rows."""
    rows = dataclasses.replace(
        rows_of(1, labels_of(1, 90), np.tile([0.0, 0.7, 2.5], 30)), groups=np.arange(90, dtype=np.uint64) // 2 + 2**63
    )
    order = np.random.default_rng(0).permutation(90)
    moved = shard.Shard(**{name: array[order] for name, array in rows.tensors().items()})
    intervals = []
    for name, each in (("one", rows), ("other", moved)):
        made = make_project(tmp_path / name, train=each)
        intervals.append(run(made)["intervals"])
        lines = {line["row"]: line for line in lines_of(made)}
        assert [lines[str(row)]["group"] for row in range(1, 91)] == [str(2**63 + row // 2) for row in range(90)]
        assert [float(lines[str(row)]["weight"]) for row in (1, 2, 3)] == [0.0, 0.7, 2.5]
    assert intervals[0] == intervals[1]
    alone = run(make_project(tmp_path / "alone", train=dataclasses.replace(rows, groups=None)))["intervals"]
    assert alone != intervals[0]
    assert "group" not in lines_of(tmp_path / "alone")[0]


def test_dvc_sees_only_numbers_and_the_status(metrics: dict[str, Any]) -> None:
    """The mappings that DVC lays out as columns hold one level of numbers, and the solver's status."""
    columns = {name: value for name, value in metrics.items() if isinstance(value, dict)}
    assert sorted(columns) == ["solver", "test", "train", "validation"]
    assert metrics["solver"] == {"status": "converged", "cost": 0.5, "epochs": 7}
    for split in ("train", "validation", "test"):
        assert all(isinstance(value, int | float) for value in metrics[split].values())


def test_plots_draw_the_test_split(folder: Path) -> None:
    """Each table names the split it shows: test, where there is one."""
    for name in ("calibration.csv", "confusion_matrix.csv", "roc.csv"):
        path = folder / "reports" / "plots" / name
        assert path.read_text(encoding="utf-8").splitlines()[1].endswith(",test")


def test_a_split_of_one_class_has_a_reason_instead_of_a_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Null, with a record that says why, for the model and for the baseline; what is a number there is doubted."""
    project = make_project(tmp_path, train=rows_of(1, labels_of(1, 50)), test=rows_of(51, np.full(10, 2)))
    metrics = run(project)
    assert metrics["test"]["roc_auc_ovr"] is None
    assert [record for record in metrics["undefined"] if record["of"] != "interval"] == [
        {"split": "test", "of": of, "metric": "roc_auc_ovr", "reason": "no row here is of class bird, cat"}
        for of in ("model", "baseline")
    ]
    printed = unwrapped(capsys.readouterr().out)
    doubt = "all its 10 rows are of class dog; accuracy, balanced accuracy and F1 say nothing of the other classes"
    assert printed.startswith(f"evaluate: test: {doubt} evaluate: ")
    assert printed.count("accuracy, balanced") == 1


def test_weights_count_rows_in_metrics_but_not_in_the_table(tmp_path: Path) -> None:
    """A row of weight 2 counts twice, one of weight 0 not at all; predictions.csv still has every row once."""
    labels = labels_of(1, 40)
    weights = np.tile([0.0, 1.0, 2.0, 1.0], 10)
    rows = rows_of(1, labels, weights)
    index = np.repeat(np.arange(40), weights.astype(int))
    repeated = dataclasses.replace(rows.part(0), weights=None)
    repeated = shard.Shard(**{name: array[index] for name, array in repeated.tensors().items()})
    weighted = run(make_project(tmp_path / "weighted", train=rows))
    assert len(lines_of(tmp_path / "weighted")) == 40
    plain = run(make_project(tmp_path / "plain", train=repeated))
    assert weighted["train"].pop("rows") == 30
    assert plain["train"].pop("rows") == 40
    # Sums of 40 rounded numbers in two orders.
    assert weighted["train"] == pytest.approx(plain["train"], rel=1e-13)
    keys = ("split", "rows")
    numbers = [{k: v for k, v in run_["baseline"][0].items() if k not in keys} for run_ in (weighted, plain)]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-13)


def test_a_model_of_other_data_is_refused(folder: Path, tmp_path: Path) -> None:
    """Feature columns might mean something else there; reports stay as they were."""
    other = make_project(tmp_path, train=rows_of(1, labels_of(9, 30)))
    with pytest.raises(UserError, match="trained on other data"):
        evaluate.main(params=PARAMS, prepared=folder / "prepared", model=other / "models", out=tmp_path / "reports")
    assert not (tmp_path / "reports").exists()


def test_an_unknown_param_or_no_bins_at_all_is_refused() -> None:
    """The only knob is an integer of at least 1."""
    for wrong in (
        {"calibration_bins": 0},
        {"calibration_bins": 10_001},  # a billion would take 7 GiB
        {"calibration_bins": 10, "bins": 3},
        {"calibration_bins": 2.5},
    ):
        with pytest.raises(ValueError, match="validation error"):
            EvaluateParams(**wrong)


# What a worker of torchrun runs.
WORKER = """
import sys
from pathlib import Path
from pipeline.evaluate import stage as evaluate
from pipeline.evaluate.params import EvaluateParams
from pipeline.parallel import workers
with workers.process_group():
    folder = Path(sys.argv[1])
    evaluate.main(params=EvaluateParams(), prepared=folder / "prepared", model=folder / "models", out=folder / "shared")
"""


@pytest.mark.slow
def test_two_workers_leave_the_same_reports(tmp_path: Path) -> None:
    """Rows with weights and groups, in three shards, so that one worker has more of them."""
    count = 2 * shard.SHARD_ROWS + 100
    rows = rows_of(1, labels_of(1, count), np.random.default_rng(0).uniform(0.5, 2, count))
    groups = np.arange(count, dtype=np.uint64) // 3 + 2**63
    made = make_project(tmp_path, train=dataclasses.replace(rows, groups=groups))
    run(made)
    program = tmp_path / "worker.py"
    program.write_text(WORKER, encoding="utf-8")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    root = str(Path(__file__).parents[2])
    subprocess.run([*launcher, str(program), str(made)], check=True, env=os.environ | {"PYTHONPATH": root}, timeout=240)
    assert digests(made / "shared") == digests(made / "reports")


@pytest.mark.slow
def test_reports_do_not_depend_on_threads_and_need_no_torch_or_mlflow(folder: Path, tmp_path: Path) -> None:
    """The same bytes with one thread and with four, from a process that loads neither torch nor MLflow."""
    program = (
        "import sys; from pathlib import Path; from pipeline.evaluate import stage as evaluate;"
        "from pipeline.evaluate.params import EvaluateParams;"
        "evaluate.main(params=EvaluateParams(calibration_bins=10), prepared=Path(sys.argv[1]) / 'prepared',"
        " model=Path(sys.argv[1]) / 'models', out=Path(sys.argv[2]));"
        "print([name for name in ('torch', 'mlflow', 'matplotlib') if name in sys.modules])"
    )
    expected = digests(folder / "reports")
    for threads in ("1", "4"):
        environment = os.environ | {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
        command = [sys.executable, "-c", program, str(folder), str(tmp_path / threads)]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert result.stdout.splitlines()[-1] == "[]"
        assert digests(tmp_path / threads) == expected


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder, by relative path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}

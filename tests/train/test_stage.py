"""The training stage on prepared data made by the real format's writer."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from scipy.special import logsumexp, softmax
from sklearn.linear_model import LogisticRegression

from pipeline import model, params
from pipeline.arithmetic import compiled
from pipeline.dataset import reader, shard
from pipeline.dataset.encoder import CategoryColumn, Encoder, NumberColumn
from pipeline.dataset.writer import Writer
from pipeline.errors import UserError
from pipeline.train import stage as train
from pipeline.train.cross_validation import penalties
from pipeline.train.params import TrainParams
from tests.libraries import not_compiled

CLASSES = ("a", "b", "c")


def _encoder() -> Encoder:
    numbers = tuple(NumberColumn(name, "number", 0.0, 0.0, 1.0, False) for name in ("u", "v"))
    return Encoder(numbers, (CategoryColumn("c", ("p", "q", "<unseen>")),), "y", CLASSES, ("",))


def _rows(count: int, seed: int) -> shard.Shard:
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(count, 2)).astype(np.float32)
    codes = random.integers(2, size=(count, 1)).astype(np.uint8)
    scores = np.stack([numbers[:, 0], numbers[:, 1] + codes[:, 0], np.zeros(count)], 1)
    labels = (scores + random.gumbel(size=scores.shape)).argmax(1).astype(np.int32)
    return shard.Shard(numbers, codes, labels, np.arange(1, count + 1))


def _written(folder: Path, **splits: shard.Shard) -> Path:
    folder.mkdir()
    writer = Writer(folder)
    for split, rows in splits.items():
        writer.add(split, rows)
    writer.finish({}, _encoder())
    return folder


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """300 training and 100 validation rows of two numbers and a category."""
    return _written(tmp_path / "prepared", train=_rows(300, 0), validation=_rows(100, 1))


def _params(tmp_path: Path, **changes: object) -> TrainParams:
    text = {"solver": "sgd", "seed": 1, "epochs": 30, "lr": 0.5, "snapshot_every": 10}
    lines = [f"  {name}: {value}" for name, value in (text | changes).items()]
    (tmp_path / "params.yaml").write_text("\n".join(["train:", *lines]), encoding="utf-8")
    return params.load(tmp_path / "params.yaml", "train", TrainParams)


def _fit(tmp_path: Path, prepared: Path, **changes: object) -> model.Model:
    train.main(params=_params(tmp_path, **changes), prepared=prepared, out=tmp_path / "models")
    return model.load(tmp_path / "models")


def test_the_files_hold_history_snapshots_and_model(tmp_path: Path, prepared: Path) -> None:
    """One line an epoch; snapshots before the first step and after epochs 0, 10, 20; the validation cost beside."""
    fitted = _fit(tmp_path, prepared)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "models/history.csv").read_text(encoding="utf-8"))))
    snapshots = safetensors.numpy.load_file(tmp_path / "models/snapshots.safetensors")
    assert [int(row["epoch"]) for row in rows] == list(range(30))
    assert set(rows[0]) == {"epoch", "cost", "validation_cost", "gradient_norm", "lr"}
    assert snapshots["epoch"].tolist() == [-1, 0, 10, 20]
    assert snapshots["W"].shape == (4, 3, 5)
    assert fitted.result["status"] == "epochs_done"
    assert fitted.result["cost"] < float(rows[-1]["cost"])


@pytest.mark.slow
def test_long_training_with_a_penalty_reaches_scikit_learns_optimum(tmp_path: Path, prepared: Path) -> None:
    """Full-batch descent ends at the minimiser of the same strictly convex objective: W to 1e-6, b up to a shift."""
    fitted = _fit(tmp_path, prepared, epochs=3000, lr=1.0, l2=0.05)
    rows = reader.open_dataset(prepared).splits["train"].shards[0]
    one_hot = np.hstack([rows.numbers, np.eye(3)[rows.codes[:, 0]]])
    reference = LogisticRegression(C=1 / (300 * 0.05), tol=1e-10, max_iter=10_000).fit(one_hot, rows.labels)
    np.testing.assert_allclose(fitted.weights, reference.coef_, rtol=0, atol=1e-6)
    np.testing.assert_allclose(fitted.bias - fitted.bias.mean(), reference.intercept_, rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"solver": "adam", "lr": 0.05},
        {"batch_size": 32, "momentum": 0.9, "lr": 0.01},
        {"class_weight": "balanced"},
        {"class_weight": "{a: 1, b: 2.5, c: 0}"},
        {"schedule": "{method: cosine}"},
        {"schedule": "{method: step, every: 10, factor: 0.5}"},
        {"schedule": "{method: exponential, factor: 0.9}"},
        {"precision": "float32"},
        {"intercept": "false"},
        *({"solver": solver, "lr": "null", "l2": 0.01} for solver in ("newton", "lbfgs", "auto")),
        {"solver": "newton", "lr": "null"},
        {"solver": "auto", "lr": "null", "l2": 0.01, "intercept": "false"},
        {"solver": "newton", "lr": "null", "l2": 0.01, "class_weight": "{a: 1, b: 2.5, c: 0}"},
        {"solver": "newton", "lr": "null", "early_stopping": "{patience: 2}"},
    ],
)
def test_every_knob_trains_and_repeats_bit_for_bit(tmp_path: Path, prepared: Path, changes: dict[str, object]) -> None:
    """The cost falls below that of knowing nothing, the unseen level has no weight, a repeat gives the same bytes."""
    first = _fit(tmp_path, prepared, **changes)
    first_bytes = [
        (tmp_path / "models" / name).read_bytes() for name in sorted(p.name for p in (tmp_path / "models").iterdir())
    ]
    second = _fit(tmp_path, prepared, **changes)
    second_bytes = [
        (tmp_path / "models" / name).read_bytes() for name in sorted(p.name for p in (tmp_path / "models").iterdir())
    ]
    assert first.result["cost"] < np.log(3)
    assert not first.weights[:, 4].any()
    assert first.key == second.key
    assert first_bytes == second_bytes


@pytest.mark.slow
def test_balanced_weights_are_scikit_learns(tmp_path: Path, prepared: Path) -> None:
    """class_weight: balanced is n / (k * rows of the class), and the optimum with it is scikit-learn's."""
    fitted = _fit(tmp_path, prepared, solver="newton", lr="null", l2=0.05, tolerance=1e-13, class_weight="balanced")
    rows = reader.open_dataset(prepared).splits["train"].shards[0]
    one_hot = np.hstack([rows.numbers, np.eye(3)[rows.codes[:, 0]]])
    reference = LogisticRegression(C=1 / (300 * 0.05), class_weight="balanced", tol=1e-10, max_iter=10_000)
    reference.fit(one_hot, rows.labels)
    np.testing.assert_allclose(fitted.weights, reference.coef_, rtol=0, atol=1e-6)


def _dense(prepared: Path) -> tuple[np.ndarray, np.ndarray]:
    rows = reader.open_dataset(prepared).splits["train"].shards[0]
    return np.hstack([rows.numbers, np.eye(3)[rows.codes[:, 0]]]), rows.labels


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["newton", "lbfgs", "auto"])
@pytest.mark.parametrize("intercept", [True, False])
def test_the_optimum_is_found_with_a_proof(tmp_path: Path, prepared: Path, solver: str, intercept: bool) -> None:
    """scikit-learn's W and b; status, passes and bound stand in the model's result, seconds in none of the files."""
    fitted = _fit(
        tmp_path, prepared, solver=solver, lr="null", l2=0.01, tolerance=1e-13, intercept=str(intercept).lower()
    )
    x, labels = _dense(prepared)
    reference = LogisticRegression(C=1 / (300 * 0.01), tol=1e-12, max_iter=10_000, fit_intercept=intercept)
    reference.fit(x, labels)
    np.testing.assert_allclose(fitted.weights, reference.coef_, rtol=0, atol=1e-6)
    np.testing.assert_allclose(fitted.bias - fitted.bias.mean(), reference.intercept_, rtol=0, atol=1e-6)
    assert fitted.result["status"] == "converged"
    assert fitted.result["relative_bound"] <= 1e-13
    assert fitted.result["passes"] >= fitted.result["epochs"]
    header = (tmp_path / "models/history.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == "epoch,cost,validation_cost,gradient_norm,passes"


def test_gradient_descent_gets_a_bound_too(tmp_path: Path, prepared: Path) -> None:
    """With a penalty it holds wherever training ended: it is never below the true distance from the optimum."""
    best = _fit(tmp_path, prepared, solver="newton", lr="null", l2=0.01).result["objective"]
    for epochs in (5, 500):
        result = _fit(tmp_path, prepared, l2=0.01, epochs=epochs).result
        assert result["objective"] - best <= result["bound"]
        assert result["passes"] == epochs
    assert _fit(tmp_path, prepared).result["bound"] is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{"solver": "sgd", "lr": 1.0}, {"solver": "adam", "lr": 0.01}, {"batch_size": 64, "lr": 0.3}]
)
def test_steps_in_float32_end_with_the_objective_and_the_bound_of_float64(
    tmp_path: Path, prepared: Path, changes: dict[str, object]
) -> None:
    """numpy's objective and gradient at W and b, to rounding; the optimum is no farther than the bound."""
    fitted = _fit(tmp_path, prepared, l2=0.05, epochs=400, precision="float32", **changes)
    x, labels = _dense(prepared)
    scores = x @ fitted.weights.T + fitted.bias
    losses = logsumexp(scores, axis=1) - scores[np.arange(300), labels]
    residuals = softmax(scores, axis=1) - np.eye(3)[labels]
    gradient = residuals.T @ x / 300 + 0.05 * fitted.weights
    norm = np.hypot(np.linalg.norm(gradient), np.linalg.norm(residuals.mean(0)))
    result = fitted.result
    assert result["objective"] == pytest.approx(losses.mean() + 0.025 * np.square(fitted.weights).sum(), rel=1e-14)
    # A gradient is a mean of terms up to 1, whose rounding is 1e-16 each.
    assert result["gradient_norm"] == pytest.approx(norm, rel=1e-12, abs=1e-15)
    best = _fit(tmp_path, prepared, solver="newton", lr="null", l2=0.05, tolerance=1e-14).result["objective"]
    assert result["objective"] - best <= result["bound"] + 1e-15


def test_who_watches_sees_seconds(tmp_path: Path, prepared: Path) -> None:
    """Each record has them; they never fall."""
    seen: list[dict[str, object]] = []
    train.main(params=_params(tmp_path, epochs=5), prepared=prepared, out=tmp_path / "models", watch=seen.append)
    seconds = [record["seconds"] for record in seen]
    assert len(seconds) == 5
    assert seconds == sorted(seconds)


def test_the_printed_line_says_what_was_chosen_and_why(
    tmp_path: Path, prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """auto names the method, the sizes it chose by, and how good the result is."""
    _fit(tmp_path, prepared, solver="auto", lr="null", l2=0.01)
    printed = capsys.readouterr().out
    assert "train: auto takes newton: 300 rows, 5 columns, of which 3 of categories, 3 classes: " in printed
    assert "objective proven within" in printed
    assert "the optimum, proven" in printed


def test_l1_leaves_exact_zeros_and_says_how_many(
    tmp_path: Path, prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The result, which evaluate copies, counts the weights that are not 0; without l1 it holds no such line."""
    result = (fitted := _fit(tmp_path, prepared, solver="auto", lr="null", l1=0.02)).result
    assert result["status"] == "converged"
    assert result["l1"] == fitted.params["l1"] == 0.02
    assert 0 < result["nonzero_weights"] == np.count_nonzero(fitted.weights) < fitted.weights.size
    assert "weights of W that are not 0" in capsys.readouterr().out
    assert "nonzero_weights" not in _fit(tmp_path, prepared, solver="auto", lr="null").result


def test_early_stopping_returns_to_the_best_epoch(tmp_path: Path, prepared: Path) -> None:
    """W and b are those with the lowest validation cost in the history."""
    fitted = _fit(tmp_path, prepared, epochs=2000, lr=2.0, early_stopping="{patience: 7}")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "models/history.csv").read_text(encoding="utf-8"))))
    costs = [float(row["validation_cost"]) for row in rows]
    assert fitted.result["status"] == "stopped_early"
    assert fitted.result["best_epoch"] == int(np.argmin(costs))
    assert fitted.result["epochs"] == len(rows) == fitted.result["best_epoch"] + 7


def test_threads_do_not_change_a_byte(tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One, two or eight threads give one key."""
    keys = set()
    for threads in ("1", "2", "8"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        keys.add(_fit(tmp_path, prepared).key)
    assert len(keys) == 1


def test_the_start_is_that_of_torch(tmp_path: Path, prepared: Path) -> None:
    """Before the first step W and b are torch.nn.Linear's under the seed, but for the unseen level and its rounding."""
    _fit(tmp_path, prepared, seed=42)
    snapshots = safetensors.numpy.load_file(tmp_path / "models/snapshots.safetensors")
    torch.manual_seed(42)
    linear = torch.nn.Linear(5, 3)
    rounding = {"rtol": 0, "atol": 2**-25}  # of torch, which fuses a product and a sum on some processors
    np.testing.assert_allclose(snapshots["W"][0][:, :4], linear.weight.detach().numpy()[:, :4], **rounding)
    np.testing.assert_allclose(snapshots["b"][0], linear.bias.detach().numpy(), **rounding)
    assert [value.hex() for value in snapshots["W"][0][:, 0].tolist()] == [
        "0x1.5e1e300000000p-2",
        "0x1.71a3360000000p-4",
        "0x1.8e0ba80000000p-2",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lr": 1e300}, "epoch [0-9]+: the cost became NaN or infinite; lower train.lr"),
        ({"lr": 1e200}, "epoch [0-9]+: the cost became NaN or infinite; lower train.lr"),  # finite, but its square
        ({"class_weight": "{a: 1, b: 2}"}, "train.class_weight: expected one weight for each of the classes a, b, c"),
        ({"class_weight": "{a: 0, b: 0, c: 0}"}, "expected a weight > 0"),
        (
            {"solver": "adam", "momentum": 0.5},
            "train.momentum 0 with train.solver adam, which has no momentum, got 0.5; add -S train.momentum=0",
        ),
        (
            {"solver": "auto", "lr": "null", "l1": 0.1, "device": "cuda"},
            "train.device cpu or auto with train.l1 0.1, which runs on the processor, got cuda; "
            "add -S train.device=cpu",
        ),
        ({"device": "gpu"}, "train.device"),
        ({"solver": "newton"}, "expected train.lr null with train.solver newton, .* got 0.5; add -S train.lr=null"),
        (
            {"solver": "lbfgs", "lr": "null", "batch_size": 32, "precision": "float32"},
            "train.batch_size full and train.precision float64 with train.solver lbfgs, which finds its own steps, "
            "got 32, float32; add -S train.batch_size=full -S train.precision=float64",
        ),
        ({"solver": "auto", "schedule": "{method: cosine}", "lr": "null"}, "add -S train.schedule.method=constant"),
        ({"lr": "null"}, "expected train.lr > 0 with train.solver sgd, got null; add -S train.lr=0.1"),
        ({"tolerance": 0}, "train.tolerance: expected greater than 0, got 0"),
        ({"solver": "magic"}, "train.solver: expected 'sgd', 'adam', 'lbfgs', 'newton' or 'auto', got 'magic'"),
        ({"epochs": 0}, "train.epochs: expected greater than 0, got 0"),
        (
            {"l1": 0.01},
            "train.l1 0 with train.solver sgd, which cannot make weights exactly 0, got 0.01; "
            "add -S train.solver=auto -S train.lr=null, or -S train.l1=0",
        ),
        ({"solver": "adam", "l1": 0.01}, "train.l1 0 with train.solver adam"),
        ({"solver": "lbfgs", "lr": "null", "l1": 0.01}, "train.l1 0 with train.solver lbfgs"),
        ({"l1": -1}, "train.l1: expected greater than or equal to 0, got -1"),
        ({"momentum": 1}, "train.momentum: expected less than 1, got 1"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_the_earlier_model(
    tmp_path: Path, prepared: Path, changes: dict[str, object], message: str
) -> None:
    """Nothing is written when training cannot be done."""
    key = _fit(tmp_path, prepared).key
    with pytest.raises(UserError, match=message):
        _fit(tmp_path, prepared, **changes)
    assert model.load(tmp_path / "models").key == key


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_gpu_that_is_not_there_is_named(tmp_path: Path, prepared: Path) -> None:
    """cuda is refused before training; auto takes the processor and gives the bytes of cpu, with the device told."""
    expected = "train.device: expected cpu or auto where torch finds no CUDA device, got cuda; set cpu, or install"
    with pytest.raises(UserError, match=expected):
        _fit(tmp_path, prepared, device="cuda")
    automatic, processor = (_fit(tmp_path, prepared, device=device) for device in ("auto", "cpu"))
    assert np.array_equal(automatic.weights, processor.weights)
    assert automatic.result["device"] == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
@pytest.mark.parametrize(
    "changes",
    [
        {"solver": "sgd", "lr": 0.5},
        {"solver": "sgd", "lr": 0.5, "precision": "float32", "batch_size": 50},
        {"solver": "adam", "lr": 0.01, "momentum": 0},
        {"solver": "newton", "lr": "null", "l2": 0.01},
        {"solver": "lbfgs", "lr": "null", "l2": 0.01},
        {"solver": "auto", "lr": "null", "l2": 0.01},
        {"solver": "auto", "lr": "null", "class_weight": "balanced"},
    ],
    ids=lambda changes: " ".join(str(value) for value in changes.values()),
)
def test_a_gpu_trains_the_model_of_the_processor(tmp_path: Path, prepared: Path, changes: dict[str, object]) -> None:
    """The same files twice, which name the device, and the processor's numbers within rounding."""
    first = _fit(tmp_path, prepared, device="cuda", **changes)
    left = {path.name: path.read_bytes() for path in (tmp_path / "models").iterdir()}
    _fit(tmp_path, prepared, device="cuda", **changes)
    assert {path.name: path.read_bytes() for path in (tmp_path / "models").iterdir()} == left
    assert first.result["device"] == "cuda"
    processor = _fit(tmp_path, prepared, **changes)
    if "class_weight" not in changes:  # without a penalty many W have the same probabilities
        tolerance = 1e-4 if "precision" in changes or processor.result["bound"] is not None else 1e-10
        np.testing.assert_allclose(first.weights, processor.weights, rtol=0, atol=tolerance)
    assert first.result["objective"] == pytest.approx(processor.result["objective"], rel=1e-6)
    assert first.result["status"] == processor.result["status"]


def test_the_first_costs_of_both_splits_are_of_one_point(tmp_path: Path, prepared: Path) -> None:
    """newton begins where its sample's optimum is: the validation cost of epoch 0 is of that point, not of 0."""
    _fit(tmp_path, prepared, solver="newton", lr="null", l2=0.01)
    first, second, *_ = csv.DictReader(io.StringIO((tmp_path / "models/history.csv").read_text(encoding="utf-8")))
    assert abs(float(first["validation_cost"]) - np.log(3)) > abs(
        float(first["validation_cost"]) - float(second["validation_cost"])
    )


def test_early_stopping_needs_validation_rows(tmp_path: Path) -> None:
    """Without such rows there is nothing to watch."""
    folder = _written(tmp_path / "prepared", train=_rows(30, 0))
    with pytest.raises(UserError, match=r"train.early_stopping.patience: expected validation rows"):
        _fit(tmp_path, folder, early_stopping="{patience: 7}")


def test_much_work_without_the_compiled_library_is_told(
    tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It takes longer, and leaves the same bytes."""
    work = penalties.work(rows=300, classes=3, numbers=2, categories=1)
    monkeypatch.setattr(train, "_MUCH", work - 1)
    _fit(tmp_path, prepared, epochs=3)
    with_library = {path.name: path.read_bytes() for path in (tmp_path / "models").iterdir()}
    assert ("not compiled" in capsys.readouterr().out) == (not compiled.instruction_sets())
    with not_compiled():
        _fit(tmp_path, prepared, epochs=3)
        assert "the arithmetic is not compiled" in capsys.readouterr().out
        monkeypatch.setattr(train, "_MUCH", work)
        _fit(tmp_path, prepared, epochs=3)
        assert "not compiled" not in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in (tmp_path / "models").iterdir()} == with_library

"""prepare.dtype float64: every digit of a table's numbers counts, in every solver, and float32 stays what it was."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline import model
from pipeline.dataset import reader
from pipeline.errors import UserError
from pipeline.evaluate import stage as evaluate
from pipeline.evaluate.params import EvaluateParams
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.train import stage as train
from pipeline.train.params import TrainParams

ROWS = 400
# Numbers that differ from each other in digits that float32 does not have.
FAR = 1e5

OPTIMUM = {"seed": 0, "epochs": 500, "snapshot_every": 500, "tolerance": 1e-10, "lr": None}
SOLVERS: dict[str, dict[str, Any]] = {
    "newton": {"solver": "newton", "l2": 1e-3, **OPTIMUM},
    "lbfgs": {"solver": "lbfgs", "l2": 1e-3, **OPTIMUM},
    "auto": {"solver": "auto", "l2": 1e-3, **OPTIMUM},
    "l1": {"solver": "newton", "l1": 1e-3, "l2": 1e-3, **OPTIMUM},
}


def table(path: Path, offset: float) -> Path:
    """Two numbers, a category and three classes; ``offset`` is added to the first number."""
    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, ROWS)).round(3)
    group = random.integers(0, 3, ROWS)
    scores = np.stack([first, second + (group == 1), np.zeros(ROWS)], 1) + random.gumbel(size=(ROWS, 3))
    lines = [
        f"{a + offset:.3f},{b},g{g},c{y}" for a, b, g, y in zip(first, second, group, scores.argmax(1), strict=True)
    ]
    path.write_text("\n".join(["first,second,group,y", *lines]), encoding="utf-8")
    return path


def fitted(folder: Path, offset: float, dtype: str, **params: Any) -> model.Model:
    """The model of the table with numbers of ``dtype``, as they are."""
    folder.mkdir(exist_ok=True)
    source = table(folder / "t.csv", offset)
    asked = PrepareParams.model_validate({"source": str(source), "target": "y", "dtype": dtype})
    prepare.main(params=asked, source=source, out=folder / "prepared")
    train.main(params=TrainParams.model_validate(params), prepared=folder / "prepared", out=folder / "models")
    return model.load(folder / "models")


@pytest.mark.parametrize("params", SOLVERS.values(), ids=[*SOLVERS])
def test_numbers_far_from_0_have_the_weights_of_numbers_near_it(tmp_path: Path, params: dict[str, Any]) -> None:
    """b takes up the offset, so W is the same; in float32 the table itself is another."""
    near, far = (fitted(tmp_path / f"{offset}", offset, "float64", **params).weights for offset in (0.0, FAR))
    np.testing.assert_allclose(far, near, rtol=0, atol=2e-5)  # a gap of 1e-10 moves W by its root
    rounded = fitted(tmp_path / "rounded", FAR, "float32", **params).weights
    assert np.abs(rounded - near).max() > 5e-5


def test_sgd_takes_the_digits_too(tmp_path: Path) -> None:
    steps = {"solver": "sgd", "seed": 0, "epochs": 3, "snapshot_every": 1, "lr": 0.01}
    exact, rounded = (fitted(tmp_path / dtype, 0.123456789, dtype, **steps) for dtype in ("float64", "float32"))
    assert 0 < np.abs(exact.weights - rounded.weights).max() < 1e-6


def test_shards_hold_what_the_encoder_says(tmp_path: Path) -> None:
    trained = fitted(tmp_path, 0.1, "float64", **SOLVERS["auto"])
    dataset = reader.open_dataset(tmp_path / "prepared")
    assert (dataset.encoder.dtype, dataset.splits["train"].shards[0].numbers.dtype) == ("float64", np.float64)
    assert trained.encoder.to_json()["dtype"] == "float64"
    # Of float32 nothing is written, so that earlier data and models keep their bytes.
    fitted(tmp_path, 0.1, "float32", **SOLVERS["auto"])
    assert "dtype" not in (tmp_path / "prepared/encoder.json").read_text(encoding="utf-8")


def test_evaluate_takes_them_as_they_are(tmp_path: Path) -> None:
    trained = fitted(tmp_path, FAR, "float64", **SOLVERS["auto"])
    evaluate.main(
        params=EvaluateParams(calibration_bins=10),
        prepared=tmp_path / "prepared",
        model=tmp_path / "models",
        out=tmp_path / "reports",
    )
    assert f'"cost": {trained.result["cost"]!r}' in (tmp_path / "reports/metrics.json").read_text(encoding="utf-8")


def test_a_shard_of_the_other_type_is_refused(tmp_path: Path) -> None:
    fitted(tmp_path, 0.1, "float64", **SOLVERS["auto"])
    fitted(tmp_path / "other", 0.1, "float32", **SOLVERS["auto"])
    shard = tmp_path / "prepared/train-00000.safetensors"
    shard.write_bytes((tmp_path / "other/prepared/train-00000.safetensors").read_bytes())
    with pytest.raises(UserError, match="digest does not match"):
        reader.open_dataset(tmp_path / "prepared")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
@pytest.mark.parametrize("params", [SOLVERS["newton"], SOLVERS["lbfgs"]], ids=["newton", "lbfgs"])
def test_a_gpu_takes_them_too(tmp_path: Path, params: dict[str, Any]) -> None:
    here, there = (fitted(tmp_path / d, FAR, "float64", **params, device=d) for d in ("cpu", "cuda"))
    np.testing.assert_allclose(there.weights, here.weights, rtol=0, atol=2e-5)

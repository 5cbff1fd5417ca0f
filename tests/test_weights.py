"""Sample weights from the params to the metrics: a weight of 2 is the row twice, a weight of 0 is no row."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.dataset import reader
from pipeline.errors import UserError
from pipeline.evaluate import stage as evaluate
from pipeline.evaluate.params import EvaluateParams
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.train import fit
from pipeline.train import stage as train
from pipeline.train.params import TrainParams

_TRAINING = {"epochs": 50, "solver": "adam", "seed": 1, "lr": 0.1, "snapshot_every": 50}


def _prepare(frame: pd.DataFrame, folder: Path, **others: Any) -> reader.Dataset:
    folder.mkdir()
    frame.to_csv(folder / "t.csv", index=False, na_rep="NA")
    params = PrepareParams.model_validate({"source": "", "target": "y", "standardise": True, **others})
    prepare.main(params=params, source=folder / "t.csv", out=folder / "prepared")
    return reader.open_dataset(folder / "prepared")


def _table() -> pd.DataFrame:
    random = np.random.default_rng(8)
    frame = pd.DataFrame({"x": random.normal(size=300), "c": random.choice(["u", "v", "w"], 300)})
    frame["y"] = np.where(frame["x"] + random.normal(size=300) > 0, "a", "b")
    frame.loc[::17, "x"] = np.nan
    frame["w"] = random.integers(1, 4, 300)
    frame["fold"] = np.where(np.arange(300) % 5 == 0, "test", "train")
    return frame


def _scores(folder: Path) -> dict[str, Any]:
    train.main(
        params=TrainParams.model_validate(_TRAINING),
        prepared=folder / "prepared",
        out=folder / "models",
    )
    evaluate.main(
        params=EvaluateParams(calibration_bins=10),
        prepared=folder / "prepared",
        model=folder / "models",
        out=folder / "reports",
    )
    scores: dict[str, Any] = json.loads((folder / "reports" / "metrics.json").read_text(encoding="utf-8"))
    return scores


def test_a_weight_is_that_many_rows(tmp_path: Path) -> None:
    """Encoder, trained costs and metrics of a weighted table are those of the table with its rows repeated."""
    frame = _table()
    split = {"method": "column", "column": "fold"}
    weighted = _prepare(frame, tmp_path / "weighted", weights="w", split=split)
    repeated = frame.loc[frame.index.repeat(frame["w"])].drop(columns="w")
    twice = _prepare(repeated, tmp_path / "repeated", split=split)
    assert weighted.encoder == twice.encoder
    assert weighted.splits["train"].shards[0].weights is not None
    ours, theirs = _scores(tmp_path / "weighted"), _scores(tmp_path / "repeated")
    for name in ("train", "test"):
        for metric in ("log_loss", "accuracy"):
            # The same sums in another order of float64 operations, over 50 steps.
            assert ours[name][metric] == pytest.approx(theirs[name][metric], rel=1e-9)


@pytest.mark.parametrize("solver", [{"solver": "adam", "lr": 0.1}, {"solver": "auto", "lr": None, "l2": 0.01}])
def test_a_class_weight_is_the_weight_of_its_rows(tmp_path: Path, solver: dict[str, Any]) -> None:
    """Times the row's own: the products of float64 are the same, so the bits of W and b are."""
    frame = _table().assign(x=lambda table: table["x"].fillna(0.0)).drop(columns="fold")
    classes = {"a": 0.5, "b": 3.0}
    by_class = _prepare(frame, tmp_path / "class", weights="w", standardise=False)
    frame["w"] *= frame["y"].map(classes)
    by_row = _prepare(frame, tmp_path / "row", weights="w", standardise=False)
    params = TrainParams.model_validate(_TRAINING | solver)
    weighted = params.model_copy(update={"class_weight": classes})
    one, other = (fit.fit(data, chosen, lambda _: None)[0] for data, chosen in ((by_class, weighted), (by_row, params)))
    assert (one.weights.tobytes(), one.bias.tobytes()) == (other.weights.tobytes(), other.bias.tobytes())


def test_rare_levels_are_those_of_little_weight(tmp_path: Path) -> None:
    """Beyond the limit the levels that stay are those of the table with its rows repeated."""
    frame = pd.DataFrame({"c": ["u"] * 5 + ["v"] * 2 + ["t"], "w": [1] * 5 + [3, 4, 2], "y": ["a", "b"] * 4})
    weighted = _prepare(frame, tmp_path / "weighted", weights="w", max_levels=1)
    repeated = frame.loc[frame.index.repeat(frame["w"])].drop(columns="w")
    twice = _prepare(repeated, tmp_path / "repeated", max_levels=1)
    assert weighted.encoder.categories == twice.encoder.categories
    assert weighted.encoder.categories[0].levels == ("v", "<other>", "<unseen>")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("1,-2", "line 3, column w: expected a weight >= 0, got '-2'"),
        ("1,NA", "line 3, column w: expected a weight >= 0, got 'NA'"),
        ("1,much", "line 3, column w: expected a number, got 'much'"),
        ("0,0", "column w: all training rows have weight 0"),
    ],
)
def test_weights_that_are_none_are_told(tmp_path: Path, weights: str, message: str) -> None:
    """A weight below 0, none at all, a text, and only zeros are named with their place."""
    frame = pd.DataFrame({"x": [1, 2], "w": weights.split(","), "y": ["a", "b"]})
    with pytest.raises(UserError) as caught:
        _prepare(frame, tmp_path / "t", weights="w")
    assert message in str(caught.value)


def test_class_weights_that_leave_no_row_are_told(tmp_path: Path) -> None:
    """Rows of weight 0 of the only class that is weighed are nothing to train on."""
    frame = pd.DataFrame({"x": [1, 2, 3, 4], "w": [0, 0, 1, 1], "y": ["a", "a", "b", "b"]})
    prepared = _prepare(frame, tmp_path / "t", weights="w")
    for solver in ({"solver": "adam", "lr": 0.1}, {"solver": "auto", "lr": None, "l2": 0.1}):
        params = TrainParams.model_validate(_TRAINING | solver | {"class_weight": {"a": 1.0, "b": 0.0}})
        with pytest.raises(UserError, match=r"train.class_weight: expected a weight > 0 for a class whose"):
            fit.fit(prepared, params, lambda _: None)


def test_weights_have_one_role(tmp_path: Path) -> None:
    """The column of weights is neither a feature nor the target."""
    frame = _table()
    with pytest.raises(UserError, match=r"prepare.features: 'w' is the column of weights"):
        _prepare(frame, tmp_path / "a", weights="w", features=["x", "w"])
    with pytest.raises(UserError, match=r"prepare.weights: 'y' has another role"):
        _prepare(frame, tmp_path / "b", weights="y")

"""Where training starts: at 0, at the seed's weights, or at an earlier model found by the names of its columns."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import model, params
from pipeline.dataset import shard
from pipeline.dataset.encoder import CategoryColumn, Encoder, NumberColumn
from pipeline.dataset.writer import Writer
from pipeline.errors import UserError
from pipeline.scoring import logits
from pipeline.train import initial_point
from pipeline.train import stage as train
from pipeline.train.params import StartParams, TrainParams
from tests.problems import synthetic

CLASSES = ("a", "b", "c")
OPTIMUM = {"solver": "newton", "lr": "null", "l2": 0.01}


def _number(name: str, shift: float = 0.0, scale: float = 1.0) -> NumberColumn:
    return NumberColumn(name, "number", shift, shift, scale, False)


ENCODER = Encoder((_number("u"), _number("v")), (CategoryColumn("c", ("p", "q", "<unseen>")),), "y", CLASSES, ("",))


def _rows(seed: int = 0, rows: int = 400) -> shard.Shard:
    """Rows of two numbers, a category of two levels, and three classes."""
    drawn = synthetic(rows, 2, (2,), 3, seed)
    return shard.Shard(
        drawn.numbers, drawn.codes.astype(np.uint8), drawn.labels.astype(np.int32), np.arange(1, rows + 1)
    )


def _prepared(folder: Path, rows: shard.Shard, encoder: Encoder = ENCODER) -> Path:
    folder.mkdir()
    writer = Writer(folder)
    writer.add("train", rows)
    writer.finish({}, encoder)
    return folder


def _fit(folder: Path, prepared: Path, **changes: object) -> model.Model:
    settings = {"seed": 1, "epochs": 100, "snapshot_every": 10} | OPTIMUM | changes
    (folder / "params.yaml").write_text(
        "\n".join(["train:", *(f"  {name}: {value}" for name, value in settings.items())]), encoding="utf-8"
    )
    out = folder / "models"
    train.main(params=params.load(folder / "params.yaml", "train", TrainParams), prepared=prepared, out=out)
    return model.load(out)


def _saved(folder: Path, fitted: model.Model) -> str:
    """The model in a folder of its own, as params.yaml names it."""
    model.save(folder, fitted)
    return f"{{model: {folder}, key: {fitted.key}}}"


def test_a_start_at_the_optimum_ends_there_in_fewer_passes(tmp_path: Path) -> None:
    """Newton from its own result makes no step; the certificate is computed anew and holds."""
    prepared = _prepared(tmp_path / "prepared", _rows())
    cold = _fit(tmp_path, prepared)
    warm = _fit(tmp_path, prepared, start=_saved(tmp_path / "earlier", cold))
    assert warm.result["status"] == "converged"
    assert warm.result["epochs"] == 1
    assert warm.result["passes"] < cold.result["passes"]
    assert warm.result["relative_bound"] <= 1e-8
    np.testing.assert_allclose(warm.weights, cold.weights, rtol=0, atol=1e-15)


@pytest.mark.parametrize("solver", ["newton", "lbfgs", "auto"])
def test_a_start_elsewhere_ends_within_the_certified_distance(tmp_path: Path, solver: str) -> None:
    """From a model of another penalty, or one far off, |W - W*| <= sqrt(2 bound / l2), as from 0."""
    prepared = _prepared(tmp_path / "prepared", _rows())
    near = _fit(tmp_path, prepared, l2=0.02)
    far = replace(near, weights=near.weights * 1e4)
    expected = _fit(tmp_path, prepared, solver=solver, tolerance=1e-13)
    for name, earlier in (("near", near), ("far", far)):
        warm = _fit(tmp_path, prepared, solver=solver, tolerance=1e-13, start=_saved(tmp_path / name, earlier))
        assert warm.result["status"] == "converged"
        allowed = sum(np.sqrt(2 * fitted.result["bound"] / 0.01) for fitted in (warm, expected))
        assert np.linalg.norm(warm.weights - expected.weights) <= allowed


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_descent_goes_on_where_the_earlier_one_stopped(tmp_path: Path, solver: str) -> None:
    """The first cost of the history is the earlier model's own; sgd without momentum repeats one long run's bits."""
    prepared = _prepared(tmp_path / "prepared", _rows())
    settings = {"solver": solver, "lr": 0.1, "l2": 0.01}
    first = _fit(tmp_path, prepared, epochs=20, **settings)
    second = _fit(tmp_path, prepared, epochs=20, start=_saved(tmp_path / "earlier", first), **settings)
    history = (tmp_path / "models/history.csv").read_text(encoding="utf-8").splitlines()
    assert float(history[1].split(",")[1]) == first.result["cost"]
    if solver == "sgd":
        assert np.array_equal(second.weights, _fit(tmp_path, prepared, epochs=40, **settings).weights)


def test_the_start_is_part_of_the_key(tmp_path: Path) -> None:
    """The model keeps folder and key that it began at; the same start gives the same bytes."""
    prepared = _prepared(tmp_path / "prepared", _rows())
    cold = _fit(tmp_path, prepared)
    words = _saved(tmp_path / "earlier", cold)
    first, second = (_fit(tmp_path, prepared, start=words) for _ in range(2))
    assert first.params["start"] == {"model": str(tmp_path / "earlier"), "key": cold.key}
    assert first.key == second.key != cold.key


def test_the_start_is_the_earlier_function_of_raw_values(tmp_path: Path) -> None:
    """Other standardisation, order of classes, columns and levels: the logits of known columns stay as they were."""
    earlier = _fit(tmp_path, _prepared(tmp_path / "prepared", _rows()))
    encoder = Encoder(
        (_number("v", 2.0, 4.0), _number("w"), _number("u", -1.0, 0.5)),
        (CategoryColumn("c", ("new", "q", "p", "<unseen>")),),
        "y",
        ("c", "a", "b"),
        ("",),
    )
    begun = initial_point.of(encoder, TrainParams(solver="newton", seed=0, epochs=1, snapshot_every=1), earlier)
    raw = {"u": 0.3, "v": -1.7}
    before = logits.compute_logits(earlier, np.array([[raw["u"], raw["v"]]], np.float32), np.array([[1]]))
    w, b = begun.parameters.weights.numpy(), begun.parameters.bias.numpy()
    x = np.array([(raw["v"] - 2.0) / 4.0, 123.0, (raw["u"] + 1.0) / 0.5, 0, 1, 0, 0])
    # float32 holds the raw values to 6e-8 of their size.
    np.testing.assert_allclose(w @ x + b, before[0][[2, 0, 1]], rtol=0, atol=1e-6)
    assert begun.sentences == (f"starts at model {earlier.key[:8]}; new columns start at 0: w, c=new",)


def test_columns_that_are_gone_are_named(tmp_path: Path) -> None:
    """A column that the data no longer has is told among the findings of the model."""
    earlier = _fit(tmp_path, _prepared(tmp_path / "prepared", _rows()))
    rows = _rows(1)
    fewer = replace(rows, numbers=rows.numbers[:, :1])
    encoder = replace(ENCODER, numbers=ENCODER.numbers[:1])
    continued = _fit(
        tmp_path, _prepared(tmp_path / "fewer", fewer, encoder), start=_saved(tmp_path / "earlier", earlier)
    )
    assert f"starts at model {earlier.key[:8]}; of no use any more: v" in continued.result["findings"]


def test_wrong_starts_are_refused_in_one_sentence(tmp_path: Path) -> None:
    """No folder, no key, another key, other classes, no column in common: each says what differs."""
    earlier = _fit(tmp_path, _prepared(tmp_path / "prepared", _rows()))
    folder = tmp_path / "earlier"
    model.save(folder, earlier)
    with pytest.raises(UserError, match=r"train\.start\.model: expected a folder with softmax\.json .* got nowhere"):
        initial_point.earlier(StartParams(model="nowhere", key="0"))
    for key, came in ((None, "null"), ("0" * 64, "0" * 64)):
        with pytest.raises(UserError, match=rf"train\.start\.key: .* got {came}; .* set it: {earlier.key}$"):
            initial_point.earlier(StartParams(model=str(folder), key=key))
    settings = TrainParams(solver="newton", seed=0, epochs=1, snapshot_every=1)
    with pytest.raises(UserError, match=r"train\.start\.model: .* got one that lacks d and has also b, c;"):
        initial_point.of(replace(ENCODER, classes=("a", "d")), settings, earlier)
    with pytest.raises(UserError, match=r"columns of this data, such as z, got one with u, v, c=p and 2 more"):
        initial_point.of(replace(ENCODER, numbers=(_number("z"),), categories=()), settings, earlier)


def test_a_key_without_a_model_is_refused(tmp_path: Path) -> None:
    """The params error names the knob that is missing."""
    prepared = _prepared(tmp_path / "prepared", _rows())
    with pytest.raises(UserError, match=r"train\.start: expected train\.start\.model to be the folder"):
        _fit(tmp_path, prepared, start="{model: null, key: abc}")

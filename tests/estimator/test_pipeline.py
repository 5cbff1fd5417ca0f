"""A fit in a notebook is the fit of `dvc repro`: the same rows and params give the same key."""

import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from palmerpenguins import load_penguins

from pipeline import SoftmaxRegression, load, model
from pipeline.predictor.predictor import Predictor
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.train import stage as train
from pipeline.train.params import TrainParams

TRAIN: dict[str, Any] = {"solver": "auto", "seed": 0, "epochs": 500, "snapshot_every": 100, "l2": 0.01}


@pytest.fixture(scope="module")
def penguins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the table of penguins, its stages done and the params of both."""
    folder = tmp_path_factory.mktemp("penguins")
    table = load_penguins()[["bill_length_mm", "body_mass_g", "island", "sex", "year", "species"]]
    table.to_csv(folder / "penguins.csv", index=False)
    params = prepare_params(folder)
    prepare.main(params=params, source=folder / "penguins.csv", out=folder / "prepared")
    train.main(params=TrainParams(**TRAIN), prepared=folder / "prepared", out=folder / "models")
    return folder


def prepare_params(folder: Path) -> PrepareParams:
    return PrepareParams(
        source=str(folder / "penguins.csv"), target="species", standardise=True, categories=["year"], leave_out=[]
    )


def estimator(folder: Path) -> SoftmaxRegression:
    return SoftmaxRegression(prepare=prepare_params(folder), train=TrainParams(**TRAIN))


@pytest.mark.parametrize("how", ["frame and column", "frame and labels", "polars", "arrow", "file"])
def test_the_same_rows_and_params_give_the_same_key(penguins: Path, how: str) -> None:
    trained = model.load(penguins / "models")
    table = pd.read_csv(penguins / "penguins.csv")
    fits = {
        "frame and column": lambda one: one.fit(table, "species"),
        "frame and labels": lambda one: one.fit(table.drop(columns="species"), table["species"]),
        "polars": lambda one: one.fit(_polars(table), "species"),
        "arrow": lambda one: one.fit(_polars(table).to_arrow(), "species"),
        "file": lambda one: one.fit_file(penguins / "penguins.csv", "species"),
    }
    fitted = fits[how](estimator(penguins))
    assert fitted.model_.key == trained.key
    loaded = load(penguins / "models")
    rows = table[fitted.feature_names_in_]
    np.testing.assert_array_equal(fitted.predict_proba(rows), loaded.predict_proba(table))
    np.testing.assert_array_equal(fitted.predict(rows), loaded.predict(table))


def _polars(table: pd.DataFrame) -> Any:
    import polars

    return polars.from_pandas(table)


@pytest.mark.slow
def test_the_params_file_of_the_project_gives_the_model_of_the_tutorial(repro: Path) -> None:
    table = pd.read_csv(repro / "data/raw/tutorial.csv")
    fitted = SoftmaxRegression.from_params(repro / "params.yaml").fit(table, "y")
    assert fitted.model_.key == model.load(repro / "models").key


def test_a_summary_is_that_of_infer(penguins: Path) -> None:
    fitted = estimator(penguins).fit_file(penguins / "penguins.csv", "species")
    summary = fitted.summary(reference="Adelie", firth=True)
    assert summary.document["model_key"] == fitted.model_.key
    assert {line["reference"] for line in summary.coefficients if line["class"] == "Gentoo"} >= {"Adelie"}
    assert "class Gentoo against Adelie" in str(summary)
    with pytest.raises(ValueError, match=r"summary: infer\.covariance: expected 'model', 'robust' or 'cluster', got"):
        fitted.summary(covariance="hc")
    again = pickle.loads(pickle.dumps(fitted))
    with pytest.raises(ValueError, match="got one without its rows; fit again"):
        again.summary()


def test_a_table_that_has_no_summary_says_why() -> None:
    fitted = SoftmaxRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
    with pytest.raises(ValueError, match="summary: no table of coefficients: "):
        fitted.summary()


def test_a_model_is_loaded_with_its_decision(penguins: Path, tmp_path: Path) -> None:
    shutil.copytree(penguins / "models", tmp_path / "models")
    loaded = load(tmp_path / "models")
    assert isinstance(loaded, Predictor)
    table = pd.read_csv(penguins / "penguins.csv")
    explanation = loaded.explain(table)
    logits = explanation.parts.sum(axis=1)
    np.testing.assert_allclose(logits, loaded.decision_function(table), rtol=0, atol=1e-12)  # sums of six parts
    assert explanation.of_row(0)["(intercept)"].keys() == set(loaded.classes_)
    assert explanation.columns == (*loaded.feature_names_in_, "(intercept)")

"""Stage 4 on prepared data made in a few lines: its tables against statsmodels, and what it refuses."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import statsmodels.api as sm
from pydantic import ValidationError

from pipeline.errors import UserError
from pipeline.infer.params import InferParams
from tests.infer.problems import Table, drawn, infer

CLOSE = 1e-8


def reference_fit(table: Table, **options: Any) -> Any:
    """statsmodels, to its last digits, against class 0."""
    return sm.MNLogit(table.labels, table.frame).fit(method="newton", tol=1e-14, maxiter=100, disp=0, **options)


@pytest.mark.parametrize("covariance", ["model", "robust", "cluster"])
def test_the_table_is_that_of_statsmodels(tmp_path: Path, covariance: str) -> None:
    """Estimates, errors, z, p and intervals, with categories and a number that was standardised."""
    table = drawn(1, 900, classes=4, levels=(3, 2))
    groups = np.random.default_rng(2).integers(0, 60, 900)
    # Encoded by powers of two, so that float32 loses nothing.
    table = Table(table.numbers, table.codes, table.labels, table.levels, None, groups, shift=1.0, scale=2.0)
    params: dict[str, Any] = {"covariance": covariance, "reference": "k0"}
    options: dict[str, Any] = {}
    if covariance == "robust":
        options = {"cov_type": "HC0"}
    if covariance == "cluster":
        params |= {"cluster": "g", "correction": "statsmodels"}
        options = {"cov_type": "cluster", "cov_kwds": {"groups": groups}}
    table.numbers[:, 0] = table.numbers[:, 0].astype(np.float16)  # few digits: exact when shifted
    inferred = infer(tmp_path, table, **params)
    expected = reference_fit(table, **options)
    names = [line["feature"] for line in inferred.lines("coefficients.csv")[: table.frame.shape[1]]]
    assert names == list(table.frame)
    z = expected.params / expected.bse
    for name, values in (("estimate", expected.params), ("standard_error", expected.bse), ("z", z)):
        np.testing.assert_allclose(inferred.column(name, 3), np.asarray(values).T, rtol=CLOSE)
    np.testing.assert_allclose(inferred.column("p", 3), np.asarray(expected.pvalues).T, rtol=1e-6)
    bounds = expected.conf_int().to_numpy().reshape(3, -1, 2)
    np.testing.assert_allclose(inferred.column("low", 3), bounds[:, :, 0], rtol=CLOSE, atol=CLOSE)
    np.testing.assert_allclose(inferred.column("high", 3), bounds[:, :, 1], rtol=CLOSE, atol=CLOSE)
    fit = inferred.document["fit"]
    assert fit["distance_bound"] < 1e-6
    for name, value in (("log_likelihood", expected.llf), ("null_log_likelihood", expected.llnull)):
        assert fit[name] == pytest.approx(value, rel=1e-10)
    assert fit["aic"] == pytest.approx(expected.aic, rel=1e-10)
    assert fit["bic"] == pytest.approx(expected.bic, rel=1e-10)
    assert fit["mcfadden"] == pytest.approx(expected.prsquared, rel=1e-9)
    assert fit["p"] == pytest.approx(expected.llr_pvalue, rel=1e-6)


def test_effects_of_numbers_are_those_of_get_margeff(tmp_path: Path) -> None:
    """Averages over the rows, with errors by the delta method."""
    table = drawn(3, 600, classes=3, levels=())
    inferred = infer(tmp_path, table, reference="k0")
    expected = reference_fit(table).get_margeff()
    lines = inferred.lines("effects.csv")
    for name, values in (("effect", expected.margeff), ("standard_error", expected.margeff_se)):
        ours = np.array([float(line[name]) for line in lines]).reshape(2, 3)
        np.testing.assert_allclose(ours, values, rtol=CLOSE)


def test_a_column_is_tested_by_refits(tmp_path: Path) -> None:
    """Likelihood ratio and Wald of a number, and of all levels of a category at once."""
    table = drawn(4, 700, classes=3, levels=(4,))
    inferred = infer(tmp_path, table, reference="k0")
    full = reference_fit(table)
    for column in inferred.document["columns"]:
        names = [name for name in table.frame if name.partition("=")[0] == column["column"]]
        without = sm.MNLogit(table.labels, table.frame.drop(columns=names))
        restricted = without.fit(method="newton", tol=1e-14, maxiter=100, disp=0)
        assert column["likelihood_ratio"] == pytest.approx(2 * (full.llf - restricted.llf), rel=1e-7)
        places = [
            list(table.frame).index(name) + len(table.frame.columns) * label for label in range(2) for name in names
        ]
        vector = full.params.to_numpy().T.ravel()[places]
        wald = vector @ np.linalg.solve(full.cov_params().to_numpy()[np.ix_(places, places)], vector)
        assert column["wald"] == pytest.approx(wald, rel=1e-7)
        assert column["degrees_of_freedom"] == len(places)


def test_another_reference_is_the_same_model(tmp_path: Path) -> None:
    """Every pair of classes is in the table, whichever of them is the reference."""
    table = drawn(5, 400, classes=4)
    by_pair = []
    for reference in ("k0", "k2"):
        lines = infer(tmp_path / reference, table, reference=reference).lines("coefficients.csv")
        found = {}
        for line in lines:
            sign = 1 if line["class"] > line["reference"] else -1
            pair = tuple(sorted((line["class"], line["reference"])))
            found[(*pair, line["feature"])] = (sign * float(line["estimate"]), float(line["standard_error"]))
        by_pair.append(found)
    one, other = by_pair
    assert one.keys() == other.keys()
    assert len(one) == 6 * 5
    for place, values in one.items():
        np.testing.assert_allclose(other[place], values, rtol=1e-7, atol=1e-9)


def test_frequency_weights_are_rows(tmp_path: Path) -> None:
    """A weight of w is the row w times, in every number of every table; a weight of 0 is no row."""
    table = drawn(6, 500)
    weights = np.random.default_rng(1).integers(0, 4, 500)
    weighted = Table(table.numbers, table.codes, table.labels, table.levels, weights.astype(float))
    repeated = table.take(np.repeat(np.arange(500), weights))
    for covariance in ("model", "robust"):
        one = infer(tmp_path / f"weighted-{covariance}", weighted, covariance=covariance, reference="k0")
        other = infer(tmp_path / f"repeated-{covariance}", repeated, covariance=covariance, reference="k0")
        for name in ("estimate", "standard_error"):
            np.testing.assert_allclose(one.column(name, 2), other.column(name, 2), rtol=1e-8, atol=1e-12)
        assert one.document["fit"]["bic"] == pytest.approx(other.document["fit"]["bic"], rel=1e-12)


def test_bytes_do_not_depend_on_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file, of a table of several blocks."""
    table = drawn(7, 40_000, classes=3, levels=(5,))
    contents = []
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        folder = infer(tmp_path / threads, table, covariance="robust").folder
        contents.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert contents[0] == contents[1] == contents[2]


def test_the_covariance_is_of_the_prepared_columns(tmp_path: Path) -> None:
    """theta and covariance of covariance.safetensors give the table's numbers."""
    table = drawn(8, 300, levels=())
    inferred = infer(tmp_path, table, reference="k0")
    tensors = safetensors.numpy.load_file(inferred.folder / "covariance.safetensors")
    assert tensors["labels"].tolist() == [1, 2]
    errors = np.sqrt(tensors["covariance"].diagonal()).reshape(2, -1)
    np.testing.assert_allclose(errors, inferred.column("standard_error", 2), rtol=1e-10)
    np.testing.assert_allclose(tensors["theta"][:, 1:].T, inferred.column("estimate", 2), rtol=1e-10)


def separated() -> Table:
    """A level that one class never has."""
    table = drawn(9, 200, classes=3, levels=(3,))
    codes = np.where((table.labels == 1) & (table.codes[:, 0] == 2), 0, table.codes[:, 0])
    return Table(table.numbers, codes[:, None], table.labels, table.levels)


def one_class() -> Table:
    table = drawn(9, 50, classes=3, levels=())
    return Table(table.numbers, table.codes, np.zeros(50, dtype=int))


@pytest.mark.parametrize(
    ("table", "train", "params", "sentence"),
    [
        (separated(), {}, {}, "told apart without error: class k1 by c0=l2; an estimate without penalty is infinite"),
        (one_class(), {}, {}, "one class only"),
        (drawn(9, 100), {"l1": 0.01}, {}, "train.l1 chose the columns on the same rows"),
        (drawn(9, 100), {"l1": 0.01}, {"refit": False}, "the spread of coefficients under train.l1 is not known"),
        (drawn(9, 100), {}, {"enabled": False}, "infer.enabled is false"),
        (drawn(9, 100, numbers=3000, levels=()), {}, {}, "the covariance of 6,002 coefficients takes 274 MiB"),
    ],
)
def test_a_table_that_cannot_be_had_is_a_sentence(
    tmp_path: Path, table: Table, train: dict[str, Any], params: dict[str, Any], sentence: str
) -> None:
    """It stands in the place of the tables, which have their headers alone; the stage ends well."""
    inferred = infer(tmp_path, table, train_params=train, **params)
    assert sentence in inferred.document["refused"]
    assert inferred.lines("coefficients.csv") == []
    assert inferred.lines("effects.csv") == []


def test_l1_is_inferred_on_columns_fixed_beforehand(tmp_path: Path) -> None:
    """infer.columns is the way that the refusal names."""
    inferred = infer(tmp_path, drawn(9, 300), train_params={"l1": 0.01}, columns=["x0", "c0"])
    assert [column["column"] for column in inferred.document["columns"]] == ["x0", "c0"]


def test_columns_that_follow_from_others_are_left_out(tmp_path: Path) -> None:
    """A constant and a sum of two; the rest is as if they were not there."""
    table = drawn(10, 300, levels=())
    numbers = np.column_stack([table.numbers, np.full(300, 7.0), table.numbers[:, 0] + table.numbers[:, 1]])
    inferred = infer(tmp_path / "more", Table(numbers, table.codes, table.labels))
    assert inferred.document["left_out"] == ["x2", "x3"]
    plain = infer(tmp_path / "plain", table)
    np.testing.assert_allclose(inferred.column("estimate", 2), plain.column("estimate", 2), rtol=1e-6)


def test_a_penalised_fit_has_no_p_values(tmp_path: Path) -> None:
    """Its spread is (A^-1 H A^-1), smaller than that of the fit without a penalty."""
    table = drawn(11, 300, levels=())  # 6 coefficients; those of b are not shrunk
    shrunk = infer(tmp_path / "shrunk", table, train_params={"l2": 0.1}, refit=False, reference="k0")
    free = infer(tmp_path / "free", table, train_params={"l2": 0.1}, reference="k0")
    assert all(line["p"] == "" for line in shrunk.lines("coefficients.csv"))
    assert (shrunk.column("standard_error", 2)[:, :2] < free.column("standard_error", 2)[:, :2]).all()
    assert "no p-values" in shrunk.document["title"]
    assert 2 < shrunk.document["fit"]["effective_coefficients"] < 6 == free.document["fit"]["effective_coefficients"]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"reference": "k9"}, "infer.reference: expected a class (k0, k1, k2), got 'k9'"),
        ({"columns": ["x7"]}, "infer.columns: expected features of the model (x0, x1, c0), got 'x7'"),
        ({"columns": ["x0", "x0"]}, "infer.columns: expected each column once, got 'x0' twice"),
        ({"base_levels": {"c0": "l9"}}, "infer.base_levels: 'c0': expected a level of the training rows"),
        ({"base_levels": {"x0": "l1"}}, "infer.base_levels: expected a category of the model (c0), got 'x0'"),
        ({"covariance": "cluster", "cluster": "nobody"}, "infer.cluster: expected a feature"),
        ({"covariance": "cluster", "cluster": "x0"}, "infer.cluster: expected a category or whole numbers"),
    ],
)
def test_a_param_that_does_not_fit_is_an_error(tmp_path: Path, params: dict[str, Any], sentence: str) -> None:
    """It names the param, what was expected and what came."""
    with pytest.raises(UserError, match=re.escape(sentence)):
        infer(tmp_path, drawn(12, 100), **params)


@pytest.mark.parametrize(
    "params",
    [
        {"covariance": "cluster"},
        {"cluster": "g"},
        {"weights": "sampling"},
        {"firth": True, "refit": False},
        {"firth": True, "covariance": "robust"},
        {"confidence": 1.0},
        {"covariance": "HC3"},
    ],
)
def test_params_that_contradict_each_other_are_refused(params: dict[str, Any]) -> None:
    """Before any row is read."""
    with pytest.raises(ValidationError):
        InferParams(**params)

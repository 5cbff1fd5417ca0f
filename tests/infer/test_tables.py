"""What stands beside the coefficients: assumptions, inflation, influence, Firth's fit, budgets of passes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.outliers_influence import variance_inflation_factor

from tests.infer.problems import Table, drawn, infer


def test_p_values_are_adjusted_over_the_coefficients_of_columns(tmp_path: Path) -> None:
    """Holm's and Benjamini and Hochberg's, as statsmodels has them; the intercepts take no part."""
    lines = infer(tmp_path, drawn(1, 300), reference="k0").lines("coefficients.csv")
    tested = [line for line in lines if line["reference"] == "k0" and line["feature"] != "(intercept)"]
    p = [float(line["p"]) for line in tested]
    for column, method in (("p_holm", "holm"), ("p_benjamini_hochberg", "fdr_bh")):
        expected = multipletests(p, method=method)[1]
        np.testing.assert_allclose([float(line[column]) for line in tested], expected, rtol=1e-12)
    others = [line for line in lines if line not in tested]
    assert {line["p_holm"] for line in others} == {""}


def test_a_column_has_its_inflation(tmp_path: Path) -> None:
    """VIF of numbers as statsmodels has it; of a category the generalised one, which is another number."""
    table = drawn(2, 400, levels=(3,))
    table.numbers[:, 1] += table.numbers[:, 0] + table.codes[:, 0]
    table = replace(table, numbers=table.numbers.astype(np.float32).astype(float))
    columns = infer(tmp_path, table).document["columns"]
    design = table.frame.to_numpy()
    for place in range(2):
        expected = variance_inflation_factor(design, place)
        assert columns[place]["inflation"] == pytest.approx(expected, rel=1e-8)
    assert columns[2]["inflation_per_degree"] == pytest.approx(columns[2]["inflation"] ** (1 / 4), rel=1e-12)


def test_rows_without_budget_have_the_wald_test_alone(tmp_path: Path) -> None:
    """And a sentence names the columns."""
    document = infer(tmp_path, drawn(3, 300), passes=0).document
    assert all(column["likelihood_ratio"] is None for column in document["columns"])
    assert all(column["wald"] is not None for column in document["columns"])
    assert document["independence"] == []
    assert "no likelihood ratio within infer.passes of 0: x0, x1, c0" in document["sentences"]
    assert document["passes_of_tests"] == 0


def test_assumptions_are_tested(tmp_path: Path) -> None:
    """Goodness of fit and independence, with p that belong to their statistics."""
    document = infer(tmp_path, drawn(4, 800, classes=4), reference="k0").document
    fit = document["goodness_of_fit"]
    assert fit["degrees_of_freedom"] == 24
    assert fit["p"] == pytest.approx(stats.chi2.sf(fit["statistic"], 24), rel=1e-9)
    assert [test["class_left_out"] for test in document["independence"]] == ["k1", "k2", "k3"]
    for test in document["independence"]:
        assert test["p"] == pytest.approx(stats.chi2.sf(test["statistic"], test["degrees_of_freedom"]), rel=1e-9)


def test_influential_rows_are_those_of_the_source(tmp_path: Path) -> None:
    """Two classes against statsmodels' GLM, rows of weight 0 counted in their numbers."""
    table = drawn(5, 150, classes=2, levels=())
    weights = np.ones(150)
    weights[[0, 40, 77]] = 0.0
    lines = infer(tmp_path, replace(table, weights=weights), influence=10).lines("influence.csv")
    counted = weights > 0
    fitted = sm.GLM(table.labels[counted], table.frame[counted], family=sm.families.Binomial()).fit(tol=1e-14)
    influence = fitted.get_influence()
    expected = pd.Series(influence.cooks_distance[0], index=np.flatnonzero(counted) + 1).nlargest(10)
    assert [int(line["row"]) for line in lines] == list(expected.index)
    np.testing.assert_allclose([float(line["cooks_distance"]) for line in lines], expected, rtol=1e-6)
    for line in lines:
        assert line["class"] == f"k{table.labels[int(line['row']) - 1]}"
        residual = float(line[f"residual {line['class']}"])
        assert residual == pytest.approx(1 - float(line["probability"]), abs=1e-12)


def test_firth_is_finite_where_classes_are_told_apart(tmp_path: Path) -> None:
    """The table that is refused without it; no likelihood ratio and no bound, which are not of that fit."""
    table = drawn(6, 60, classes=3, levels=())
    labels = (table.numbers[:, 0] > np.median(table.numbers[:, 0])).astype(int)
    table = Table(table.numbers, table.codes, labels)
    assert infer(tmp_path / "plain", table).document["refused"]
    inferred = infer(tmp_path / "firth", table, firth=True)
    assert inferred.document["title"].startswith("Softmax regression, Firth's fit")
    assert np.isfinite(inferred.column("estimate", 1)).all()
    assert inferred.document["fit"]["distance_bound"] is None
    assert inferred.document["columns"][0]["likelihood_ratio"] is None


def test_effects_of_levels_are_changes_of_mean_probabilities(tmp_path: Path) -> None:
    """Predictions of statsmodels with all rows at one level, less those at the base level."""
    table = drawn(7, 500, levels=(3,))
    lines = infer(tmp_path, table, reference="k0", base_levels={"c0": "l1"}).lines("effects.csv")
    frame = table.frame
    fitted = sm.MNLogit(table.labels, frame).fit(method="newton", tol=1e-14, maxiter=100, disp=0)

    def at(level: int) -> np.ndarray:
        changed = frame.assign(**{f"c0=l{other}": float(other == level) for other in (1, 2)})
        return np.asarray(fitted.predict(changed)).mean(axis=0)

    for level in (0, 2):
        own = [float(line["effect"]) for line in lines if line["change"] == f"l{level} - l1"]
        np.testing.assert_allclose(own, at(level) - at(1), rtol=1e-8, atol=1e-12)


def test_without_an_intercept_b_stays_0(tmp_path: Path) -> None:
    """Levels of the first category stand in its place: the same fit as with dummies of all of them."""
    table = drawn(8, 400, levels=(3,))
    inferred = infer(tmp_path, table, train_params={"intercept": False}, reference="k0")
    features = [line["feature"] for line in inferred.lines("coefficients.csv")[:5]]
    assert features == ["x0", "x1", "c0=l0", "c0=l1", "c0=l2"]
    design = np.column_stack([table.numbers, np.eye(3)[table.codes[:, 0]]])
    expected = sm.MNLogit(table.labels, design).fit(method="newton", tol=1e-14, maxiter=100, disp=0)
    np.testing.assert_allclose(inferred.column("estimate", 2), np.asarray(expected.params).T, rtol=1e-8)
    np.testing.assert_allclose(inferred.column("standard_error", 2), np.asarray(expected.bse).T, rtol=1e-8)

"""What the tables must not depend on, and what must move with a change of the data, in rows, units, classes and levels.

Maxima of the same likelihood agree to 1e-9 of a standard error, where the steps end; 1e-8 leaves room for that.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
import torch

from pipeline.dataset.shard import BLOCK_ROWS
from pipeline.infer.numerics import effects
from pipeline.infer.numerics.covariance import cluster_scores, in_units, sandwich, theta_in_units
from tests.infer.numerics.tables import TABLES, maximum_of, reference, rows_of, to_x
from tests.infer.problems import Inferred, Table, drawn, infer
from tests.infer.real_tables import with_dummies

CLOSE: dict[str, Any] = {"rtol": 1e-8, "atol": 1e-9}
QUICK: dict[str, Any] = {"passes": 0, "influence": 0}


Cells = dict[tuple[str, ...], dict[str, float]]


def near(value: Any) -> Any:
    """To 1e-8 of itself, or 1e-9."""
    return pytest.approx(value, rel=1e-8, abs=1e-9)


def kinds(quick: str) -> pytest.MarkDecorator:
    """Every covariance, of which one is quick."""
    return pytest.mark.parametrize(
        "kind",
        [
            pytest.param(kind, marks=[] if kind == quick else pytest.mark.slow)
            for kind in ("model", "robust", "cluster")
        ],
    )


def table() -> Table:
    """Four classes, two numbers of few digits, two categories, 40 clusters."""
    made = drawn(21, 600, classes=4, levels=(3, 2))
    groups = np.random.default_rng(5).integers(0, 40, 600)
    return replace(made, numbers=made.numbers.astype(np.float16).astype(float), kept=groups)


def asked(kind: str) -> dict[str, Any]:
    """The params of a covariance."""
    return {"covariance": kind} | ({"cluster": "g", "correction": "statsmodels"} if kind == "cluster" else {})


def cells(inferred: Inferred, name: str, keys: tuple[str, ...]) -> Cells:
    """The lines of a file by their keys: every number in them."""
    found = {}
    for line in inferred.lines(name):
        numbers = {column: float(cell) for column, cell in line.items() if column not in keys and cell}
        found[tuple(line[key] for key in keys)] = numbers
    return found


def coefficients(inferred: Inferred) -> Cells:
    """By class, reference and feature."""
    return cells(inferred, "coefficients.csv", ("class", "reference", "feature"))


def effects_of(inferred: Inferred) -> Cells:
    """By class, column and change."""
    return cells(inferred, "effects.csv", ("class", "column", "change"))


def assert_same(one: Cells, other: Cells) -> None:
    """The same lines, with the same numbers."""
    assert one.keys() == other.keys()
    for key, numbers in one.items():
        assert other[key] == near(numbers), key


def assert_same_model(one: Inferred, other: Inferred) -> None:
    """The same numbers in coefficients, effects and tests."""
    assert_same(coefficients(one), coefficients(other))
    assert_same(effects_of(one), effects_of(other))
    assert_same_fit(one, other)


def assert_same_fit(one: Inferred, other: Inferred) -> None:
    """The same likelihood, and what follows from it."""
    names = ("log_likelihood", "null_log_likelihood", "likelihood_ratio", "p", "aic", "bic", "mcfadden")
    fits = [{name: inferred.document["fit"][name] for name in names} for inferred in (one, other)]
    assert fits[1] == pytest.approx(fits[0], rel=1e-10, nan_ok=True)


def assert_same_tests(one: Inferred, other: Inferred) -> None:
    """Of columns; likelihood ratios are differences of likelihoods, which take digits."""
    for before, after in zip(one.document["columns"], other.document["columns"], strict=True):
        assert after.keys() == before.keys()
        for name, value in before.items():
            assert after[name] == (value if isinstance(value, str | None) else pytest.approx(value, rel=1e-7))


@kinds(quick="cluster")
def test_the_order_of_the_rows_changes_nothing(tmp_path: Path, kind: str) -> None:
    """Clusters go with their rows."""
    one = infer(tmp_path / "one", table(), **asked(kind), **QUICK)
    order = np.random.default_rng(1).permutation(600)
    assert_same_model(one, infer(tmp_path / "other", table().take(order), **asked(kind), **QUICK))


@pytest.mark.parametrize("size", [7, 97, 1 << 14])
@pytest.mark.parametrize("name", ["categories", "weights"])
def test_blocks_are_parts_of_the_same_sums(name: str, size: int) -> None:
    """Of few rows, of rows that do not go up evenly, and all in one: maximum, covariances and effects."""
    found = []
    for rows in (rows_of(TABLES[name]), rows_of(TABLES[name], threads=2, size=size)):
        free = reference(rows)
        maximum = maximum_of(rows, free)
        assert maximum.sums.scores is not None
        assert maximum.sums.thirds is not None
        ids = list(torch.split(torch.arange(rows.count) % 30, [len(block.labels) for block in rows.blocks]))
        middle = cluster_scores(rows, maximum.theta, free, ids, 30)
        of_numbers = effects.of_numbers(free, maximum.theta, maximum.sums.thirds, range(2), rows.total_weight)
        settings = [effects.Setting(rows.numbers + level, category=0) for level in range(3)]
        at = effects.at_settings(rows, free, maximum.theta, settings)
        units = to_x(rows)  # the means that z is about are only near the mean, by blocks
        covariances = [
            maximum.factor.inverse(),
            sandwich(maximum.factor, free.matrix(rows, maximum.sums.scores)),
            sandwich(maximum.factor, middle),
        ]
        changes = [of_numbers, effects.difference(at, 1, 0), effects.difference(at, 2, 0)]
        found.append(
            [
                theta_in_units(maximum.theta, *units),
                *(in_units(own, free, *units) for own in covariances),
                *(effect.values for effect in changes),
                *(effects.standard_errors(effect, own) for effect in changes for own in covariances),
            ]
        )
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-11)


@kinds(quick="model")
def test_renamed_classes_are_the_same_model(tmp_path: Path, kind: str) -> None:
    """Every pair of classes, effects on each, and tests of columns, under the classes' new places."""
    places = np.array([2, 0, 3, 1])
    new = {f"k{old}": f"k{place}" for old, place in enumerate(places)}
    made = table()
    one = infer(tmp_path / "one", made, reference="k1", **asked(kind), influence=0)
    other = infer(
        tmp_path / "other", replace(made, labels=places[made.labels]), reference=new["k1"], **asked(kind), influence=0
    )
    of_pairs = {(new[a], new[b], name): numbers for (a, b, name), numbers in coefficients(one).items()}
    for (a, b, name), numbers in coefficients(other).items():
        if (a, b, name) in of_pairs:
            assert numbers == near(of_pairs[a, b, name])
            continue
        turned = of_pairs[b, a, name]
        assert numbers["estimate"] == near(-turned["estimate"])
        assert numbers["standard_error"] == near(turned["standard_error"])
    assert len(of_pairs) == len(coefficients(other)) == 6 * 6
    assert_same({(new[a], *rest): numbers for (a, *rest), numbers in effects_of(one).items()}, effects_of(other))
    assert_same_fit(one, other)
    assert_same_tests(one, other)


@kinds(quick="robust")
def test_units_of_a_column_change_its_numbers_alone(tmp_path: Path, kind: str) -> None:
    """x0 in eighths: an eighth of estimate, error and effect; the same z, ratio per deviation, and everything else."""
    made = table()
    scaled = made.numbers * np.array([8.0, 1.0])
    one = infer(tmp_path / "one", made, **asked(kind), **QUICK)
    other = infer(tmp_path / "other", replace(made, numbers=scaled), **asked(kind), **QUICK)
    after = coefficients(other)
    for key, numbers in coefficients(one).items():
        if key[-1] == "x0":
            per_unit = ("estimate", "standard_error", "low", "high")
            ratios = ("relative_risk_ratio", "ratio_low", "ratio_high")
            numbers = numbers | {name: numbers[name] / 8 for name in per_unit}
            numbers |= {name: numbers[name] ** 0.125 for name in ratios}
        assert after[key] == near(numbers), key
    effects_after = effects_of(other)
    for key, numbers in effects_of(one).items():
        if key[1] == "x0":
            numbers = numbers | {name: numbers[name] / 8 for name in ("effect", "standard_error", "low", "high")}
        assert effects_after[key] == near(numbers), key
    assert_same_fit(one, other)


@kinds(quick="cluster")
def test_a_shift_of_a_column_changes_the_intercept_alone(tmp_path: Path, kind: str) -> None:
    """x0 + 16: the intercept is 16 slopes less; its error is that of the difference, from the covariance before."""
    made = table()
    one = infer(tmp_path / "one", made, reference="k0", **asked(kind), **QUICK)
    shifted = replace(made, numbers=made.numbers + np.array([16.0, 0.0]))
    other = infer(tmp_path / "other", shifted, reference="k0", **asked(kind), **QUICK)
    before, after = coefficients(one), coefficients(other)
    for key, numbers in before.items():
        if key[-1] != "(intercept)":
            assert after[key] == near(numbers), key
            continue
        slope = before[(*key[:-1], "x0")]["estimate"]
        assert after[key]["estimate"] == near(numbers["estimate"] - 16 * slope)
        for name in ("estimate_per_deviation", "standard_error_per_deviation"):
            assert after[key][name] == near(numbers[name])
    options: dict[str, Any] = {"model": {}, "robust": {"cov_type": "HC0"}}.get(
        kind, {"cov_type": "cluster", "cov_kwds": {"groups": made.kept}}
    )
    fitted = sm.MNLogit(made.labels, shifted.frame).fit(method="newton", tol=1e-13, maxiter=100, disp=0, **options)
    np.testing.assert_allclose(other.column("standard_error", 3), fitted.bse.to_numpy().T, rtol=1e-8)
    assert_same(effects_of(one), effects_of(other))
    assert_same_fit(one, other)


def test_standardising_a_column_changes_nothing(tmp_path: Path) -> None:
    """The tables are of its own unit, however it was prepared; powers of two lose no digit."""
    made = table()
    one = infer(tmp_path / "one", made, **asked("robust"), **QUICK)
    other = infer(tmp_path / "other", replace(made, shift=1.0, scale=2.0), **asked("robust"), **QUICK)
    assert_same_model(one, other)


@pytest.mark.parametrize("kind", ["model", "robust"])
@pytest.mark.parametrize("levels", [(), (3, 2)])
def test_without_intercept_it_is_statsmodels_without_a_constant(
    tmp_path: Path, levels: tuple[int, ...], kind: str
) -> None:
    """All levels of the first category stand in the constant's place, of the others all but one."""
    made = drawn(22, 500, classes=3, levels=levels)
    inferred = infer(tmp_path, made, train_params={"intercept": False}, reference="k0", covariance=kind, **QUICK)
    columns = made.frame.drop(columns="(intercept)")
    if levels:
        columns.insert(2, "c0=l0", (made.codes[:, 0] == 0).astype(float))
    assert [line["feature"] for line in inferred.lines("coefficients.csv")[: columns.shape[1]]] == list(columns)
    options = {"cov_type": "HC0"} if kind == "robust" else {}
    expected = sm.MNLogit(made.labels, columns).fit(method="newton", tol=1e-13, maxiter=100, disp=0, **options)
    for name, values in (("estimate", expected.params), ("standard_error", expected.bse)):
        np.testing.assert_allclose(inferred.column(name, 2), values.to_numpy().T, rtol=1e-8)
    assert inferred.document["fit"]["log_likelihood"] == pytest.approx(expected.llf, rel=1e-11)
    if not levels:  # statsmodels takes a column of ones for a constant, which has no effect
        of_statsmodels = expected.get_margeff()
        ours = np.array([float(line["standard_error"]) for line in inferred.lines("effects.csv")]).reshape(2, 3)
        np.testing.assert_allclose(ours, of_statsmodels.margeff_se, rtol=1e-8)


def test_levels_without_intercept_are_the_model_with_one(tmp_path: Path) -> None:
    """The first category takes the intercept up: the same likelihood and effects."""
    made = drawn(22, 500, classes=3)
    one = infer(tmp_path / "one", made, **QUICK)
    other = infer(tmp_path / "other", made, train_params={"intercept": False}, **QUICK)
    assert_same(effects_of(one), effects_of(other))
    assert other.document["fit"]["log_likelihood"] == pytest.approx(one.document["fit"]["log_likelihood"], rel=1e-12)
    with_intercept, without = coefficients(one), coefficients(other)
    base = next(key for key in without if key[-1] == "c0=l0")
    intercept = with_intercept[(*base[:2], "(intercept)")]
    assert without[base]["estimate"] == near(intercept["estimate"])
    assert without[base]["standard_error"] == near(intercept["standard_error"])


@kinds(quick="model")
def test_a_row_of_weight_0_is_no_row(tmp_path: Path, kind: str) -> None:
    """In any table and in influence.csv, also where it alone has a level, a cluster, or a number far away."""
    made = table()
    weights = np.random.default_rng(2).choice([0.0, 1.0, 2.0], 600)
    weights[:3] = 0.0
    numbers, codes, groups = made.numbers.copy(), made.codes.copy(), made.kept
    assert groups is not None
    groups = groups.copy()
    numbers[0], codes[1, 0], groups[2] = 1e30, 3, 99
    weighted = replace(made, numbers=numbers, codes=codes, kept=groups, levels=(4, 2), weights=weights)
    kept = np.flatnonzero(weights > 0)
    one = infer(tmp_path / "one", weighted, **asked(kind))
    other = infer(tmp_path / "other", weighted.take(kept), **asked(kind))
    assert_same_model(one, other)
    assert_same_tests(one, other)
    lines = [inferred.lines("influence.csv") for inferred in (one, other)]
    assert len(lines[0]) == len(lines[1]) == 100
    for first, second in zip(*lines, strict=True):
        assert first["row"] == str(kept[int(second["row"]) - 1] + 1)
        assert float(first["cooks_distance"]) == pytest.approx(float(second["cooks_distance"]), rel=1e-8)


def test_a_block_of_weight_0_is_no_block(tmp_path: Path) -> None:
    """All rows of the first block on the disk."""
    made = drawn(23, BLOCK_ROWS + 500)
    weights = np.ones(len(made.labels))
    weights[:BLOCK_ROWS] = 0.0
    params = QUICK | {"effects": False, "covariance": "robust"}
    one = infer(tmp_path / "one", replace(made, weights=weights), **params)
    other = infer(tmp_path / "other", made.take(np.flatnonzero(weights)), **params)
    assert_same(coefficients(one), coefficients(other))
    assert_same_fit(one, other)


@kinds(quick="model")
def test_another_base_level_is_the_same_model(tmp_path: Path, kind: str) -> None:
    """The same likelihood, tests and effects of numbers; levels against one another are what they were."""
    made = table()
    one = infer(tmp_path / "one", made, reference="k0", **asked(kind), influence=0)
    other = infer(tmp_path / "other", made, reference="k0", base_levels={"c0": "l2"}, **asked(kind), influence=0)
    assert_same_fit(one, other)
    assert_same_tests(one, other)
    before, after = coefficients(one), coefficients(other)
    for numbers in [*before.values(), *after.values()]:  # these are over other coefficients now
        numbers.pop("p_holm", None)
        numbers.pop("p_benjamini_hochberg", None)
    for (label, against, name), numbers in before.items():
        key = label, against, name
        if name in ("x0", "x1", "c1=l1"):
            assert after[key] == near(numbers)
        level = before[label, against, "c0=l2"]["estimate"]
        if name == "(intercept)":
            assert after[key]["estimate"] == near(numbers["estimate"] + level)
        if name == "c0=l1":
            assert after[key]["estimate"] == near(numbers["estimate"] - level)
        if name == "c0=l2":  # l2 against l0, and l0 against l2
            turned = after[label, against, "c0=l0"]
            assert turned["estimate"] == near(-level)
            assert turned["standard_error"] == near(numbers["standard_error"])
    changes, changed = effects_of(one), effects_of(other)
    for (label, column, change), numbers in changes.items():
        if column != "c0":
            assert changed[label, column, change] == near(numbers)
    for label in ("k0", "k1", "k2", "k3"):
        two = changes[label, "c0", "l2 - l0"]
        assert changed[label, "c0", "l0 - l2"]["effect"] == near(-two["effect"])
        assert changed[label, "c0", "l0 - l2"]["standard_error"] == near(two["standard_error"])
        between = changes[label, "c0", "l1 - l0"]["effect"] - two["effect"]
        assert changed[label, "c0", "l1 - l2"]["effect"] == near(between)


@kinds(quick="cluster")
def test_a_category_is_its_dummies(tmp_path: Path, kind: str) -> None:
    """Codes are columns of 0 and 1: the same estimates, errors and effects of numbers."""
    made = table()
    one = infer(tmp_path / "one", made, reference="k0", **asked(kind), **QUICK)
    other = infer(tmp_path / "other", with_dummies(made), reference="k0", **asked(kind), **QUICK)
    for name in ("estimate", "standard_error"):
        np.testing.assert_allclose(other.column(name, 6), one.column(name, 6), **CLOSE)
    of_numbers = {key: numbers for key, numbers in effects_of(one).items() if key[1] in ("x0", "x1")}
    assert_same(of_numbers, {key: numbers for key, numbers in effects_of(other).items() if key in of_numbers})
    assert_same_fit(one, other)

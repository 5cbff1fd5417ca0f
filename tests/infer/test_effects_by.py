"""Effects averaged over the rows of one level, against the formula in numpy at statsmodels' fit of all rows."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from tests.infer.problems import Inferred, Table, drawn, infer

STEP = 1e-5  # of central differences, which leave 1e-7 or less

Function = Callable[[np.ndarray], np.ndarray]


def probabilities(frame: pd.DataFrame, params: np.ndarray) -> np.ndarray:
    """(n, k) of params (e, k - 1)."""
    raised = np.exp(np.column_stack([np.zeros(len(frame)), frame.to_numpy() @ params]))
    return np.asarray(raised / raised.sum(1, keepdims=True))


def with_errors(function: Function, params: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values (k,) of a function of params, and standard errors by the delta method from central differences."""
    vector = params.T.ravel()

    def at(place: int, step: float) -> np.ndarray:
        moved = vector.copy()
        moved[place] += step
        return function(moved.reshape(params.T.shape).T)

    slopes = np.stack([(at(place, STEP) - at(place, -STEP)) / (2 * STEP) for place in range(len(vector))], 1)
    return function(params), np.sqrt(np.einsum("kq,qr,kr->k", slopes, covariance, slopes))


def of_number(frame: pd.DataFrame, weights: np.ndarray, column: str) -> Function:
    """The weighted mean of the derivative by the column."""
    row = list(frame).index(column)

    def effect(params: np.ndarray) -> np.ndarray:
        p, w = probabilities(frame, params), np.concatenate([[0.0], params[row]])
        return np.average(p * (w - p @ w[:, None]), axis=0, weights=weights)

    return effect


def of_level(frame: pd.DataFrame, weights: np.ndarray, level: str) -> Function:
    """The weighted mean of the change from the base level."""
    others = [name for name in frame if name.partition("=")[0] == level.partition("=")[0]]
    base = frame.assign(**dict.fromkeys(others, 0.0))
    changed = base.assign(**{level: 1.0})

    def effect(params: np.ndarray) -> np.ndarray:
        return np.average(probabilities(changed, params) - probabilities(base, params), axis=0, weights=weights)

    return effect


def written(inferred: Inferred, by: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Effects and errors of the lines of a level, by column and change, in their order."""
    lines = [line for line in inferred.lines("effects.csv") if line["by"] == by]
    names = dict.fromkeys(f"{line['column']} {line['change']}" for line in lines)
    values = [[float(line[name]) for line in lines] for name in ("effect", "standard_error")]
    effects, errors = (np.array(part).reshape(len(names), -1) for part in values)
    return dict(zip(names, zip(effects, errors, strict=True), strict=True))


@pytest.mark.parametrize("robust", [False, True])
def test_effects_in_a_level_are_means_over_its_rows(tmp_path: Path, robust: bool) -> None:
    """With the params and the covariance of the fit of all rows; the level's own column has none, 1e-7."""
    table = drawn(20, 900, classes=3, levels=(3, 2))
    table = replace(table, numbers=table.numbers.astype(np.float16).astype(float), shift=1.0, scale=2.0)
    options = {"cov_type": "HC0"} if robust else {}
    full = sm.MNLogit(table.labels, table.frame).fit(method="newton", tol=1e-14, maxiter=100, disp=0, **options)
    covariance = "robust" if robust else "model"
    inferred = infer(tmp_path, table, reference="k0", effects_by="c0", covariance=covariance)
    for level in range(3):
        frame = table.frame[table.codes[:, 0] == level]
        weights = np.ones(len(frame))
        found = written(inferred, f"c0=l{level}")
        functions = {
            "x0 per unit": of_number(frame, weights, "x0"),
            "x1 per unit": of_number(frame, weights, "x1"),
            "c1 l1 - l0": of_level(frame, weights, "c1=l1"),
        }
        assert list(found) == list(functions)
        for name, function in functions.items():
            expected = with_errors(function, full.params.to_numpy(), full.cov_params().to_numpy())
            np.testing.assert_allclose(found[name], expected, rtol=1e-7, atol=1e-9)


def test_weighted_rows_are_so_many(tmp_path: Path) -> None:
    """Effects in a level of a table with weights are those of the table with its rows repeated."""
    table = drawn(21, 400, levels=(3, 2))
    weights = np.random.default_rng(0).integers(1, 4, 400)
    weighted = infer(tmp_path / "a", replace(table, weights=weights.astype(float)), effects_by="c1")
    repeated = infer(tmp_path / "b", table.take(np.repeat(np.arange(400), weights)), effects_by="c1")
    for by in ("", "c1=l0", "c1=l1"):
        one, other = written(weighted, by), written(repeated, by)
        assert list(one) == list(other) != []
        for name in one:
            np.testing.assert_allclose(one[name], other[name], rtol=1e-6, atol=1e-9)


def test_effects_over_all_rows_are_means_of_those_in_levels(tmp_path: Path) -> None:
    """In proportion to the levels' rows, of which one has none, and so no line."""
    table = drawn(22, 500, levels=(3, 2))
    table = Table(table.numbers, table.codes, table.labels, (4, 2))
    inferred = infer(tmp_path, table, effects_by="c0")
    assert list(dict.fromkeys(line["by"] for line in inferred.lines("effects.csv"))) == [
        *("", "c0=l0", "c0=l1", "c0=l2")
    ]
    every = written(inferred, "")
    shares = np.bincount(table.codes[:, 0]) / 500
    parts = [written(inferred, f"c0=l{level}") for level in range(3)]
    for name in parts[0]:
        mean = sum(share * part[name][0] for share, part in zip(shares, parts, strict=True))
        np.testing.assert_allclose(mean, every[name][0], rtol=1e-10, atol=1e-13)
    assert {name for name in every if name not in parts[0]} == {"c0 l1 - l0", "c0 l2 - l0"}

"""Goodness of fit by groups against plain numpy, its level by simulation; independence against numpy's pinv."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.infer.numerics import covariance, fit_tests, maximum
from pipeline.infer.numerics.design import Design
from pipeline.infer.numerics.likelihood import Asked
from pipeline.infer.numerics.rows import InferenceRows
from tests.numerics.test_portable_operations import RoundingWatch
from tests.problems import Problem, numbers_only, synthetic

pytestmark = pytest.mark.slow


def _rows(problem: Problem, size: int = 64, threads: int = 2) -> InferenceRows:
    return InferenceRows(problem.blocks(size), problem.levels, problem.classes, threads, True)


def _theta(rows: InferenceRows, seed: int = 0) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=(rows.columns + 1, rows.classes)))


def _probabilities(rows: InferenceRows, problem: Problem, theta: Tensor) -> np.ndarray:
    x = np.hstack([problem.dense, np.ones((len(problem.labels), 1))])
    x[:, : rows.numbers] -= rows.means.numpy()
    e = np.exp(x @ theta.numpy())
    return e / e.sum(1, keepdims=True)


def _plain(p: np.ndarray, labels: np.ndarray, reference: int, groups: int) -> tuple[float, np.ndarray, np.ndarray]:
    """C, O and E of rows without equal values, cut as numpy cuts: by places."""
    order = np.argsort(1 - p[:, reference])
    until = [-(-len(order) * group // groups) for group in range(1, groups)]
    parts = np.split(order, until)
    y = np.eye(p.shape[1])[labels]
    observed, expected = (np.array([values[part].sum(0) for part in parts]) for values in (y, p))
    return float(((observed - expected) ** 2 / expected).sum()), observed, expected


@pytest.mark.parametrize("count", [200, 203])
@pytest.mark.parametrize("reference", [0, 2])
def test_the_statistic_is_that_of_plain_numpy(count: int, reference: int) -> None:
    """Also where groups cannot be equal; 1e-9 is numpy's rounding."""
    problem = synthetic(count, 3, (3,), 3)
    rows = _rows(problem)
    theta = _theta(rows) / 2
    found = fit_tests.goodness_of_fit(rows, theta, reference)
    statistic, observed, expected = _plain(_probabilities(rows, problem, theta), problem.labels, reference, 10)
    assert found.statistic == pytest.approx(statistic, rel=1e-9)
    np.testing.assert_allclose(found.observed, observed, rtol=0)
    np.testing.assert_allclose(found.expected, expected, rtol=1e-9)
    assert found.degrees_of_freedom == 16
    assert bool((found.last[1:] < found.last[:-1]).all())


def test_rows_of_hardly_any_weight_change_nothing() -> None:
    """Wherever their probabilities lie, beyond those of all others, too."""
    problem = synthetic(150, 2, (3,), 3)
    weights = np.where(np.arange(150) < 75, 1.0, 1e-300)
    rows, counted = _rows(replace(problem, weights=weights)), _rows(problem.take(np.arange(75)))
    counted.means = rows.means
    theta = _theta(counted)
    found, expected = (fit_tests.goodness_of_fit(of, theta, 0) for of in (rows, counted))
    assert torch.equal(found.observed, expected.observed)


def test_a_weight_of_three_is_the_row_three_times() -> None:
    """Where a cut falls between them, they stay together, too."""
    problem = synthetic(150, 2, (3,), 3)
    counts = np.random.default_rng(0).integers(1, 4, 150)
    rows = _rows(replace(problem, weights=counts.astype(np.float64)))
    thrice = _rows(problem.take(np.repeat(np.arange(150), counts)))
    thrice.means = rows.means  # theirs differ in the last bit
    theta = _theta(rows)
    found, expected = (fit_tests.goodness_of_fit(of, theta, 0) for of in (rows, thrice))
    assert torch.equal(found.last, expected.last)
    assert torch.equal(found.observed, expected.observed)
    assert found.statistic == pytest.approx(expected.statistic, rel=1e-12)


@pytest.mark.parametrize("levels", [(), (3, 2)])
def test_neither_threads_nor_the_order_of_the_rows_change_a_bit(levels: tuple[int, ...]) -> None:
    """With equal rows, as categories alone make them, and weights of any size."""
    random = np.random.default_rng(3)
    problem = replace(synthetic(500, 2, levels, 3), weights=random.uniform(0.1, 2.0, 500))
    if levels:
        problem = replace(problem, numbers=np.zeros((500, 0), np.float32))
    first = _rows(problem, 64, 1)
    theta = _theta(first)
    results = [fit_tests.goodness_of_fit(first, theta, 0)]
    shuffled = problem.take(random.permutation(500))
    for size, threads, of in ((64, 2, problem), (64, 3, problem), (500, 1, problem), (40, 2, shuffled)):
        rows = _rows(of, size, threads)
        rows.means, rows.total_weight = first.means, first.total_weight
        results.append(fit_tests.goodness_of_fit(rows, theta, 0))
    for result in results[1:]:
        assert torch.equal(result.observed, results[0].observed)
        assert torch.equal(result.expected, results[0].expected)
        assert result.statistic == results[0].statistic


def test_equal_values_share_a_group() -> None:
    """Two levels are two groups, which leave no degree of freedom."""
    problem = replace(synthetic(90, 1, (2,), 3), numbers=np.zeros((90, 0), np.float32))
    rows = _rows(problem)
    found = fit_tests.goodness_of_fit(rows, _theta(rows), 0)
    assert sorted(found.observed.sum(1).tolist()) == sorted(np.bincount(problem.codes[:, 0]).tolist())
    assert found.degrees_of_freedom == 0


def test_what_the_model_rules_out_is_infinitely_far() -> None:
    """A class of probability 0 is nothing where it has no row."""
    problem = numbers_only(np.arange(40)[:, None], np.arange(40) % 2)
    theta = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, -2000.0]], dtype=torch.float64)
    rows = InferenceRows(problem.blocks(), (), 3, 1, True)
    assert fit_tests.goodness_of_fit(rows, theta, 0).statistic < 1
    ruled_out = InferenceRows(replace(problem, labels=np.arange(40) % 3).blocks(), (), 3, 1, True)
    assert fit_tests.goodness_of_fit(ruled_out, theta, 0).statistic == np.inf


def _fit(problem: Problem, labels: list[int] | None = None) -> tuple[InferenceRows, Design, maximum.Maximum]:
    rows = _rows(problem, 1000, 1)
    shape = (rows.columns + 1, rows.classes)
    design = Design(torch.arange(rows.columns + 1), torch.tensor(labels or range(1, rows.classes)), shape)
    return rows, design, maximum.maximise(rows, design, torch.zeros(shape, dtype=torch.float64), Asked())


def _drawn(random: np.random.Generator, count: int, w: np.ndarray) -> Problem:
    x = random.normal(size=(count, len(w) - 1))
    logits = np.hstack([x, np.ones((count, 1))]) @ w
    return numbers_only(x, (logits + random.gumbel(size=logits.shape)).argmax(1))


def test_true_models_have_a_statistic_of_as_much_as_degrees_of_freedom() -> None:
    """The mean of 200 chi-squares of 16 is within 1.5 of 16 but once in 5,000 times; a curve left out is found."""
    random = np.random.default_rng(0)
    w = np.array([[0.0, 0.8, -0.5], [0.0, -0.4, 0.6], [0.0, 0.3, 0.1]])
    statistics = []
    for _ in range(200):
        rows, _, found = _fit(_drawn(random, 400, w))
        statistics.append(fit_tests.goodness_of_fit(rows, found.theta, 0).statistic)
    assert np.mean(statistics) == pytest.approx(16, abs=1.5)
    assert np.mean(np.array(statistics) > 26.296) == pytest.approx(0.05, abs=0.05)  # chi-square's 95 % point
    x = random.normal(size=(2000, 1))
    bent = numbers_only(x, (np.hstack([0 * x, x * x - 1, x]) + random.gumbel(size=(2000, 3))).argmax(1))
    rows, _, found = _fit(bent)
    assert fit_tests.goodness_of_fit(rows, found.theta, 0).statistic > 100


def _definite(size: int, seed: int, rank: int | None = None) -> np.ndarray:
    half = np.random.default_rng(seed).normal(size=(size, rank or 2 * size))
    return half @ half.T


@pytest.mark.parametrize("size", [1, 2, 5, 30])
def test_independence_is_the_quadratic_form_of_the_inverse(size: int) -> None:
    """Against pinv, of a definite difference in units far apart; 1e-8 is its condition's."""
    random = np.random.default_rng(size)
    units = 10.0 ** random.integers(-4, 5, size)
    full, more, d = _definite(size, 1), _definite(size, 2), random.normal(size=size) * units
    arrays = (d, (full + more) * np.outer(units, units), np.zeros(size), full * np.outer(units, units))
    found = fit_tests.independence(*map(torch.tensor, arrays))
    difference = (arrays[1] - arrays[3]) / np.outer(units, units)
    expected = (d / units) @ np.linalg.pinv(difference) @ (d / units)
    assert found.statistic == pytest.approx(expected, rel=1e-8)
    assert found.degrees_of_freedom == size
    assert found.meets_assumptions


def test_a_difference_of_lower_rank_has_fewer_degrees_of_freedom() -> None:
    """With d within its columns every generalised inverse gives one value; 1e-6 is of 1e-16 / 1e-9."""
    full, more = _definite(8, 1), _definite(8, 2, rank=3)
    d = more @ np.arange(8.0)
    found = fit_tests.independence(*map(torch.tensor, (d, full + more, np.zeros(8), full)))
    assert found.statistic == pytest.approx(np.arange(8.0) @ more @ np.arange(8.0), rel=1e-6)
    assert (found.degrees_of_freedom, found.negative) == (3, 0)


def test_an_indefinite_difference_is_told() -> None:
    """With as many negative directions as eigenvalues, also where its diagonal is 0; statistics may be negative."""
    random = np.random.default_rng(0)
    for seed in range(20):
        half = random.normal(size=(6, 6))
        difference = half + half.T
        if seed % 2:
            np.fill_diagonal(difference, 0.0)
        base, d = 20 * np.eye(6) + _definite(6, seed), random.normal(size=6)
        found = fit_tests.independence(*map(torch.tensor, (d, base + difference, np.zeros(6), base)))
        assert found.negative == (np.linalg.eigvalsh(difference) < 0).sum() > 0
        assert not found.meets_assumptions
        assert found.statistic == pytest.approx(d @ np.linalg.inv(difference) @ d, rel=1e-8)


def test_equal_fits_have_no_degree_of_freedom() -> None:
    """What rounding leaves is no difference."""
    v = torch.tensor(_definite(4, 1))
    found = fit_tests.independence(torch.ones(4, dtype=torch.float64), v * (1 + 1e-11), torch.zeros(4).double(), v)
    assert found == fit_tests.Independence(0.0, 0, 0)


def _in_units_of_x(rows: InferenceRows, design: Design, theta: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    one = torch.ones(rows.columns + 1, dtype=torch.float64)
    offsets = torch.cat([rows.means, torch.zeros(1, dtype=torch.float64)])
    return design.vector(rows.from_centred(theta)), covariance.in_units(v, design, one, offsets)


def _without_the_third(problem: Problem, expected: bool) -> fit_tests.Independence:
    """Of 4 classes, of which the last is the reference; against numpy's inverse."""
    left = problem.take(problem.labels != 2)
    left = replace(left, labels=np.array([0, 1, -1, 2])[left.labels])
    (rows, design, full), (rows_r, design_r, restricted) = _fit(problem, [0, 1, 2]), _fit(left, [0, 1])
    in_full, in_restricted = fit_tests.common_entries(design, design_r, [0, 1, 3])
    assert in_full.tolist() == in_restricted.tolist() == [0, 1, 2, 3, 4, 5]
    b, v = _in_units_of_x(rows, design, full.theta, full.factor.inverse())
    b_r, v_r = _in_units_of_x(rows_r, design_r, restricted.theta, restricted.factor.inverse())
    if expected:
        information = fit_tests.information_of_others(rows, full.theta, 2, design_r)
        _, v_r = _in_units_of_x(rows, design_r, restricted.theta, maximum.Factor(information).inverse())
    v = v[in_full][:, in_full]
    found = fit_tests.independence(b_r, v_r, b[in_full], v)
    d, difference = (b_r - b[in_full]).numpy(), (v_r - v).numpy()
    assert found.statistic == pytest.approx(d @ np.linalg.inv(difference) @ d, rel=1e-6)
    return found


def test_a_true_model_does_not_depend_on_a_class_and_a_false_one_does() -> None:
    """The mean of 100 chi-squares of 6 is within 1.4 of 6 but once in 10,000 times, and all differences are definite.

    In the false model the first and the third class share what is not observed.
    """
    random = np.random.default_rng(1)
    w = np.array([[0.5, -0.5, 0.3, 0.0], [0.2, 0.8, -0.6, 0.0], [0.1, 0.2, 0.3, 0.0]])
    results = [_without_the_third(_drawn(random, 1000, w), expected=True) for _ in range(100)]
    assert all(result.meets_assumptions and result.degrees_of_freedom == 6 for result in results)
    assert np.mean([result.statistic for result in results]) == pytest.approx(6, abs=1.4)
    x, shared = random.normal(size=(5000, 2)), 3 * random.normal(size=5000)
    utilities = np.stack([2 * x[:, 0] + shared, x[:, 1], shared - 2 * x[:, 0], 0 * shared], 1)
    false = numbers_only(x, (utilities + random.gumbel(size=utilities.shape)).argmax(1))
    assert _without_the_third(false, expected=True).statistic > 30


def test_covariances_of_the_rows_themselves_seldom_have_a_definite_difference() -> None:
    """Though the model is true: why the expected information is there."""
    random = np.random.default_rng(1)
    w = np.array([[0.5, -0.5, 0.3, 0.0], [0.2, 0.8, -0.6, 0.0], [0.1, 0.2, 0.3, 0.0]])
    results = [_without_the_third(_drawn(random, 1000, w), expected=False) for _ in range(20)]
    assert sum(result.meets_assumptions for result in results) < 10
    assert any(result.statistic < 0 for result in results)


@pytest.mark.parametrize("levels", [(), (3, 2)])
def test_the_information_of_other_classes_is_that_of_dense_columns(levels: tuple[int, ...]) -> None:
    """Of the classes but one, as many rows as are expected of them; weighted, at 1 and 2 threads."""
    problem = replace(synthetic(150, 2, levels, 4), weights=np.random.default_rng(0).uniform(0.5, 2, 150))
    design = Design(torch.arange(3), torch.tensor([0, 2]), (problem.columns + 1, 3))
    rows = _rows(problem, 64, 1)
    theta = _theta(rows)
    found = fit_tests.information_of_others(rows, theta, 1, design)
    assert torch.equal(found, fit_tests.information_of_others(_rows(problem, 64, 2), theta, 1, design))
    x = np.hstack([problem.dense, np.ones((150, 1))])
    x[:, : rows.numbers] -= rows.means.numpy()
    p = _probabilities(rows, problem, theta)
    share = 1 - p[:, 1]
    given = p[:, [0, 3]] / share[:, None]
    curvature = np.einsum("ij,jl->ijl", given, np.eye(2)) - given[:, :, None] * given[:, None]
    weights = problem.weights * share
    expected = np.einsum("i,ijl,ia,ib->jalb", weights, curvature, x[:, :3], x[:, :3]).reshape(6, 6)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


def test_common_entries_leave_out_what_one_of_both_does_not_have() -> None:
    """The class that was left out, and a column that the restricted fit cannot tell."""
    full = Design(torch.tensor([0, 1, 2, 4]), torch.tensor([0, 2, 3]), (5, 4))
    restricted = Design(torch.tensor([0, 2, 4]), torch.tensor([0, 2]), (5, 3))
    in_full, in_restricted = fit_tests.common_entries(full, restricted, [0, 1, 3])
    assert in_full.tolist() == [0, 2, 3, 8, 10, 11]
    assert in_restricted.tolist() == [0, 1, 2, 3, 4, 5]


def test_every_operation_rounds_alike_everywhere() -> None:
    """Seen by the mode that refuses others; of two rows at a time and of one."""
    problem = replace(synthetic(100, 2, (3,), 3), weights=np.random.default_rng(0).uniform(0.5, 2, 100))
    rows = _rows(problem, 32, 1)
    theta = _theta(rows)
    half = np.random.default_rng(0).normal(size=(5, 5))
    difference = half + half.T - np.diag(np.diag(2 * half))
    arrays = (np.ones(5), 20 * np.eye(5) + difference, np.zeros(5), 20 * np.eye(5))
    with RoundingWatch() as watching:
        assert fit_tests.goodness_of_fit(rows, theta, 0).statistic > 0
        assert fit_tests.independence(*map(torch.tensor, arrays)).negative > 0
        fit_tests.information_of_others(rows, theta, 1, Design(torch.arange(3), torch.tensor([1]), (6, 2)))
    assert not watching.refused, "\n".join(sorted(watching.refused))

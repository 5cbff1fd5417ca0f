"""A paired interval of a weighted mean of differences."""

import numpy as np
import pytest

from pipeline.resampling.mean_difference import MeanDifference, mean_difference
from pipeline.resampling.percentiles import percentile_interval
from pipeline.resampling.poisson_weights import poisson_weights


def _losses(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0.5, 2.0, n), rng.exponential(size=n), rng.exponential(size=n)


def test_bounds_are_those_of_a_plain_loop_over_replicates():
    weights, a, b = _losses(200)
    units = np.arange(1000, 1200)
    drawn = poisson_weights(units)
    replicates = np.array([np.average(b - a, weights=weights * drawn[:, place]) for place in range(1000)])
    result = mean_difference(units, weights, a, b)
    assert result.difference == pytest.approx(np.average(b - a, weights=weights))
    # The grid is finer than 1e-11 of the largest number.
    assert (result.low, result.high) == pytest.approx(percentile_interval(replicates), abs=1e-9)


def test_the_order_of_rows_and_of_models_does_not_matter():
    weights, a, b = _losses(300)
    units = np.arange(300)
    order = np.random.default_rng(5).permutation(300)
    result = mean_difference(units, weights, a, b)
    assert mean_difference(units[order], weights[order], a[order], b[order]) == result
    assert mean_difference(units, weights, b, a) == MeanDifference(-result.difference, -result.high, -result.low)


def test_the_interval_is_as_wide_as_that_of_the_normal_distribution():
    weights, a, b = np.ones(5000), *_losses(5000)[1:]
    result = mean_difference(np.arange(5000), weights, a, b)
    half = 1.96 * (b - a).std() / np.sqrt(5000)
    # Of 1,000 replicates a bound is off by 0.09 standard errors, a bound of the two together by 0.05 of their width.
    assert result.high - result.low == pytest.approx(2 * half, rel=0.1)


def test_groups_that_repeat_their_rows_widen_the_interval():
    weights, a, b = _losses(400)
    rows = np.repeat(np.arange(400), 9)
    alone = mean_difference(np.arange(3600), weights[rows], a[rows], b[rows])
    grouped = mean_difference(rows, weights[rows], a[rows], b[rows])
    once = mean_difference(np.arange(400), weights, a, b)
    assert (grouped.low, grouped.high) == pytest.approx((once.low, once.high), abs=1e-9)
    assert alone.high - alone.low < 0.5 * (grouped.high - grouped.low)


def test_equal_models_differ_by_exactly_0():
    weights, a, _ = _losses(50)
    assert mean_difference(np.arange(50), weights, a, a) == MeanDifference(0.0, 0.0, 0.0)


@pytest.mark.parametrize("weights", [[1.0], [3.0, 0.0]])
def test_one_unit_with_weight_has_no_interval(weights):
    n = len(weights)
    result = mean_difference(np.arange(n), np.array(weights), np.zeros(n), np.ones(n))
    assert result == MeanDifference(1.0, None, None)


def test_the_ranks_of_1000_replicates_are_25_and_976():
    assert percentile_interval(np.random.default_rng(0).permutation(1000) + 1.0) == (25.0, 976.0)
    assert percentile_interval(np.arange(999) + 1.0) == (25.0, 975.0)
    assert percentile_interval(np.array([2.0, 1.0])) == (1.0, 2.0)

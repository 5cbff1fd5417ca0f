"""The weights are Poisson(1), independent, and a function of unit and replicate alone."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipeline.resampling.poisson_weights import MOST, REPLICATES, THRESHOLDS, poisson_weights

N = 4000
GOLDEN = [[1, 0, 2, 1, 0, 3, 1, 1], [1, 1, 1, 1, 3, 0, 1, 3], [1, 0, 0, 1, 1, 1, 1, 0], [1, 1, 0, 0, 0, 0, 1, 2]]
WEIGHTS = poisson_weights(np.arange(N))


def test_the_table_has_the_mean_of_poisson_1_and_its_shares_to_16_bits():
    shares = np.diff([0, *THRESHOLDS, 2**16]) / 2**16
    assert shares @ np.arange(MOST + 1) == 1
    expected = [math.exp(-1) / math.factorial(j) for j in range(MOST + 1)]
    np.testing.assert_allclose(shares, expected, atol=2**-16)


def test_weights_occur_as_often_as_poisson_1_says():
    counts = np.bincount(WEIGHTS.ravel(), minlength=MOST + 1)
    shares = np.diff([0, *THRESHOLDS, 2**16]) / 2**16
    # 4 million draws; the bound is exceeded by one of a million such tables.
    assert stats.chisquare(counts, shares * WEIGHTS.size).pvalue > 1e-6


def test_rows_are_independent_of_each_other_and_so_are_replicates():
    for matrix in (WEIGHTS[:, :200], WEIGHTS[:200].T):
        correlations = np.corrcoef(matrix, rowvar=False)[np.triu_indices(200, 1)]
        # Of independent columns a correlation is nearly normal of variance 1 / rows; so 19,900 squares, summed.
        total = (correlations**2).sum() * len(matrix)
        assert abs(total - len(correlations)) < 6 * math.sqrt(2 * len(correlations))
        assert np.abs(correlations).max() < 6 / math.sqrt(len(matrix))


def test_neighbouring_replicates_and_units_do_not_repeat_each_other_at_any_lag():
    centred = WEIGHTS[:, :800].astype(float) - 1
    for lag in range(1, 12):
        for one, other in ((centred[lag:], centred[:-lag]), (centred[:, lag:], centred[:, :-lag])):
            # A mean of products of variance 1, over millions of them.
            assert abs((one * other).mean()) < 6 / math.sqrt(one.size)


def test_totals_of_replicates_spread_as_poisson_n():
    totals = WEIGHTS.sum(axis=1), WEIGHTS.sum(axis=0)
    for total, count in zip(totals, (REPLICATES, N), strict=True):
        assert abs(total.var() / count - 1) < 6 * math.sqrt(2 / len(total))
        assert abs(total.mean() / count - 1) < 6 / math.sqrt(count * len(total))


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20), st.integers(1, 50))
def test_a_weight_depends_on_unit_and_replicate_alone(units, replicates):
    together = poisson_weights(np.array(units, dtype=np.int64), replicates)
    for unit, row in zip(units, together, strict=True):
        assert np.array_equal(poisson_weights(np.array([unit], dtype=np.int64))[0, :replicates], row)
    assert np.array_equal(poisson_weights(np.array(units, dtype=np.int64).view(np.uint64), replicates), together)


def test_weights_stay_as_they_were_published():
    """Outputs of earlier versions rest on them; the digits were printed by the first version."""
    assert poisson_weights(np.array([0, 1, 2, -1]), 8).tolist() == GOLDEN

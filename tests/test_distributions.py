"""Tails of distributions against scipy.stats."""

import math

import numpy as np
import pytest
import scipy.stats

from pipeline import distributions


def test_two_sided_equals_scipy() -> None:
    """From the middle to where a float64 ends, on both sides; NaN stays NaN."""
    z = np.concatenate([np.linspace(-9, 9, 2_001), [15.0, 37.0, 40.0, 1e3, math.inf]])
    tails, expected = distributions.two_sided(z), 2 * scipy.stats.norm.sf(np.abs(z))
    far = np.abs(z) > 2 * math.sqrt(2)
    # Near the middle the tail is what 1 less a series of 60 terms leaves.
    np.testing.assert_allclose(tails[~far], expected[~far], rtol=0, atol=120 * 2**-53)
    # A few hundred roundings, and e^-x of an x that is rounded itself: an error of x, at most 900, in units of 2^-53.
    np.testing.assert_allclose(tails[far], expected[far], rtol=(300 + 900) * 2**-53, atol=1e-300)
    assert math.isnan(distributions.two_sided(np.array([math.nan]))[0])


@pytest.mark.parametrize("probability", [0.5, 0.8, 0.9, 0.95, 0.99, 0.999999])
def test_normal_quantile_equals_scipy(probability: float) -> None:
    """The bound of the central interval."""
    expected = scipy.stats.norm.ppf((1 + probability) / 2)
    # 1 - probability is rounded to 2^-53, which the slope of the tail makes larger.
    assert distributions.normal_quantile(probability) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 30, 101, 1_000])
def test_chi_square_tail_equals_scipy(degrees: int) -> None:
    """Of odd and even degrees, below, at and far above the mean."""
    for statistic in (1e-9, degrees / 3, float(degrees), 2.0 * degrees, degrees + 50.0):
        expected = scipy.stats.chi2.sf(statistic, degrees)
        # Logarithms of the terms are added one by one: an error of their size times their number.
        assert distributions.chi_square_tail(statistic, degrees) == pytest.approx(expected, rel=1e-11, abs=1e-300)


def test_chi_square_tail_at_its_ends() -> None:
    """1 at 0 and below, 0 at infinity, NaN of NaN."""
    assert distributions.chi_square_tail(0.0, 3) == distributions.chi_square_tail(-1e-12, 3) == 1.0
    assert distributions.chi_square_tail(math.inf, 3) == 0.0
    assert math.isnan(distributions.chi_square_tail(math.nan, 3))

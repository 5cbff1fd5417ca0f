"""Quantiles of the beta distribution against scipy."""

import numpy as np
import pytest
from scipy.special import betainc, betaincinv, gammaln

from pipeline.evaluate import beta_quantile as own
from pipeline.evaluate.beta_quantile import beta_quantile
from tests.libraries import not_compiled

SHAPES = [(0.5, 0.5), (1, 1), (1, 9), (9, 1), (3, 7.5), (90, 11), (951, 50), (1, 10_000), (90_001, 10_000), (9e5, 1e5)]


@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_a_quantile_is_scipys(a: float, b: float) -> None:
    """To 1e-9, what ln Gamma of a million leaves of 53 bits, in units of its deviation."""
    deviation = np.sqrt(a * b / (a + b + 1)) / (a + b)
    for probability in (1e-6, 0.025, 0.5, 0.975, 1 - 1e-6):
        expected = betaincinv(a, b, probability)
        assert beta_quantile(probability, a, b) == pytest.approx(expected, abs=1e-8 * deviation + 2e-18)


def test_it_inverts_the_distribution_function() -> None:
    """I_x(a, b) at the quantile is the probability."""
    for a, b in SHAPES:
        assert betainc(a, b, beta_quantile(0.025, a, b)) == pytest.approx(0.025, rel=1e-7)


def test_log_gamma_is_scipys() -> None:
    """To some roundings of its largest term."""
    for a in (0.1, 0.5, 1.0, 2.0, 7.3, 15.9, 16.0, 100.0, 1e6):
        assert own._log_gamma(a) == pytest.approx(gammaln(a), rel=1e-14, abs=1e-13)


def test_bits_are_the_same_without_a_compiler() -> None:
    """Logarithms and exponentials are the portable ones, the rest are single operations."""
    compiled = [beta_quantile(0.975, a, b) for a, b in SHAPES]
    with not_compiled():
        assert [beta_quantile(0.975, a, b) for a, b in SHAPES] == compiled

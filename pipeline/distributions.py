"""Tails of the normal and the chi-square distribution, as one sequence of roundings: the same bits on every processor.

erfc by its series (Abramowitz and Stegun 1964, 7.1.6) below 2, by its continued fraction (7.1.14) above; chi-square of
whole degrees of freedom by finite sums (26.4.4 and 26.4.5). scipy.stats, whose last digits are the C library's, is the
reference in tests.
"""

import functools
import math

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.elementary import exp, log
from pipeline.arithmetic.sums import halving_sum

NORMAL_95 = 1.959963984540054  # z with P(|Z| <= z) = 0.95, rounded to nearest

_SERIES_UP_TO = 2.0
_SERIES_TERMS, _FRACTION_TERMS = 60, 120
_LARGEST = 30.0  # beyond, e^-x^2 is 0
_ROOT_PI = 1.7724538509055161
_ROOT_2 = 1.4142135623730951


def two_sided(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """P(|Z| >= |z|) of a standard normal Z; NaN of NaN."""
    return _erfc(np.abs(z) / _ROOT_2)


def _erfc(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of x >= 0."""
    small = np.minimum(x, _SERIES_UP_TO)
    term = small.copy()
    total = term.copy()
    for n in range(1, _SERIES_TERMS):
        term = term * (2 * small * small) / (2 * n + 1)
        total = total + term
    series = 1 - 2 / _ROOT_PI * exp(-small * small) * total
    large = np.clip(x, _SERIES_UP_TO, _LARGEST)
    fraction = large.copy()
    for n in range(_FRACTION_TERMS, 0, -1):
        fraction = large + (n / 2) / fraction
    far = exp(-large * large) / fraction / _ROOT_PI
    return np.where(x < _SERIES_UP_TO, series, np.where(x > _LARGEST, 0.0, far))


@functools.cache
def normal_quantile(probability: float) -> float:
    """z with P(|Z| <= z) = ``probability``, by bisection."""
    low, high = 0.0, 40.0
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return high
        low, high = (middle, high) if _two_sided(middle) > 1 - probability else (low, middle)


def chi_square_tail(statistic: float, degrees: int) -> float:
    """P(X >= statistic) of a chi-square X of ``degrees`` >= 1; 1 for a statistic of at most 0."""
    if not statistic > 0:
        return 1.0 if statistic <= 0 else math.nan
    if statistic == math.inf:
        return 0.0
    half = statistic / 2
    log_half = _log(half)
    odd = degrees % 2
    count = (degrees - odd) // 2
    tail = _two_sided(math.sqrt(statistic)) if odd else 0.0
    exponents = []
    # ln of (x/2)^a / Gamma(a + 1), a from 0 or, of odd degrees, from 1/2
    log_term = 0.0 if not odd else log_half / 2 - _log(_ROOT_PI / 2)
    power = 0.5 if odd else 0.0
    for _ in range(count):
        exponents.append(log_term - half)
        power += 1.0
        log_term += log_half - _log(power)
    if exponents:
        tail += float(halving_sum(exp(np.array(exponents)), axis=0))
    return min(1.0, tail)


def _two_sided(z: float) -> float:
    return float(two_sided(np.array([z]))[0])


def _log(x: float) -> float:
    return float(log(np.array([x]))[0])

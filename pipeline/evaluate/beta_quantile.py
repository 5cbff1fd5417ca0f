"""Quantiles of the beta distribution as one sequence of roundings, so that they have the same bits on every processor.

The regularised incomplete beta function I_x(a, b) by its continued fraction, its gamma functions by Stirling's series,
the quantile by bisection. scipy's betaincinv, whose last digits are the C library's, is the reference in tests.
Sources: Press et al. 2007, "Numerical recipes", 6.4 (continued fraction, by Lentz's method); Abramowitz and Stegun
1964, 6.1.40 (Stirling's series), 26.5.8 (continued fraction).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.elementary import exp, log, log1p

_HALF_LOG_2_PI = 0.9189385332046727
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)
_STIRLING_FROM = 16.0  # below, Gamma(a) = Gamma(a + 1) / a

_TINY = 1e-300
_CLOSE = 1e-15
_MOST_TERMS = 1_000_000
_BISECTIONS = 60


def beta_quantile(probability: float, a: float, b: float) -> float:
    """x with I_x(a, b) = ``probability``, within 2^-60; a and b > 0."""
    low, high = 0.0, 1.0
    constant = _log_gamma(a + b) - _log_gamma(a) - _log_gamma(b)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if _cumulative(middle, a, b, constant) < probability else (low, middle)
    return (low + high) / 2


def _cumulative(x: float, a: float, b: float, constant: float) -> float:
    """I_x(a, b), 0 < x < 1; ``constant`` is -ln B(a, b)."""
    front = _of(exp, constant + a * _of(log, x) + b * _of(log1p, -x))
    if x < (a + 1) / (a + b + 2):
        return front * _continued_fraction(x, a, b) / a
    return 1 - front * _continued_fraction(1 - x, b, a) / b


def _continued_fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    total = d
    for m in range(1, _MOST_TERMS):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _not_zero(1 + numerator * d)
            c = _not_zero(1 + numerator / c)
            change = c * d
            total *= change
        if abs(change - 1) < _CLOSE:
            break
    return total


def _not_zero(x: float) -> float:
    return x if abs(x) >= _TINY else _TINY


def _log_gamma(a: float) -> float:
    """ln Gamma(a) of a > 0."""
    product = 1.0
    while a < _STIRLING_FROM:
        product *= a
        a += 1
    inverse, square = 1 / a, 1 / (a * a)
    series = 0.0
    for coefficient in reversed(_STIRLING):
        series = series * square + coefficient
    return (a - 0.5) * _of(log, a) - a + _HALF_LOG_2_PI + series * inverse - _of(log, product)


def _of(function: Callable[[NDArray[np.float64]], NDArray[np.float64]], x: float) -> float:
    """A function of arrays at one number."""
    return float(function(np.array([x], dtype=np.float64))[0])

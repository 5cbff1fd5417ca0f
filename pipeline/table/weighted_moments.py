"""Weighted mean and variance of float64 numbers from sums that are exact, so that order and pieces leave no trace.

``n`` is the number of values and ``m`` that of columns. A weight counts as that many rows: weight 2 gives the same bits
as the row twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pipeline.table import exact_moments
from pipeline.table.exact_moments import Mask, Matrix, Moments, Vector, square_root

# Dekker's constant for 53 bits: halves of 26 bits, whose products are exact.
_SPLITTER = float(2**27 + 1)


@dataclass
class WeightedMoments:
    """Running moments of weighted numbers; ``values`` are those of the numbers without their weights.

    ``weights``, ``first`` and ``second`` sum w, w x and w x^2. The products are exact, cut into two or four float64,
    unless they fall below 2^-960; what is lost there depends on the row alone.
    """

    values: Moments = field(default_factory=Moments)
    weights: Moments = field(default_factory=Moments)
    first: Moments = field(default_factory=Moments)
    second: Moments = field(default_factory=Moments)

    def merge(self, other: "WeightedMoments") -> None:
        """Add all numbers that ``other`` has seen."""
        self.values.merge(other.values)
        self.weights.merge(other.weights)
        self.first.merge(other.first)
        self.second.merge(other.second)

    @property
    def count(self) -> int:
        """Numbers seen, whatever their weight."""
        return self.values.count

    @property
    def minimum(self) -> float:
        """The smallest number."""
        return self.values.minimum

    @property
    def maximum(self) -> float:
        """The largest number."""
        return self.values.maximum

    @property
    def all_integers(self) -> bool:
        """Whether every number is an integer."""
        return self.values.all_integers

    def mean(self) -> float:
        """Sum of w x over sum of w, rounded once. Raises: ValueError if the weights sum to 0."""
        self._refuse_weightless()
        return float(Fraction(self.first.total, self.weights.total))

    def standard_deviation(self) -> float:
        """The root of sum w (x - mean)^2 over sum w, rounded once. Raises: ValueError if the weights sum to 0."""
        self._refuse_weightless()
        # Products that lost bits far below 2^-900 can leave a residue below zero.
        numerator = max(self.weights.total * self.second.total - self.first.total**2, 0)
        return square_root(numerator, self.weights.total**2)

    def _refuse_weightless(self) -> None:
        if self.weights.total <= 0:
            raise ValueError("no weight: mean and variance are not defined")


def add_columns(
    columns: Sequence[WeightedMoments], values: Matrix, weights: Matrix, present: Mask | None = None
) -> None:
    """Add row i of ``values``, with its weights >= 0, to ``columns[i]``.

    Shapes: values (m, n), weights (m, n), present (m, n), which says where there is a number; without it, everywhere.
    Raises: ValueError for NaN or infinity.
    """
    if present is not None:
        values, weights = np.where(present, values, 0.0), np.where(present, weights, 0.0)
    exact_moments.add_columns([column.values for column in columns], values, present)
    exact_moments.add_columns([column.weights for column in columns], weights, present)
    first, second = [column.first for column in columns], [column.second for column in columns]
    for part in _product(values, weights):
        exact_moments.add_columns(first, part, present)
        for piece in _product(part, values):
            exact_moments.add_columns(second, piece, present)


def totals_by_group(weights: Vector, groups: NDArray[np.int32], count: int) -> list[int]:
    """Per group the exact sum of its weights in units of 2^-1126, in which every float64 is an integer.

    Shapes: weights (n,), groups (n,) in [0, count), n at most 2^26, so that sums of half mantissas stay exact.
    """
    mantissas, exponents = np.frexp(weights)
    integers = np.ldexp(mantissas, 53).astype(np.int64)
    totals = [0] * count
    for exponent in np.unique(exponents).tolist():
        there = exponents == exponent
        high, low = (
            np.bincount(groups[there], part[there], count) for part in (integers >> 26, integers & (2**26 - 1))
        )
        for group in np.flatnonzero(high + low).tolist():
            totals[group] += ((int(high[group]) << 26) + int(low[group])) << (exponent + 1073)
    return totals


def _product(a: Matrix, b: Matrix) -> tuple[Matrix, Matrix]:
    """a * b as the rounded product and its exact error. Source: Dekker 1971, Numerische Mathematik 18, section 5."""
    product = a * b
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, error


def _halves(values: Matrix) -> tuple[Matrix, Matrix]:
    scaled = values * _SPLITTER
    high = scaled - (scaled - values)
    return np.asarray(high), values - high

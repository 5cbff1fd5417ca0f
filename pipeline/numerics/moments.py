"""Exact count, sum, sum of squares, minimum and maximum of float64 numbers, in numpy.

The sums are kept as integers on the grid of the smallest float64, so nothing is ever rounded: how the numbers are cut
into pieces, and in which order the pieces come, cannot change a bit of the result. Only ``mean``, ``variance`` and
``standard_deviation`` round, once, to the nearest float64.

``n`` is the number of values throughout.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

# Every float64 is a multiple of 2^-1074, and every square of one a multiple of 2^-2148.
_GRID_BITS = 1074
_SQUARE_GRID_BITS = 2 * _GRID_BITS

# Values summed at a time: they stay in a core's cache, and BLAS does not start threads for so short a dot product.
_PIECE_BITS = 13
_PIECE = 1 << _PIECE_BITS

# Each value is cut into parts of 20 bits and a sign. Products of two parts, summed over a piece, are then integers of
# at most 20 + 20 + 13 bits: every partial sum is a float64, so numpy may add in any order, with or without FMA.
_PART_BITS = 20
_EXACT = 2.0 ** (2 * _PART_BITS + _PIECE_BITS)

# Values are scaled below 1 and cut together while none is below 2^-400: products of parts then stay above 2^-900, far
# from underflow. Smaller ones wait for a window of their own.
_WINDOW_BITS = 400


@dataclass
class Moments:
    """Running exact moments; ``add`` numbers, ``merge`` other moments, in any order.

    ``total`` is the sum times 2^1074 and ``squares`` the sum of squares times 2^2148, both exact integers.
    ``minimum`` and ``maximum`` mean nothing while ``count`` is 0. ``whole``: every number is an integer.
    """

    count: int = 0
    total: int = 0
    squares: int = 0
    minimum: float = math.inf
    maximum: float = -math.inf
    whole: bool = True

    def add(self, values: Vector) -> None:
        """Add finite numbers, shape (n,).

        Raises: ValueError if one of them is NaN or infinite.
        """
        for start in range(0, len(values), _PIECE):
            self._add_piece(np.ascontiguousarray(values[start : start + _PIECE], dtype=np.float64))

    def _add_piece(self, values: Vector) -> None:
        low, high = float(values.min()), float(values.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError("moments are defined for finite numbers only")
        whole = bool(np.array_equal(values, np.rint(values)))
        self._include(len(values), low, high, whole)
        largest = max(-low, high)
        if whole and len(values) * largest * largest <= _EXACT:
            self.total += int(values.sum()) << _GRID_BITS
            self.squares += int(np.dot(values, values)) << _SQUARE_GRID_BITS
            return
        for scaled, exponent in _windows(values, largest):
            self._add_scaled(scaled, exponent)

    def _add_scaled(self, values: Vector, exponent: int) -> None:
        parts = list(_parts(values))
        for i, (first, first_unit) in enumerate(parts):
            self.total += _shift(int(first.sum()), _GRID_BITS + exponent - first_unit)
            for j, (second, second_unit) in enumerate(parts[: i + 1]):
                product = int(np.dot(first, second)) << (j < i)
                self.squares += _shift(product, _SQUARE_GRID_BITS + 2 * exponent - first_unit - second_unit)

    def _include(self, count: int, minimum: float, maximum: float, whole: bool) -> None:
        self.count += count
        # Adding zero turns -0.0 into 0.0: which of the two a minimum finds would depend on the order of the values.
        self.minimum = min(self.minimum, minimum) + 0.0
        self.maximum = max(self.maximum, maximum) + 0.0
        self.whole = self.whole and whole

    def merge(self, other: "Moments") -> None:
        """Add all numbers that ``other`` has seen."""
        self._include(other.count, other.minimum, other.maximum, other.whole)
        self.total += other.total
        self.squares += other.squares

    def mean(self) -> float:
        """The arithmetic mean, correctly rounded. Raises: ValueError if there are no numbers."""
        self._refuse_empty()
        return float(Fraction(self.total, self.count << _GRID_BITS))

    def variance(self) -> float:
        """The population variance (divided by n), correctly rounded; infinite beyond the range of float64.

        Raises: ValueError if there are no numbers.
        """
        numerator, denominator = self._variance()
        try:
            return numerator / denominator
        except OverflowError:
            return math.inf

    def standard_deviation(self) -> float:
        """The square root of the exact population variance, correctly rounded.

        Raises: ValueError if there are no numbers.
        """
        return square_root(*self._variance())

    def _variance(self) -> tuple[int, int]:
        self._refuse_empty()
        numerator = self.count * self.squares - self.total * self.total
        return numerator, self.count * self.count << _SQUARE_GRID_BITS

    def _refuse_empty(self) -> None:
        if self.count == 0:
            raise ValueError("no numbers: mean and variance are not defined")


def square_root(numerator: int, denominator: int) -> float:
    """The square root of numerator / denominator >= 0, correctly rounded."""
    if numerator == 0:
        return 0.0
    # A root of at least 64 bits, with a last bit that tells whether anything was cut off, rounds as the true root.
    shift = max(0, 64 + (denominator.bit_length() - numerator.bit_length()) // 2)
    quotient, remainder = divmod(numerator << 2 * shift, denominator)
    root = math.isqrt(quotient)
    inexact = remainder != 0 or root * root != quotient
    return (2 * root + inexact) / (1 << (shift + 1))


def _windows(values: Vector, largest: float) -> Iterator[tuple[Vector, int]]:
    """Cut the values by size; yield (values * 2^-exponent, exponent) with each scaled value in [2^-401, 1) or 0."""
    while largest > 0.0:
        exponent = math.frexp(largest)[1]
        small = np.abs(values) < math.ldexp(1.0, max(exponent - _WINDOW_BITS, -_GRID_BITS))
        if not small.any():
            yield _scaled(values, -exponent), exponent
            return
        yield _scaled(values[~small], -exponent), exponent
        values = values[small]
        largest = float(np.abs(values).max())


def _scaled(values: Vector, exponent: int) -> Vector:
    """values * 2^exponent, in two steps because 2^exponent itself can lie outside the range of float64."""
    half = exponent // 2
    return values * math.ldexp(1.0, half) * math.ldexp(1.0, exponent - half)


def _parts(values: Vector) -> Iterator[tuple[Vector, int]]:
    """Cut |values| < 1 into whole numbers of at most 20 bits: values = sum of part * 2^-bits over all (part, bits).

    Adding and subtracting 1.5 * 2^52 rounds to a whole number, exactly and with an exact remainder.
    Source: Rump, Ogita, Oishi 2008, Accurate floating-point summation, part I, section 3.
    """
    rounding = 1.5 * 2.0**52
    bits = _PART_BITS
    rest = values * 2.0**_PART_BITS
    while True:
        part = rest + rounding
        part -= rounding
        yield part, bits
        rest -= part
        if not rest.any():
            return
        # What is left is at most half a unit: one more doubling than the part has bits.
        rest *= 2.0 ** (_PART_BITS + 1)
        bits += _PART_BITS + 1


def _shift(value: int, bits: int) -> int:
    """``value`` times 2^bits, which must be an integer."""
    return value << bits if bits >= 0 else value >> -bits

"""Exact count, sum, sum of squares, minimum and maximum of float64 numbers, in numpy.

The sums are kept as integers on the grid of the smallest float64, so nothing is ever rounded: how the numbers are cut
into pieces, and in which order the pieces come, cannot change a bit of the result. Only ``mean`` and
``standard_deviation`` round, once, to the nearest float64.

``n`` is the number of values and ``m`` that of columns throughout.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Every float64 is a multiple of 2^-1074, and every square of one a multiple of 2^-2148.
_GRID_BITS = 1074
_SQUARE_GRID_BITS = 2 * _GRID_BITS

# Values summed at a time: they stay in a core's cache, and BLAS does not start threads for so short a dot product.
_PIECE_BITS = 13
_PIECE = 1 << _PIECE_BITS

# Each value is cut into parts of 20 bits and a sign. Products of two parts, summed over a piece, are then integers of
# at most 20 + 20 + 13 bits: every partial sum is a float64, so numpy may add in any order, with or without FMA.
_PART_BITS = 20
_EXACT = math.ldexp(1.0, 2 * _PART_BITS + _PIECE_BITS)

# Values are scaled below 1 and cut together while none is below 2^-400: products of parts then stay above 2^-900, far
# from underflow. Smaller ones wait for a window of their own.
_WINDOW_BITS = 400


@dataclass
class Moments:
    """Running exact moments; ``add_columns`` adds numbers, ``merge`` other moments, in any order.

    ``total`` is the sum times 2^1074 and ``squares`` the sum of squares times 2^2148, both exact integers.
    ``minimum`` and ``maximum`` mean nothing while ``count`` is 0. ``all_integers``: every number is an integer.
    """

    count: int = 0
    total: int = 0
    squares: int = 0
    minimum: float = math.inf
    maximum: float = -math.inf
    all_integers: bool = True

    def _include(self, count: int, minimum: float, maximum: float, all_integers: bool) -> None:
        self.count += count
        # Adding zero turns -0.0 into 0.0: which of the two a minimum finds would depend on the order of the values.
        self.minimum = min(self.minimum, minimum) + 0.0
        self.maximum = max(self.maximum, maximum) + 0.0
        self.all_integers = self.all_integers and all_integers

    def merge(self, other: "Moments") -> None:
        """Add all numbers that ``other`` has seen."""
        self._include(other.count, other.minimum, other.maximum, other.all_integers)
        self.total += other.total
        self.squares += other.squares

    def mean(self) -> float:
        """The arithmetic mean, correctly rounded. Raises: ValueError if there are no numbers."""
        self._refuse_empty()
        return float(Fraction(self.total, self.count << _GRID_BITS))

    def standard_deviation(self) -> float:
        """The square root of the exact population variance, correctly rounded.

        Raises: ValueError if there are no numbers.
        """
        self._refuse_empty()
        numerator = self.count * self.squares - self.total * self.total
        return square_root(numerator, self.count * self.count << _SQUARE_GRID_BITS)

    def _refuse_empty(self) -> None:
        if self.count == 0:
            raise ValueError("no numbers: mean and variance are not defined")


def add_columns(columns: Sequence[Moments], values: Matrix, present: Mask | None = None) -> None:
    """Add row i of ``values`` to ``columns[i]``, many columns in one step of numpy.

    Shapes: values (m, n), present (m, n), which says where there is a number; without it there is one everywhere.
    Raises: ValueError if a number is NaN or infinite.
    """
    for start in range(0, values.shape[1], _PIECE):
        piece = np.s_[:, start : start + _PIECE]
        _add_piece(columns, values[piece], None if present is None else present[piece])


def _add_piece(columns: Sequence[Moments], values: Matrix, present: Mask | None) -> None:
    count = values.shape[1]
    if present is None:
        counts, low, high = [count] * len(columns), values.min(axis=1), values.max(axis=1)
    else:
        counts = np.count_nonzero(present, axis=1).tolist()
        low = values.min(axis=1, where=present, initial=math.inf)
        high = values.max(axis=1, where=present, initial=-math.inf)
        values = np.where(present, values, 0.0)
    largest = np.abs(values).max(axis=1)
    if not np.isfinite(largest).all():
        raise ValueError("moments are defined for finite numbers only")
    values = np.ascontiguousarray(values)
    all_integers = (values == np.rint(values)).all(axis=1)
    for column, *seen in zip(columns, counts, low.tolist(), high.tolist(), all_integers.tolist(), strict=True):
        column._include(*seen)
    with np.errstate(over="ignore"):
        short = all_integers & (count * largest * largest <= _EXACT)
    _add_integers([columns[row] for row in np.flatnonzero(short).tolist()], values[short])
    _add_fractions([columns[row] for row in np.flatnonzero(~short).tolist()], values[~short], largest[~short])


def _add_integers(columns: Sequence[Moments], values: Matrix) -> None:
    """Add the sums of whole numbers, (m, n), whose sums of squares float64 holds."""
    sums, squares = values.sum(axis=1).tolist(), np.vecdot(values, values).tolist()
    for column, total, square in zip(columns, sums, squares, strict=True):
        column.total += int(total) << _GRID_BITS
        column.squares += int(square) << _SQUARE_GRID_BITS


def _add_fractions(columns: Sequence[Moments], values: Matrix, largest: Vector) -> None:
    """Add the sums of numbers, (m, n), of which ``largest``, (m,) > 0, is each row's largest absolute value."""
    exponents = np.frexp(largest)[1]
    limits = np.ldexp(1.0, np.maximum(exponents - _WINDOW_BITS, -_GRID_BITS))
    wide = ((values != 0.0) & (np.abs(values) < limits[:, np.newaxis])).any(axis=1)
    _add_scaled([columns[row] for row in np.flatnonzero(~wide).tolist()], values[~wide], exponents[~wide])
    for row in np.flatnonzero(wide).tolist():
        for window, exponent in _windows(values[row], float(largest[row])):
            _add_scaled([columns[row]], window[np.newaxis], np.array([exponent]))


def _add_scaled(columns: Sequence[Moments], values: Matrix, exponents: NDArray[np.integer[Any]]) -> None:
    """Add the sums of numbers, (m, n), that are 0 or within the window below 2^exponent of their row."""
    if not columns:
        return
    parts = list(_parts(_scaled(values, -exponents[:, np.newaxis])))
    last = len(parts) - 1
    sums = np.stack([part.sum(axis=1) for part in parts]).T.astype(np.int64).tolist()
    # The unit of a product of two parts depends on the sum of their places only.
    products = np.zeros((2 * last + 1, len(columns)), dtype=np.int64)
    for i, first in enumerate(parts):
        for j, second in enumerate(parts[: i + 1]):
            products[i + j] += np.vecdot(first, second).astype(np.int64) << (j < i)
    unit = _PART_BITS + (_PART_BITS + 1) * last
    rows = zip(columns, exponents.tolist(), sums, products.T.tolist(), strict=True)
    for column, exponent, totals, squares in rows:
        column.total += _shift(_in_last_unit(totals), _GRID_BITS + exponent - unit)
        column.squares += _shift(_in_last_unit(squares), _SQUARE_GRID_BITS + 2 * (exponent - unit))


def _in_last_unit(numbers: Sequence[int]) -> int:
    """The sum of numbers of which each counts 2^21 of the next one's units, in units of the last."""
    total = 0
    for number in numbers:
        total = (total << (_PART_BITS + 1)) + number
    return total


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
    """Cut the values by size; yield (values, exponent), each of them within the window below 2^exponent, or 0."""
    while largest > 0.0:
        exponent = math.frexp(largest)[1]
        small = np.abs(values) < math.ldexp(1.0, max(exponent - _WINDOW_BITS, -_GRID_BITS))
        yield values[~small], exponent
        values = values[small]
        largest = float(np.abs(values).max(initial=0.0))


def _scaled(values: Matrix, exponents: NDArray[np.integer[Any]]) -> Matrix:
    """values * 2^exponents, in two steps because 2^exponent itself can lie outside the range of float64."""
    half = exponents // 2
    return np.asarray(values * np.ldexp(1.0, half) * np.ldexp(1.0, exponents - half))


def _parts(values: Matrix) -> Iterator[Matrix]:
    """Cut |values| < 1 into whole numbers of at most 20 bits: values = sum of part i * 2^-(20 + 21 i).

    Adding and subtracting 1.5 * 2^52 rounds to a whole number, exactly and with an exact remainder.
    Source: Rump, Ogita, Oishi 2008, Accurate floating-point summation, part I, section 3.
    """
    rounding = math.ldexp(1.5, 52)
    rest = values * math.ldexp(1.0, _PART_BITS)
    while True:
        part = rest + rounding
        part -= rounding
        yield part
        rest -= part
        if not rest.any():
            return
        # What is left is at most half a unit: one more doubling than the part has bits.
        rest *= math.ldexp(1.0, _PART_BITS + 1)


def _shift(value: int, bits: int) -> int:
    """``value`` times 2^bits, which must be an integer."""
    return value << bits if bits >= 0 else value >> -bits

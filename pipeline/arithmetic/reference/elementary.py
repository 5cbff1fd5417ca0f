"""exp, log, log1p and the logistic function: one sequence of exactly rounded operations, which defines their bits.

IEEE 754 fixes the result of +, -, *, / and of comparisons to the last bit, so these functions give the same bits on
every processor, whatever libm, numpy's choice of instructions or a compiler would take. No step branches: both sides
are computed and one is selected, so that a compiler can do the same steps for several numbers at once (the twin in C,
``kernels/elementary.h``). float64 and float32 arrays of any shape; the result has their shape and type. Errors are
below 1 ulp (a unit in the last place of the result), subnormal numbers included. Every NaN that comes out is the same.

Source: the algorithms and polynomials of fdlibm (Sun Microsystems 1993), as FreeBSD's msun has them in e_exp.c,
e_expf.c, e_log.c, k_log.h, k_logf.h and s_log1p.c; the reduction of log as in musl's log.c; an integer by adding and
subtracting 1.5 * 2^52 from Hecker 1996, "Let's get to the (floating) point".
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Real = TypeVar("Real", np.float64, np.float32)


@dataclass(frozen=True)
class _Format:
    """A binary format of IEEE 754, and what the functions need of it."""

    real: type[np.floating[Any]]
    bits: type[np.unsignedinteger[Any]]
    fraction_bits: int
    bias: int  # of the exponent
    # Adding it leaves no fraction: the sum's bits end with the nearest integer.
    rounding: float
    # Beyond these exp is infinite or 0.
    exp_lowest: float
    exp_highest: float
    log2_e: float
    # ln 2 in two parts, the first with so many zeros at its end that its product with an exponent is exact.
    exp_ln2: tuple[float, float]
    log_ln2: tuple[float, float]
    # r (e^r + 1) / (e^r - 1) = 2 + exp_polynomial(r^2) r^2, on |r| <= ln 2 / 2; the lowest power first.
    exp_polynomial: tuple[float, ...]
    # ln((1 + s) / (1 - s)) = 2 s + s (log_polynomial(s^2) s^2), on |s| <= 0.1716; the lowest power first.
    log_polynomial: tuple[float, ...]
    # The lowest m in which x = 2^k m, by its bits: the nearest number below the root of 1/2.
    lowest_factor: int
    # A power of two that makes every subnormal number normal, by its exponent.
    subnormal_shift: int
    # Where log1p takes x itself, not 1 + x: the root of 1/2, less 1, and that of 2, less 1.
    log1p_near: tuple[float, float]


_FLOAT64 = _Format(
    real=np.float64,
    bits=np.uint64,
    fraction_bits=52,
    bias=1023,
    rounding=6755399441055744.0,
    exp_lowest=-746.0,
    exp_highest=710.0,
    log2_e=1.44269504088896338700,
    exp_ln2=(6.93147180369123816490e-01, 1.90821492927058770002e-10),
    log_ln2=(6.93147180369123816490e-01, 1.90821492927058770002e-10),
    exp_polynomial=(
        1.66666666666666019037e-01,
        -2.77777777770155933842e-03,
        6.61375632143793436117e-05,
        -1.65339022054652515390e-06,
        4.13813679705723846039e-08,
    ),
    log_polynomial=(
        6.666666666666735130e-01,
        3.999999999940941908e-01,
        2.857142874366239149e-01,
        2.222219843214978396e-01,
        1.818357216161805012e-01,
        1.531383769920937332e-01,
        1.479819860511658591e-01,
    ),
    lowest_factor=0x3FE6A09E667F3BCD,
    subnormal_shift=54,
    log1p_near=(-0.2928932188134524, 0.41421356237309503),
)

_FLOAT32 = _Format(
    real=np.float32,
    bits=np.uint32,
    fraction_bits=23,
    bias=127,
    rounding=12582912.0,
    exp_lowest=-104.5,
    exp_highest=89.0,
    log2_e=1.44269502,
    exp_ln2=(6.93145752e-01, 1.42860677e-06),
    log_ln2=(6.93138123e-01, 9.05800061e-06),
    exp_polynomial=(1.66666254e-01, -2.76673329e-03),
    log_polynomial=(6.66666627e-01, 4.00009722e-01, 2.84987867e-01, 2.42790788e-01),
    lowest_factor=0x3F3504F3,
    subnormal_shift=25,
    log1p_near=(-0.29289323, 0.41421354),
)

# Numbers computed at a time, so that what lies between the steps stays in a second-level cache.
_PIECE = 8192

_FORMATS = {np.dtype(form.real): form for form in (_FLOAT64, _FLOAT32)}


def exp(x: NDArray[Real]) -> NDArray[Real]:
    """e^x: infinity above the largest number, 0 below half the least."""
    return _applied(_exp, x)


def log(x: NDArray[Real]) -> NDArray[Real]:
    """The natural logarithm: -infinity of 0, NaN below."""
    return _applied(_log, x)


def log1p(x: NDArray[Real]) -> NDArray[Real]:
    """ln(1 + x), accurate where x is near 0: -infinity of -1, NaN below."""
    return _applied(_log1p, x)


def sigmoid(x: NDArray[Real]) -> NDArray[Real]:
    """The logistic function 1 / (1 + e^-x), from e^-|x|, which cannot overflow: an error below 3 ulp."""
    return _applied(_sigmoid, x)


def _applied(function: Callable[[_Format, NDArray[Any]], NDArray[Any]], x: NDArray[Real]) -> NDArray[Real]:
    if x.dtype not in _FORMATS:
        raise TypeError(f"expected float64 or float32, got {x.dtype}")
    numbers = x.reshape(-1)
    result = np.empty_like(numbers)
    # What is computed and not selected may be infinite or no number.
    with np.errstate(all="ignore"):
        for start in range(0, len(numbers), _PIECE):
            piece = slice(start, start + _PIECE)
            result[piece] = function(_FORMATS[x.dtype], numbers[piece])
    return result.reshape(x.shape)


def _exp(form: _Format, x: NDArray[Any]) -> NDArray[Any]:
    limited = np.where(x > form.exp_highest, form.exp_highest, np.where(x < form.exp_lowest, form.exp_lowest, x))
    # x = n ln 2 + r, |r| <= ln 2 / 2
    shifted = limited * form.log2_e + form.rounding
    n = shifted - form.rounding
    high, low = limited - n * form.exp_ln2[0], n * form.exp_ln2[1]
    r = high - low
    square = r * r
    rest = r - square * _polynomial(form.exp_polynomial, square)
    exp_r = 1.0 - ((low - (r * rest) / (2.0 - rest)) - high)
    # 2^n in two factors, whose exponents, biased, add up to n + 2 bias: the first product is exact, so that a subnormal
    # result is rounded once, and 2^n itself need not be a number.
    exponents = shifted.view(form.bits) - (_bits(form, form.rounding) - 2 * form.bias)
    first = exponents >> 1
    second = exponents - first
    result = exp_r * (first << form.fraction_bits).view(form.real) * (second << form.fraction_bits).view(form.real)
    defined: NDArray[Any] = np.where(x == x, result, np.nan)
    return defined


def _log(form: _Format, x: NDArray[Any]) -> NDArray[Any]:
    is_subnormal = x < math.ldexp(1.0, 1 - form.bias)
    normal = np.where(is_subnormal, x * math.ldexp(1.0, form.subnormal_shift), x)
    biased, factor = _split(form, normal)
    k = biased - np.where(is_subnormal, form.real(form.bias + form.subnormal_shift), form.real(form.bias))
    result = _log_of_product(form, k, factor - 1.0, k * form.log_ln2[1])
    return _log_outside(x, result)


def _log1p(form: _Format, x: NDArray[Any]) -> NDArray[Any]:
    total = 1.0 + x
    biased, factor = _split(form, total)
    # What rounding took from the total (Fast2Sum), by the derivative of ln.
    lost = np.where(x > 1.0, 1.0 - (total - x), x - (total - 1.0)) / total
    is_near = (x > form.log1p_near[0]) & (x < form.log1p_near[1])
    k = np.where(is_near, 0.0, biased - float(form.bias))
    f = np.where(is_near, x, factor - 1.0)
    result = _log_of_product(form, k, f, k * form.log_ln2[1] + np.where(is_near, 0.0, lost))
    # 0 has a sign, which the sums above lose.
    return _log_outside(total, np.where(x == 0.0, x, result))


def _sigmoid(form: _Format, x: NDArray[Any]) -> NDArray[Any]:
    exponential = _exp(form, -np.abs(x))
    result: NDArray[Any] = np.where(x < 0.0, exponential, 1.0) / (1.0 + exponential)
    return result


def _split(form: _Format, x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """k + bias and m of x = 2^k m, m from the root of 1/2 to that of 2; x is positive, finite and normal."""
    bits = x.view(form.bits) + (_bits(form, 1.0) - form.lowest_factor)
    factor = ((bits & (2**form.fraction_bits - 1)) + form.lowest_factor).view(form.real)
    # An integer below 2^52 in the fraction of 2^52 makes their sum.
    carrier = float(2**form.fraction_bits)
    return ((bits >> form.fraction_bits) | _bits(form, carrier)).view(form.real) - carrier, factor


def _log_of_product(form: _Format, k: NDArray[Any], f: NDArray[Any], low: NDArray[Any]) -> NDArray[Any]:
    """ln(2^k (1 + f)) from ``low``, the low part of k ln 2 and whatever else is small."""
    s = f / (2.0 + f)
    square = s * s
    fourth = square * square
    even = fourth * _polynomial(form.log_polynomial[1::2], fourth)
    odd = square * _polynomial(form.log_polynomial[0::2], fourth)
    half_square = 0.5 * f * f
    total: NDArray[Any] = k * form.log_ln2[0] - ((half_square - (s * (half_square + (odd + even)) + low)) - f)
    return total


def _log_outside(x: NDArray[Any], result: NDArray[Any]) -> NDArray[Any]:
    """``result``, or the logarithm of an x that is not positive and finite."""
    result = np.where(x == np.inf, np.inf, np.where(x == 0.0, -np.inf, result))
    defined: NDArray[Any] = np.where(x >= 0.0, result, np.nan)
    return defined


def _polynomial(coefficients: tuple[float, ...], x: NDArray[Any]) -> NDArray[Any]:
    """Horner's rule, the lowest power first."""
    total = coefficients[-1] * x + coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        total = total * x + coefficient
    return total


def _bits(form: _Format, value: float) -> int:
    return int(np.array(value, dtype=form.real).view(form.bits))

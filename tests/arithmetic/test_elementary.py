"""exp, log, log1p and the logistic function: their errors, their bits, and what they give at the edges of numbers."""

import hashlib
import math
from collections.abc import Callable

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.arithmetic import elementary as twins
from pipeline.arithmetic.reference import elementary

FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "exp": elementary.exp,
    "log": elementary.log,
    "log1p": elementary.log1p,
    "sigmoid": elementary.sigmoid,
}
EXACT: dict[str, Callable[[mpmath.mpf], mpmath.mpf]] = {
    "exp": mpmath.exp,
    "log": mpmath.log,
    "log1p": mpmath.log1p,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
}
# In units in the last place. The logistic function adds a sum and a quotient to the error of exp.
MOST_ERROR = {"exp": 1.0, "log": 1.0, "log1p": 1.0, "sigmoid": 3.0}
# Where exp is neither 0 nor infinite, and where most arguments lie.
RANGES = {
    "exp": {np.float64: (-745.13, 709.78), np.float32: (-103.97, 88.72)},
    "log": {np.float64: (0.0, 4.0), np.float32: (0.0, 4.0)},
    "log1p": {np.float64: (-1.0, 4.0), np.float32: (-1.0, 4.0)},
    "sigmoid": {np.float64: (-745.0, 40.0), np.float32: (-103.0, 20.0)},
}
# Of results, so that another processor, numpy or compiler is compared with the one that computed these.
DIGESTS = {
    ("exp", "float64"): "7fe7fe35bfeb89d0",
    ("log", "float64"): "8959a93a6abb3299",
    ("log1p", "float64"): "1a21fd938a3cdaf0",
    ("sigmoid", "float64"): "de7a10d60222fd1d",
    ("exp", "float32"): "819d710f1173f72d",
    ("log", "float32"): "689826e8cffd4658",
    ("log1p", "float32"): "eeefcad8fc6e2d56",
    ("sigmoid", "float32"): "96297d2fa30be3f2",
}

both_formats = pytest.mark.parametrize("real", [np.float64, np.float32])
every_function = pytest.mark.parametrize("name", FUNCTIONS)
# What the project calls: compiled, where that was built.
TWINS = {name: getattr(twins, name) for name in FUNCTIONS}
either = pytest.mark.parametrize("functions", [FUNCTIONS, TWINS], ids=["reference", "called"])


def _any_numbers(real: type, count: int) -> np.ndarray:
    """Numbers of any bits, NaN and infinity among them, from integers alone: the same everywhere."""
    integer = np.uint64 if real is np.float64 else np.uint32
    generator = np.random.default_rng(5)
    return generator.integers(0, np.iinfo(integer).max, count, dtype=integer, endpoint=True).view(real)


def _points(name: str, real: type, count: int) -> np.ndarray:
    """Arguments of a finite result: half of all magnitudes, half from the range that matters, and what is subnormal."""
    low, high = RANGES[name][real]
    generator = np.random.default_rng(6)
    of_range = generator.uniform(low, high, count // 2).astype(real)
    magnitudes = _any_numbers(real, count)
    subnormal = np.finfo(real).smallest_subnormal * generator.integers(1, 2**20, count // 20).astype(real)
    least, most = (0.0, np.inf) if name.startswith("log") else (low, high)
    magnitudes = magnitudes[(magnitudes > least) & (magnitudes < most)]
    values = np.concatenate([of_range, subnormal, magnitudes])
    return values[values > (-1.0 if name == "log1p" else 0.0 if name == "log" else -np.inf)][:count]


def _largest_error(name: str, x: np.ndarray) -> float:
    """In units in the last place of the exact result, of which mpmath computes 90 bits."""
    exact, largest = EXACT[name], 0.0
    with mpmath.workprec(90):
        for argument, result in zip(x.tolist(), FUNCTIONS[name](x).tolist(), strict=True):
            expected = exact(mpmath.mpf(argument))
            largest = max(largest, float(abs(result - expected) / math.ulp(float(expected))))
    return largest


@every_function
def test_an_error_is_below_a_unit_in_the_last_place(name: str) -> None:
    """Against mpmath, at arguments of every magnitude; subnormal results are rounded once."""
    assert _largest_error(name, _points(name, np.float64, 10_000)) < MOST_ERROR[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["exp", "log", "log1p"])
def test_an_error_is_below_a_unit_in_the_last_place_at_a_million_points(name: str) -> None:
    """The same, where rare arguments may hide."""
    assert _largest_error(name, _points(name, np.float64, 1_000_000)) < MOST_ERROR[name]


@every_function
def test_an_error_of_float32_is_below_a_unit_in_the_last_place(name: str) -> None:
    """Against float64, which mpmath has checked: its own error is less than 2^-28 of such a unit."""
    x = _points(name, np.float32, 1_000_000)
    expected = FUNCTIONS[name](x.astype(np.float64))
    unit = np.spacing(np.abs(expected).astype(np.float32)).astype(np.float64)
    assert np.all(np.abs(FUNCTIONS[name](x).astype(np.float64) - expected) < MOST_ERROR[name] * unit)


@both_formats
@every_function
def test_the_bits_are_the_same_everywhere(name: str, real: type) -> None:
    """One digest of 200,000 results, NaN among them, on every processor."""
    moderate = np.random.default_rng(7).integers(-(2**30), 2**30, 100_000) / 2.0**20
    results = FUNCTIONS[name](np.concatenate([_any_numbers(real, 100_000), moderate.astype(real)]))
    content = results.astype(results.dtype.newbyteorder("<")).tobytes()
    assert hashlib.sha256(content).hexdigest()[:16] == DIGESTS[name, real.__name__]


@both_formats
@pytest.mark.parametrize(
    ("name", "x", "expected"),
    [
        ("exp", [0.0, -0.0, np.inf, -np.inf, np.nan], [1.0, 1.0, np.inf, 0.0, np.nan]),
        ("exp", [1e4, -1e4], [np.inf, 0.0]),
        (
            "log",
            [1.0, 0.0, -0.0, -1.0, np.inf, -np.inf, np.nan],
            [0.0, -np.inf, -np.inf, np.nan, np.inf, np.nan, np.nan],
        ),
        (
            "log1p",
            [0.0, -0.0, -1.0, -2.0, np.inf, -np.inf, np.nan],
            [0.0, -0.0, -np.inf, np.nan, np.inf, np.nan, np.nan],
        ),
        ("sigmoid", [0.0, -0.0, np.inf, -np.inf, np.nan, 1e4, -1e4], [0.5, 0.5, 1.0, 0.0, np.nan, 1.0, 0.0]),
    ],
)
def test_limits_and_what_is_no_number(name: str, x: list[float], expected: list[float], real: type) -> None:
    """The results that C's Annex F asks for, the sign of 0 included."""
    results = FUNCTIONS[name](np.array(x, dtype=real))
    np.testing.assert_array_equal(results, np.array(expected, dtype=real))
    assert np.array_equal(np.signbit(results), np.signbit(expected))


@pytest.mark.parametrize(
    ("real", "highest", "lowest"),
    [(np.float64, 709.782712893384, -745.13), (np.float32, 88.7228317, -103.97)],
)
def test_exp_reaches_the_largest_and_the_least_number(real: type, highest: float, lowest: float) -> None:
    """The last argument of a finite result and the next; one of a result above half the least number and one below."""
    x = np.array([highest, lowest], dtype=real)
    beyond = np.array([np.nextafter(x[0], real(np.inf)), lowest - 0.01], dtype=real)
    least = np.finfo(real).smallest_subnormal
    (largest, smallest), (above, below) = elementary.exp(x).tolist(), elementary.exp(beyond).tolist()
    assert (np.finfo(real).max * 0.999 < largest < np.inf, smallest, above, below) == (True, least, np.inf, 0.0)


@either
@both_formats
@every_function
def test_shape_and_type_stay(name: str, real: type, functions: dict[str, Callable[[np.ndarray], np.ndarray]]) -> None:
    """Of arrays without entries, without axes, with strides, and longer than a piece; the argument stays as it is."""
    x = np.linspace(0.5, 3.0, 20_000, dtype=real).reshape(4, 5000)
    whole, before = functions[name](x), x.copy()
    assert np.array_equal(x, before)
    for part in (np.s_[:0], np.s_[1, 2, ...], np.s_[::2, ::-3]):
        result = functions[name](x[part])
        assert (result.shape, result.dtype) == (x[part].shape, real)
        assert np.array_equal(result, whole[part])
    assert np.array_equal(functions[name](np.asfortranarray(x)), whole)


@either
@every_function
def test_other_types_are_refused(name: str, functions: dict[str, Callable[[np.ndarray], np.ndarray]]) -> None:
    """Integers have no logarithm of their own; foreign byte order would be read as other numbers."""
    for x in (np.arange(3), np.ones(2, dtype=np.float16), np.ones(2, dtype=">f8")):
        with pytest.raises(TypeError, match="expected float64 or float32"):
            functions[name](x)


EPSILON = np.finfo(np.float64).eps


@given(st.floats(-700.0, 700.0))
def test_log_undoes_exp(x: float) -> None:
    """An ulp of e^x is at most epsilon of it, and so epsilon of x; the logarithm adds an ulp of its own."""
    assert abs(elementary.log(elementary.exp(np.array(x))) - x) <= EPSILON + math.ulp(x)


@given(st.floats(-700.0, 700.0))
def test_exp_of_the_opposite_is_the_reciprocal(x: float) -> None:
    """Each factor is within an ulp, and their product is rounded."""
    product = elementary.exp(np.array(x)) * elementary.exp(np.array(-x))
    assert abs(product - 1.0) <= 3 * EPSILON


@given(st.integers(-1074, 1023))
def test_log_of_a_power_of_two_is_the_nearest_multiple(k: int) -> None:
    """k ln 2 within an ulp, subnormal powers included."""
    result = float(elementary.log(np.array(math.ldexp(1.0, k))))
    with mpmath.workprec(90):
        assert abs(result - k * mpmath.ln2) <= math.ulp(result)


@given(st.floats(-1.0, 1e300, exclude_min=True), st.floats(-1.0, 1e300, exclude_min=True))
def test_log1p_keeps_the_order(one: float, other: float) -> None:
    """Of two results that are more than two errors apart, the larger is that of the larger argument."""
    low, high = elementary.log1p(np.array(sorted([one, other])))
    assert low <= high + 2 * math.ulp(high)


@given(st.floats(-800.0, 800.0))
def test_the_two_sides_of_the_logistic_function_add_up_to_one(x: float) -> None:
    """As far as two errors of 3 ulp below 1 let them."""
    assert abs(elementary.sigmoid(np.array(x)) + elementary.sigmoid(np.array(-x)) - 1.0) <= 4 * EPSILON

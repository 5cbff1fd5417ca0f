"""The compiled functions and their definitions: the same bits, for every instruction set that this processor has."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.arithmetic import compiled, elementary, factors, lookups, products, softmax, sums
from pipeline.arithmetic.reference import elementary as elementary_reference
from pipeline.arithmetic.reference import factors as factors_reference
from pipeline.arithmetic.reference import lookups as lookups_reference
from pipeline.arithmetic.reference import products as products_reference
from pipeline.arithmetic.reference import softmax as softmax_reference
from pipeline.arithmetic.reference import sums as sums_reference

pytestmark = pytest.mark.skipif(not compiled.instruction_sets(), reason="no compiled library in this environment")

TYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SIZES = st.integers(0, 200)


@pytest.fixture(params=compiled.instruction_sets() or ["none"], autouse=True)
def _instruction_set(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One set after the other."""
    widest = compiled.function

    def of_set(name: str, dtype: np.dtype[Any]) -> Callable[..., Any] | None:
        return widest(name, dtype, request.param)

    for module in (elementary, factors, lookups, products, softmax, sums):
        monkeypatch.setattr(module, "function", of_set)


def _numbers(generator: np.random.Generator, *shape: int, dtype: Any) -> np.ndarray:
    """Of many sizes, in rows or in columns, some of them 0."""
    values = generator.normal(size=shape) * 10.0 ** generator.integers(-4, 4, shape)
    values[generator.random(shape) < 0.05] = 0.0
    return np.array(values, dtype=dtype, order=generator.choice(["C", "F"]))


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(_bits(a), _bits(b))


def _bits(a: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(a).view(np.uint8)


@TYPES
@pytest.mark.parametrize("name", ["exp", "log", "log1p", "sigmoid"])
def test_elementary_functions(name: str, dtype: Any) -> None:
    """Of numbers of all sizes, and of those that are none."""
    generator = np.random.default_rng(1)
    bits = generator.integers(0, 2 ** (8 * np.dtype(dtype).itemsize), 200_003, dtype=f"u{np.dtype(dtype).itemsize}")
    x = np.concatenate([bits.view(dtype), generator.normal(size=100_000).astype(dtype) * 20])
    x[np.isnan(x)] = np.nan  # the payload of a NaN is nobody's promise
    assert _same(getattr(elementary, name)(x), getattr(elementary_reference, name)(x))


@TYPES
@given(count=SIZES, n=SIZES, seed=st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_sums(dtype: Any, count: int, n: int, seed: int) -> None:
    """Along rows, columns and vectors, and of nothing."""
    x = _numbers(np.random.default_rng(seed), count, n, dtype=dtype)
    for axis in (0, 1):
        assert _same(sums.halving_sum(x, axis), sums_reference.halving_sum(x, axis))
        assert _same(sums.long_sum(x, axis), sums_reference.long_sum(x, axis))
    if n:
        assert _same(sums.halving_sum(x[:, 0], 0), sums_reference.halving_sum(x[:, 0], 0))
        assert _same(sums.long_sum(x[:, 0], 0), sums_reference.long_sum(x[:, 0], 0))


@TYPES
@given(m=SIZES, n=SIZES, depth=st.integers(0, 300), sign=st.sampled_from([1.0, -1.0]), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_products(dtype: Any, m: int, n: int, depth: int, sign: float, seed: int) -> None:
    """Of any shape and layout, begun with what is there, and in stretches."""
    generator = np.random.default_rng(seed)
    a, b = _numbers(generator, m, depth, dtype=dtype), _numbers(generator, depth, n, dtype=dtype)
    if depth:
        a, b = a[:, ::-1], b[::-1]
    start = np.ascontiguousarray(_numbers(generator, m, n, dtype=dtype))
    both = start.copy(), start.copy()
    products.add_product(both[0], a, b, sign)
    products_reference.add_product(both[1], a, b, sign)
    assert _same(*both)
    totals = start.astype(np.float64), start.astype(np.float64)
    products.add_stretches(totals[0], a, b)
    products_reference.add_stretches(totals[1], a, b)
    assert _same(*totals)


@TYPES
@given(n=SIZES, k=st.integers(1, 90) | st.integers(250, 270), seed=st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_softmax(dtype: Any, n: int, k: int, seed: int) -> None:
    """Probabilities, losses and residuals, with classes along rows or columns."""
    generator = np.random.default_rng(seed)
    z = _numbers(generator, n, k, dtype=dtype)
    labels = generator.integers(0, k, n)
    ours = z.copy(order="K")
    softmax.softmax(ours)
    assert _same(ours, softmax_reference.softmax(z.T).T)
    ours = z.copy(order="K")
    losses = softmax.losses_and_residuals(ours, labels)
    expected_losses, expected = softmax_reference.losses_and_residuals(z.T, labels)
    assert _same(losses, expected_losses)
    assert _same(ours, expected.T)
    change = _numbers(generator, n, k, dtype=dtype)
    expected = softmax_reference.change_of_probabilities(ours.T, change.T).T
    softmax.change_of_probabilities(ours, change)
    assert _same(change, expected)
    one, labels = np.ascontiguousarray(z[:, 0]), labels % 2
    expected_losses, expected = softmax_reference.logistic_losses_and_residuals(one, labels)
    assert _same(softmax.logistic_losses_and_residuals(one, labels), expected_losses)
    assert _same(one, expected)


@TYPES
@given(n=SIZES, c=st.integers(1, 5), k=st.integers(1, 40), levels=st.integers(1, 30), seed=st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_lookups(dtype: Any, n: int, c: int, k: int, levels: int, seed: int) -> None:
    """Rows added where codes say, and back; sparse products."""
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, levels, (n, c), dtype=np.int32)
    table = np.ascontiguousarray(_numbers(generator, levels, k, dtype=dtype))
    both = np.zeros((n, k), dtype), np.zeros((n, k), dtype)
    lookups.add_levels(both[0], codes, table)
    lookups_reference.add_levels(both[1], codes, table)
    assert _same(*both)
    totals = np.zeros((levels, k)), np.zeros((levels, k))
    lookups.add_to_levels(totals[0], codes, both[0])
    lookups_reference.add_to_levels(totals[1], codes, both[0])
    assert _same(*totals)
    starts = np.concatenate([[0], np.cumsum(generator.integers(0, 6, n))]).astype(np.int32)
    members = generator.integers(0, levels, starts[-1], dtype=np.int32)
    numbers = _numbers(generator, len(members), dtype=dtype)
    lookups.add_sparse_product(both[0], starts, members, numbers, table)
    lookups_reference.add_sparse_product(both[1], starts, members, numbers, table)
    assert _same(*both)


@given(count=st.integers(0, 3), n=st.integers(1, 200), m=st.integers(1, 30), seed=st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_factors(count: int, n: int, m: int, seed: int) -> None:
    """Factors and solves, across the edges of the blocks that they are computed in."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(count, n, n + 3))
    matrices = x @ x.transpose(0, 2, 1)
    both = matrices.copy(), matrices.copy()
    assert _same(factors.cholesky(both[0]), np.array([factors_reference.cholesky(a) for a in both[1]], dtype=np.int64))
    assert _same(*both)
    right = generator.normal(size=(count, n, m))
    for transposed in (False, True):
        solved = right.copy(), right.copy()
        factors.solve(both[0], solved[0], transposed)
        for lower, one in zip(both[0], solved[1], strict=True):
            (factors_reference.solve_lower_transposed if transposed else factors_reference.solve_lower)(lower, one)
        assert _same(*solved)


def test_a_matrix_without_factor() -> None:
    """The pivot that is not above 0 is named alike."""
    for pivot in (0, 70, 129):
        matrix = np.diag(np.where(np.arange(130) == pivot, -1.0, 2.0))[np.newaxis]
        assert factors.cholesky(matrix.copy()) == [pivot + 1]
        assert factors_reference.cholesky(matrix[0].copy()) == pivot + 1

"""Sums over replicates are exact, whatever the order, blocks and threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from pipeline.resampling.fixed_point import to_fixed_point
from pipeline.resampling.poisson_weights import poisson_weights
from pipeline.resampling.replicate_sums import replicate_sums


def _table(n: int, seed: int = 0) -> tuple[np.ndarray, sparse.csr_array]:
    rng = np.random.default_rng(seed)
    entries = rng.integers(-(2**39), 2**39, (n, 4)) * rng.integers(0, 2, (n, 4))
    return rng.integers(0, 2**63, n), sparse.csr_array(entries)


def test_sums_equal_those_of_pythons_integers():
    units, columns = _table(300)
    weights = poisson_weights(units, 7).astype(object)
    expected = weights.T @ columns.toarray().astype(object)
    assert replicate_sums(units, columns, 7).tolist() == expected.tolist()


@pytest.mark.parametrize("rows_at_once", [1, 17, 1000])
@pytest.mark.parametrize("thread_count", [1, 3])
def test_blocks_threads_and_the_order_of_rows_leave_no_trace(rows_at_once, thread_count):
    units, columns = _table(500)
    expected = replicate_sums(units, columns, 21)
    order = np.random.default_rng(1).permutation(500)
    again = replicate_sums(units[order], columns[order], 21, rows_at_once=rows_at_once, thread_count=thread_count)
    assert np.array_equal(expected, again)


def test_rows_of_one_unit_count_as_one_row_of_their_sum():
    units, columns = _table(10)
    twice = replicate_sums(np.repeat(units, 2), sparse.csr_array(np.repeat(columns.toarray(), 2, axis=0)))
    assert np.array_equal(twice, 2 * replicate_sums(units, columns))


def test_no_rows_have_sums_of_0():
    assert not replicate_sums(np.zeros(0, dtype=np.int64), sparse.csr_array((0, 2), dtype=np.int64), 3).any()


@pytest.mark.parametrize("size", [2**43, -(2**43), -(2**63)])
def test_an_entry_that_might_be_rounded_is_refused(size):
    columns = sparse.csr_array(np.full((200, 1), size, dtype=np.int64))
    with pytest.raises(ValueError, match="exact"):
        replicate_sums(np.arange(200), columns)


@settings(max_examples=50)
@given(st.lists(st.floats(-1e300, 1e300), max_size=30))
def test_fixed_point_is_within_half_a_step_and_never_refused(values):
    fixed = to_fixed_point(np.array(values))
    largest = max((abs(value) for value in values), default=0.0)
    for value, whole in zip(values, fixed.floats(fixed.integers).tolist(), strict=True):
        assert abs(value - whole) <= largest * 2**-39
    replicate_sums(np.arange(len(values)), sparse.csr_array(fixed.integers[:, np.newaxis]), 2)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_fixed_point_refuses_what_is_not_finite(value):
    with pytest.raises(ValueError, match="finite"):
        to_fixed_point(np.array([1.0, value]))

"""The lowest, highest and largest numbers of columns, against numpy."""

import hypothesis.strategies as st
import numpy as np
import torch
from hypothesis import given, settings

from pipeline.numerics.data.block import Block
from pipeline.numerics.data.extremes import largest_magnitudes, ranges


@given(rows=st.integers(1, 300), columns=st.integers(1, 5), seed=st.integers(0, 100))
@settings(deadline=None, max_examples=40)
def test_ranges_are_numpys(rows: int, columns: int, seed: int) -> None:
    """Whether or not the rows fill up the ones that are laid end to end."""
    x = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    lowest, highest = ranges(torch.from_numpy(x))
    np.testing.assert_array_equal(lowest.numpy(), x.min(0))
    np.testing.assert_array_equal(highest.numpy(), x.max(0))


def test_a_number_that_is_none_is_seen() -> None:
    """NaN in one of two blocks."""
    x = torch.ones(100, 3)
    x[70, 1] = torch.nan
    codes, labels = torch.zeros(100, 0, dtype=torch.int64), torch.zeros(100, dtype=torch.int64)
    largest = largest_magnitudes([Block(torch.ones(100, 3), codes, labels), Block(x, codes, labels)], 2)
    assert torch.isnan(largest).tolist() == [False, True, False]

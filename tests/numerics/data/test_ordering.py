"""The order by small numbers."""

import numpy as np
import pytest
import torch

from pipeline.numerics.data import ordering


@pytest.mark.parametrize("count", [1, 7, 32_767, 32_768, 100_000])
def test_it_is_the_stable_order(count: int) -> None:
    """Below and above what 16 bits hold, the largest key included."""
    keys = np.append(np.random.default_rng(count).integers(count, size=999), count - 1)
    order = ordering.by_key(torch.tensor(keys), count)
    assert order.tolist() == np.argsort(keys, kind="stable").tolist()

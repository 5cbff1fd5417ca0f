"""Roots are the nearest numbers, as IEEE 754 has them."""

import math

import pytest
import torch

from pipeline.numerics.exact.roots import square_root


@pytest.mark.parametrize("shape", [(), (0, 3), (10_000,), (100, 7, 5)])
def test_a_root_is_the_nearest_number(shape: tuple[int, ...]) -> None:
    """Equal to math.sqrt to the last bit, in the shape and type that came."""
    values = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    roots = square_root(values)
    assert (roots.shape, roots.dtype) == (values.shape, values.dtype)
    assert roots.flatten().tolist() == [math.sqrt(value) for value in values.flatten().tolist()]


def test_a_root_of_float32_is_the_float64_root_rounded() -> None:
    """Which is the nearest float32 number (Figueroa 1995), a view with strides included."""
    values = torch.rand((1000, 8), generator=torch.Generator().manual_seed(2))[:, ::3]
    assert torch.equal(square_root(values), torch.tensor([[math.sqrt(v) for v in row] for row in values.tolist()]))

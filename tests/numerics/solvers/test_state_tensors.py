"""A solver's state as tensors by name, and back."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.numerics.solvers.state_tensors import from_tensors, to_tensors


@dataclass
class _State:
    passes: int
    is_done: bool
    smallest: float
    decrements: list[float]
    theta: Tensor


def test_a_state_comes_back_from_its_tensors() -> None:
    """Types and bits; an empty list stays one of floats, and tensors of other names do not matter."""
    state = _State(2**40, True, math.inf, [], torch.tensor([0.1]).double())
    tensors = to_tensors(state)
    assert (tensors["passes"].dtype, tensors["decrements"].dtype) == (torch.int64, torch.float64)
    back = from_tensors(_State, tensors | {"more": torch.ones(1)})
    assert back == state
    assert type(back.passes) is int
    assert type(back.is_done) is bool
    state.decrements = [0.1, 1e-300]
    assert from_tensors(_State, to_tensors(state)).decrements == [0.1, 1e-300]

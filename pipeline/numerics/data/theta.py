"""theta, W and b in one (layout.py): conversions, and what is done with its directions."""

import torch
from torch import Tensor

from pipeline.numerics.data.block import Parameters
from pipeline.numerics.exact import portable


def theta_of(parameters: Parameters) -> Tensor:
    """W (k, d) and b (k,) as theta (d + 1, k)."""
    return torch.cat([parameters.weights.T, parameters.bias[None]])


def parameters_of(theta: Tensor) -> Parameters:
    """theta (d + 1, k) as W (k, d) and b (k,), in memory of their own."""
    return Parameters(theta[:-1].T.contiguous(), theta[-1].clone())


def centred(direction: Tensor) -> Tensor:
    """A direction (d + 1, k) without the part that moves all classes together.

    It changes no probability and costs only penalty, so theta, which starts at 0, always adds up to 0 over the classes.
    """
    return direction - portable.mean(direction, 1, keepdim=True)

"""Adam. Source: Kingma and Ba 2015, algorithm 1, with their constants."""

import torch
from torch import Tensor


def optimizer(parameters: list[Tensor], lr: float) -> torch.optim.Optimizer:
    """The update rule; the penalty is part of the gradient that it is given, so weight_decay stays 0."""
    return torch.optim.Adam(parameters, lr=lr, foreach=False)

"""Stochastic gradient descent, with momentum.

Source: Robbins and Monro 1951; momentum: Polyak 1964, in the form of Sutskever et al. 2013 that torch.optim.SGD has.
"""

import torch
from torch import Tensor


def optimizer(parameters: list[Tensor], lr: float, momentum: float) -> torch.optim.Optimizer:
    """The update rule; the penalty is part of the gradient that it is given, so weight_decay stays 0."""
    return torch.optim.SGD(parameters, lr=lr, momentum=momentum, foreach=False)

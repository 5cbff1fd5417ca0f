"""Adam: the update of torch.optim.Adam. Source: Kingma and Ba 2015, algorithm 1, with their constants."""

import torch
from torch import Tensor
from torch.optim.adam import adam

from pipeline.numerics.solvers.first_order import Update


def update(start: list[Tensor]) -> Update:
    """A new update rule for parameters shaped like ``start``; the penalty is part of the gradient that it is given."""
    means = [torch.zeros_like(value) for value in start]
    squares = [torch.zeros_like(value) for value in start]
    steps = [torch.zeros(()) for _ in start]

    def step(parameters: list[Tensor], gradients: list[Tensor], lr: float) -> None:
        adam(
            parameters,
            gradients,
            means,
            squares,
            [],
            steps,
            foreach=False,
            lr=lr,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
            weight_decay=0.0,
            amsgrad=False,
            maximize=False,
        )

    return step

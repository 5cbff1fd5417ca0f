"""Stochastic gradient descent, with momentum: the update of torch.optim.SGD.

Source: Robbins and Monro 1951; momentum: Polyak 1964, in the form of Sutskever et al. 2013 that torch has.
"""

from torch import Tensor
from torch.optim.sgd import sgd

from pipeline.numerics.solvers.first_order import Update


def update(momentum: float) -> Update:
    """A new update rule; the penalty is part of the gradient that it is given, so weight_decay stays 0.

    The function behind torch.optim.SGD: making the class itself loads torch's compiler, which takes a second.
    """
    buffers: list[Tensor | None] = [None, None]

    def step(parameters: list[Tensor], gradients: list[Tensor], lr: float) -> None:
        sgd(
            parameters,
            gradients,
            buffers,
            foreach=False,
            lr=lr,
            momentum=momentum,
            dampening=0.0,
            weight_decay=0.0,
            nesterov=False,
            maximize=False,
        )

    return step

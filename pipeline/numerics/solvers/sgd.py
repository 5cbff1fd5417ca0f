"""Stochastic gradient descent, with momentum: the update of torch.optim.SGD.

Source: Robbins and Monro 1951; momentum: Polyak 1964, in the form of Sutskever et al. 2013 that torch has.
"""

from torch import Tensor


class Sgd:
    """The update rule; the penalty is part of the gradient that it is given.

    Written out: torch fuses the product with the sum where the processor can.
    """

    def __init__(self, momentum: float) -> None:
        """No velocity yet."""
        self._momentum = momentum
        self._velocities: list[Tensor] = []

    @property
    def memory(self) -> list[Tensor]:
        """Velocities; none without momentum or before the first step."""
        return self._velocities

    @memory.setter
    def memory(self, tensors: list[Tensor]) -> None:
        self._velocities = tensors

    def step(self, parameters: list[Tensor], gradients: list[Tensor], lr: float) -> None:
        """Change the parameters in place."""
        if self._momentum:
            earlier = self._velocities or [gradient.new_zeros(()) for gradient in gradients]
            gradients = [self._momentum * velocity + own for velocity, own in zip(earlier, gradients, strict=True)]
            self._velocities = gradients
        for value, step in zip(parameters, gradients, strict=True):
            value -= lr * step

"""Stochastic gradient descent, with momentum: the update of torch.optim.SGD.

Source: Robbins and Monro 1951; momentum: Polyak 1964, in the form of Sutskever et al. 2013 that torch has.
"""

from torch import Tensor
from torch.optim.sgd import sgd


class Sgd:
    """The update rule; the penalty is part of the gradient that it is given, so weight_decay stays 0.

    The function behind torch.optim.SGD: making the class itself loads torch's compiler, which takes a second.
    """

    def __init__(self, momentum: float) -> None:
        """No velocity yet."""
        self._momentum = momentum
        self._velocities: list[Tensor | None] = [None, None]

    @property
    def memory(self) -> list[Tensor]:
        """Velocities; none without momentum or before the first step."""
        return [velocity for velocity in self._velocities if velocity is not None]

    @memory.setter
    def memory(self, tensors: list[Tensor]) -> None:
        self._velocities = [*tensors] if tensors else [None, None]

    def step(self, parameters: list[Tensor], gradients: list[Tensor], lr: float) -> None:
        """Change the parameters in place."""
        sgd(
            parameters,
            gradients,
            self._velocities,
            foreach=False,
            lr=lr,
            momentum=self._momentum,
            dampening=0.0,
            weight_decay=0.0,
            nesterov=False,
            maximize=False,
        )

"""Adam: the update of torch.optim.Adam. Source: Kingma and Ba 2015, algorithm 1, with their constants."""

import torch
from torch import Tensor
from torch.optim.adam import adam


class Adam:
    """The update rule for parameters shaped like ``start``; the penalty is part of the gradient that it is given."""

    def __init__(self, start: list[Tensor]) -> None:
        """All moments 0."""
        self._means = [torch.zeros_like(value) for value in start]
        self._squares = [torch.zeros_like(value) for value in start]
        self._steps = [torch.zeros(()) for _ in start]

    @property
    def memory(self) -> list[Tensor]:
        """What it remembers of earlier gradients."""
        return [*self._means, *self._squares, *self._steps]

    @memory.setter
    def memory(self, tensors: list[Tensor]) -> None:
        count = len(self._means)
        self._means, self._squares, self._steps = (tensors[i * count : (i + 1) * count] for i in range(3))

    def step(self, parameters: list[Tensor], gradients: list[Tensor], lr: float) -> None:
        """Change the parameters in place."""
        adam(
            parameters,
            gradients,
            self._means,
            self._squares,
            [],
            self._steps,
            foreach=False,
            lr=lr,
            beta1=0.9,
            beta2=0.999,
            eps=1e-8,
            weight_decay=0.0,
            amsgrad=False,
            maximize=False,
        )

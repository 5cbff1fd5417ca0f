"""Adam. Source: Kingma and Ba 2015, algorithm 1, with their constants.

torch.optim.Adam takes roots that depend on the processor (exact/roots.py), so its update is written out here.
"""

import math

import torch
from torch import Tensor

from pipeline.numerics.exact.roots import square_root

_MEAN_DECAY, _SQUARE_DECAY, _SMALLEST = 0.9, 0.999, 1e-8


class Adam:
    """The update rule for parameters shaped like ``start``; the penalty is part of the gradient that it is given."""

    def __init__(self, start: list[Tensor]) -> None:
        """All moments 0."""
        self._means = [torch.zeros_like(value) for value in start]
        self._squares = [torch.zeros_like(value) for value in start]
        self._steps = [torch.zeros(()) for _ in start]

    @property
    def memory(self) -> list[Tensor]:
        """Means, mean squares and counts of steps."""
        return [*self._means, *self._squares, *self._steps]

    @memory.setter
    def memory(self, tensors: list[Tensor]) -> None:
        count = len(self._means)
        self._means, self._squares, self._steps = (tensors[i * count : (i + 1) * count] for i in range(3))

    def step(self, parameters: list[Tensor], gradients: list[Tensor], lr: float) -> None:
        """Change the parameters in place."""
        memory = zip(self._means, self._squares, self._steps, strict=True)
        for value, gradient, (mean, square, step) in zip(parameters, gradients, memory, strict=True):
            step += 1
            mean += (1 - _MEAN_DECAY) * (gradient - mean)
            square.mul_(_SQUARE_DECAY).add_((1 - _SQUARE_DECAY) * (gradient * gradient))
            root = square_root(square) / math.sqrt(1 - _power(_SQUARE_DECAY, int(step))) + _SMALLEST
            value -= lr / (1 - _power(_MEAN_DECAY, int(step))) * mean / root


def _power(base: float, exponent: int) -> float:
    """By squaring, in products that are rounded one by one; the last digit of ** is the system's."""
    result = 1.0
    while exponent:
        if exponent % 2:
            result *= base
        base *= base
        exponent //= 2
    return result

"""The objective at one point: value, gradient, and what a certificate needs beside them."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.numerics.data.theta import parameters_of
from pipeline.numerics.exact import portable


@dataclass(frozen=True)
class Evaluation:
    """Objective and gradient at one point: cost and penalty in nats (f is their sum), gradients as W and b."""

    cost: float
    penalty: float
    weights_gradient: Tensor
    bias_gradient: Tensor

    @property
    def gradient_norm(self) -> float:
        """Euclidean norm of the whole gradient."""
        return math.sqrt(sum(portable.dot(part, part) for part in (self.weights_gradient, self.bias_gradient)))


@dataclass(frozen=True)
class PassStatistics:
    """Statistics of a pass that a certificate needs beside the gradient.

    ``bias_curvature`` is the (k, k) Hessian of the bias, None where classes are too many; ``label_means`` (d + 1, k) is
    1/V sum_i v_i (x_i, 1) y_i', each class's part of every column.
    """

    bias_curvature: Tensor | None
    label_means: Tensor


@dataclass(frozen=True)
class Point:
    """f at theta: cost and penalty in nats (f is their sum), gradient (d + 1, k) float64.

    ``min_true_probability`` is the smallest probability of a row's true class, over the rows of positive weight; above
    1/2 every row is classified rightly. ``statistics`` are there where they were asked for.
    """

    theta: Tensor
    precision: torch.dtype
    cost: float
    penalty: float
    gradient: Tensor
    min_true_probability: float
    statistics: PassStatistics | None = None

    @property
    def objective(self) -> float:
        """f, in nats."""
        return self.cost + self.penalty

    @property
    def evaluation(self) -> Evaluation:
        """The same as W and b."""
        gradient = parameters_of(self.gradient)
        return Evaluation(self.cost, self.penalty, gradient.weights, gradient.bias)

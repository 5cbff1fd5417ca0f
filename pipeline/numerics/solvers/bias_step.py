"""Newton's step on b alone, at the end: a rare class makes the certificate sensitive to b's gradient.

Shapes are those of data/layout.py.
"""

import torch
from torch import Tensor

from pipeline.numerics.curvature.arrowhead import cholesky
from pipeline.numerics.exact import portable
from pipeline.numerics.objective.evaluation import Point
from pipeline.numerics.objective.packed import PackedObjective
from pipeline.numerics.solvers import conjugate_gradients


def step(objective: PackedObjective, point: Point) -> Point:
    """The point that it leads to, in float64 with statistics; ``point`` has them, too."""
    theta = point.theta.clone()
    theta[-1] += _direction(objective, point)
    return objective.loss_gradient(theta, torch.float64, statistics=True)


def _direction(objective: PackedObjective, point: Point) -> Tensor:
    """-H^-1 g of b; of many classes by conjugate gradients, whose products are passes."""
    assert point.statistics is not None
    gradient, curvature = point.gradient[-1], point.statistics.bias_curvature
    if curvature is not None:
        size = float(portable.mean(curvature.diagonal()))
        if size <= 0.0:  # every row is certain
            return torch.zeros_like(gradient)
        factor = cholesky(curvature + size / len(curvature))  # it is singular along 1
        return portable.cholesky_solve(-gradient[:, None], factor)[:, 0]
    hessian_product = objective.hessian_product(point.theta, torch.float32)

    def product(along: Tensor) -> Tensor:
        return hessian_product(torch.cat([torch.zeros_like(point.theta[:-1]), along[None]]))[-1]

    direction, _ = conjugate_gradients.bias_direction(gradient, product, gradient + point.statistics.label_means[-1])
    return direction - portable.mean(direction)

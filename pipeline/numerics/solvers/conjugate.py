"""Newton's direction by preconditioned conjugate gradients, where the Hessian is too large to factor.

Source: Nocedal and Wright 2006, algorithm 7.1 (line search Newton-CG). Shapes are those of layout.py.
"""

import math
from collections.abc import Callable

from torch import Tensor

from pipeline.numerics.centring import Factor
from pipeline.numerics.layout import centred

_MOST_PRODUCTS = 60
_LOOSEST = 0.25  # far from the optimum a closer answer to the quadratic model saves no step


def direction(
    gradient: Tensor, product: Callable[[Tensor], Tensor], factor: Factor, objective: float, small: float = 0.0
) -> tuple[Tensor, int]:
    """About -H^-1 g, and how many Hessian products it took; ``product`` is H, ``factor`` stands for it.

    The residual, measured with the factor, falls below the square root of the decrement as a share of the objective:
    convergence is superlinear (theorem 7.2). What W has of it is the gradient that the step will leave, as far as the
    quadratic model goes: where its square is ``small``, too, there is no need to go on.
    """
    found, rest = gradient.new_zeros(gradient.shape), gradient.neg()
    scaled = centred(factor.solve(rest))
    along, size = scaled, _dot(rest, scaled)
    enough = size * min(_LOOSEST**2, size / max(abs(objective), 1e-300))
    for products in range(1, _MOST_PRODUCTS + 1):
        image = product(along)
        curvature = _dot(along, image)
        if curvature <= 0:  # rounding, where curvature is as good as 0
            return (found if products > 1 else scaled), products
        step = size / curvature
        found.add_(along, alpha=step)
        rest.sub_(image, alpha=step)
        scaled = centred(factor.solve(rest))
        last, size = size, _dot(rest, scaled)
        if not math.isfinite(size) or size <= enough or float(rest[:-1].square().sum()) <= small:
            break
        along = scaled.add(along, alpha=size / last)
    return found, products


def _dot(a: Tensor, b: Tensor) -> float:
    return float(a.reshape(-1).dot(b.reshape(-1)))

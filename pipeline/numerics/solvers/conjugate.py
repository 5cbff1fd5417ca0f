"""Newton's direction by preconditioned conjugate gradients, where the Hessian is too large to factor.

Source: Nocedal and Wright 2006, algorithm 7.1 (line search Newton-CG). Shapes are those of layout.py.
"""

import math
from collections.abc import Callable

from torch import Tensor

from pipeline.numerics.centring import Factor
from pipeline.numerics.layout import centred, dot

_MOST_PRODUCTS = 60
_BIAS_SHARE = 1e-3
_LOOSEST = 0.25  # far from the optimum a closer answer to the quadratic model saves no step


def direction(
    gradient: Tensor, product: Callable[[Tensor], Tensor], factor: Factor, objective: float, small: float = 0.0
) -> tuple[Tensor, int]:
    """About -H^-1 g, and how many Hessian products it took; ``product`` is H, ``factor`` stands for it.

    The residual, measured with the factor, falls below the square root of the decrement as a share of the objective:
    convergence is superlinear (theorem 7.2). What W has of it is the gradient that the step will leave, as far as the
    quadratic model goes: where its square is ``small``, too, there is no need to go on.
    """

    def precondition(rest: Tensor) -> Tensor:
        return centred(factor.solve(rest))

    def done(size: float, first: float, rest: Tensor) -> bool:
        enough = first * min(_LOOSEST**2, first / max(abs(objective), 1e-300))
        return size <= enough or float(rest[:-1].square().sum()) <= small

    return _solved(gradient, product, precondition, done)


def bias_direction(gradient: Tensor, product: Callable[[Tensor], Tensor], shares: Tensor) -> tuple[Tensor, int]:
    """About -H^-1 g of b alone, and how many products it took; all (k,), ``shares`` the mean probabilities.

    What a certificate asks of b is its gradient as a share of ``shares``: the largest falls to a thousandth.
    """
    shares = shares.clamp(min=1e-300)
    enough = _BIAS_SHARE * float((gradient.abs() / shares).max())

    def done(size: float, first: float, rest: Tensor) -> bool:  # noqa: ARG001
        return float((rest.abs() / shares).max()) <= enough

    return _solved(gradient, product, lambda rest: rest / shares, done)


def _solved(
    gradient: Tensor,
    product: Callable[[Tensor], Tensor],
    precondition: Callable[[Tensor], Tensor],
    done: Callable[[float, float, Tensor], bool],
) -> tuple[Tensor, int]:
    """Until ``done`` says so of the residual's size, measured with the preconditioner: now and at first."""
    found, rest = gradient.new_zeros(gradient.shape), gradient.neg()
    scaled = precondition(rest)
    along, size = scaled, dot(rest, scaled)
    first = size
    for products in range(1, _MOST_PRODUCTS + 1):
        image = product(along)
        curvature = dot(along, image)
        if curvature <= 0:  # rounding, where curvature is as good as 0
            return (found if products > 1 else scaled), products
        step = size / curvature
        found.add_(along, alpha=step)
        rest.sub_(image, alpha=step)
        scaled = precondition(rest)
        last, size = size, dot(rest, scaled)
        if not math.isfinite(size) or done(size, first, rest):
            break
        along = scaled.add(along, alpha=size / last)
    return found, products

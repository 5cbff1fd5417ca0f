"""Newton's direction by preconditioned conjugate gradients, on the Hessian itself. Shapes are those of data/layout.py.

Sources: Nocedal and Wright 2006, algorithm 7.1 (line search Newton-CG); Hestenes and Stiefel 1952, theorem 6:1.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from torch import Tensor

from pipeline.numerics.data.centring import Preconditioner
from pipeline.numerics.data.theta import centred
from pipeline.numerics.exact import portable

_MOST_PRODUCTS = 60
_BIAS_SHARE = 1e-3
_LOOSEST = 0.25  # far from the optimum a closer answer to the quadratic model saves no step

# Of a decrement. Numbers are float32: of two columns that differ by 1e-4 of their size and less, the curvature along
# the difference is 1e-15 to 1e-8 of their own, which a preconditioner with a ridge of 1e-6 hides.
_SMALLEST_EIGENVALUE = 1e-8
_DECREMENT_SHARE = 1e-2  # of the decrement, or of the goal where that is larger: the error allowed
_MOST_DECREMENT_PRODUCTS, _MOST_IDLE_PRODUCTS = 500, 100

Product = Callable[[Tensor], Tensor]


class NewtonStep(NamedTuple):
    """-H^-1 g, and the squared Newton decrement g'H^-1 g in nats."""

    direction: Tensor
    decrement: float


class _Iterate(NamedTuple):
    """After a product: about -H^-1 g, its residual, the residual's square in the preconditioner's norm, now and first.

    ``gain`` is what the product added to the decrement: infinite where there is no curvature at all.
    """

    direction: Tensor
    residual: Tensor
    size: float
    first: float
    gain: float


def direction(
    gradient: Tensor, product: Product, factor: Preconditioner, objective: float, small: float = 0.0
) -> tuple[Tensor, int]:
    """About -H^-1 g, and how many Hessian products it took; ``product`` is H, ``factor`` stands for it.

    The residual, measured with the factor, falls below the square root of the decrement as a share of the objective:
    convergence is superlinear (theorem 7.2). What W has of it is the gradient that the step will leave, as far as the
    quadratic model goes: where its square is ``small``, too, there is no need to go on.
    """

    def enough(last: _Iterate) -> bool:
        goal = last.first * min(_LOOSEST * _LOOSEST, last.first / max(abs(objective), 1e-300))
        return last.size <= goal or portable.dot(last.residual[:-1], last.residual[:-1]) <= small

    return _until(enough, _iterates(gradient, product, lambda rest: centred(factor.solve(rest)), _MOST_PRODUCTS))


def newton_step(gradient: Tensor, product: Product, factor: Preconditioner, goal: float) -> NewtonStep | None:
    """Newton's direction with its decrement, to a hundredth of itself or of ``goal`` (nats), whichever is more.

    No ridge takes part: the curvature is ``product``'s own. What the decrement lacks is r'H^-1 r of the residual r, at
    most r'M r / e, with M the preconditioner and e the smallest eigenvalue of M H that matters. So r'M r falls until
    not even ``_SMALLEST_EIGENVALUE`` hides anything, unless the decrement is above the goal already.
    None where rounding has made ``factor`` indefinite: then nothing is known.
    """
    negligible = _DECREMENT_SHARE * _SMALLEST_EIGENVALUE * goal
    gains: list[float] = []
    result = None
    for last in _iterates(gradient, product, lambda rest: centred(factor.solve(rest)), _MOST_DECREMENT_PRODUCTS):
        if last.first < 0 or last.size < 0:
            return None
        gains.append(last.gain if last.first > negligible else 0.0)
        decrement = sum(gains)
        result = NewtonStep(last.direction, decrement)
        if decrement > goal:
            if last.size <= _DECREMENT_SHARE * min(last.first, decrement):
                break
        elif last.size <= negligible or (
            len(gains) > _MOST_IDLE_PRODUCTS and sum(gains[-_MOST_IDLE_PRODUCTS:]) <= _DECREMENT_SHARE * goal
        ):
            break
    return result


def bias_direction(gradient: Tensor, product: Product, shares: Tensor) -> tuple[Tensor, int]:
    """About -H^-1 g of b alone, and how many products it took; all (k,), ``shares`` the mean probabilities.

    What a certificate asks of b is its gradient as a share of ``shares``: the largest falls to a thousandth.
    """
    shares = shares.clamp(min=1e-300)
    goal = _BIAS_SHARE * float((gradient.abs() / shares).max())

    def enough(last: _Iterate) -> bool:
        return float((last.residual.abs() / shares).max()) <= goal

    return _until(enough, _iterates(gradient, product, lambda rest: rest / shares, _MOST_PRODUCTS))


def _until(enough: Callable[[_Iterate], bool], iterates: Iterator[_Iterate]) -> tuple[Tensor, int]:
    """The direction of the first iterate that is good enough, or of the last, and how many products it took."""
    for products, last in enumerate(iterates, 1):  # noqa: B007
        if enough(last):
            break
    return last.direction, products


def _iterates(gradient: Tensor, product: Product, precondition: Product, most: int) -> Iterator[_Iterate]:
    """One after each product, at least one; the direction is changed in place by the next."""
    result, rest = gradient.new_zeros(gradient.shape), gradient.neg()
    scaled = precondition(rest)
    along, size = scaled, portable.dot(rest, scaled)
    first = size
    for number in range(most):
        image = product(along)
        curvature = portable.dot(along, image)
        if curvature <= 0:  # rounding, where curvature is as good as 0
            if number == 0:
                yield _Iterate(scaled, rest, size, first, math.inf)
            return
        step = size / curvature
        result += step * along
        rest -= step * image
        scaled = precondition(rest)
        last, size = size, portable.dot(rest, scaled)
        yield _Iterate(result, rest, size, first, step * last)
        if not math.isfinite(size) or size == 0:
            return
        along = scaled + size / last * along

"""The temperature of least log loss, with a bound on its distance from that.

n rows of weights omega, l their log-probabilities, y the class. With m_j = l_j - l_y,

    f(s)   = sum omega ln sum_j e^(s m_j) / sum omega
    f'(s)  = sum omega sum_j p_j m_j / sum omega              p = softmax(s m)
    f''(s) = sum omega (sum_j p_j m_j^2 - (sum_j p_j m_j)^2) / sum omega

f is convex, so where f' changes its sign between a and b its least value is within |f'(s)| times the distance of s from
the end beyond which f' has the other sign. There is a least value above s = 0 if f'(0) < 0 and some row's class is not
its most probable one; else f falls for ever as s falls, or grows.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.softmax import losses_and_residuals
from pipeline.arithmetic.sums import halving_sum, long_sum
from pipeline.decide.optimum import CLOSE_ENOUGH, Fitted, NoFitError
from pipeline.decide.rows import Block
from pipeline.scoring.scaling import Scaling, log_probabilities

_MOST_PASSES = 200
_HARDLY = 2.0**-50  # a share of s by which a step no longer changes anything
_LEAST_GROWTH, _MOST_GROWTH = 1e-6, 8.0  # of s, as shares of it, on the way to an upper end
_LARGEST = 1e50

_NONE_IS_LARGE_ENOUGH = "the class of every validation row is its most probable one, so that no scale is large enough"


@dataclass(frozen=True)
class _Point:
    """s, and there f' and f''."""

    s: float
    slope: float
    curvature: float


def fit(blocks: Iterable[Block], classes: int) -> Fitted:
    """The s > 0 of least weighted mean log loss over the blocks, by Newton's method within a bracket.

    Raises: NoFitError where there is none.
    """
    if not any(_margins(block).max(initial=-np.inf) > 0 for block in blocks):
        raise NoFitError(_NONE_IS_LARGE_ENOUGH)
    low = _at(0.0, blocks)
    if not low.slope < 0:
        raise NoFitError(
            "the validation rows are no more probable with these probabilities than with equal ones, so that no scale "
            "above 0 is best"
        )
    s, high = 1.0, np.inf
    best = (np.inf, s)
    for _ in range(_MOST_PASSES):
        point = _at(s, blocks)
        if point.slope < 0:
            low = point
        else:
            high = s
        if high == np.inf and s > _LARGEST:
            raise NoFitError(_NONE_IS_LARGE_ENOUGH)
        distance = high - s if point.slope < 0 else s - low.s
        best = min(best, (abs(point.slope) * distance if point.slope else 0.0, s))
        following = _following(point, low.s, high)
        if best[0] <= CLOSE_ENOUGH or abs(following - s) <= _HARDLY * s:
            break
        s = following
    bound, s = best
    return Fitted(Scaling("temperature", np.array(s), np.zeros(classes)), float(bound))


def _following(point: _Point, low: float, high: float) -> float:
    """Newton's step, twice as long while the bracket has no upper end; its middle where the step leaves it."""
    step = -point.slope / point.curvature if point.curvature > 0 else np.inf
    if high == np.inf:  # Newton's method alone would come near from below, and never find an end
        return point.s + min(max(2 * step, _LEAST_GROWTH * point.s), _MOST_GROWTH * point.s)
    return point.s + step if low < point.s + step < high else (low + high) / 2


def _at(s: float, blocks: Iterable[Block]) -> _Point:
    weight = slope = curvature = 0.0
    for block in blocks:
        margins = _margins(block)
        residuals = s * margins
        losses_and_residuals(residuals, block.labels)
        # p - y is p, but for the class itself, whose margin is 0.
        products = residuals * margins
        slopes = halving_sum(products, axis=1)
        curvatures = halving_sum(products * margins, axis=1) - slopes * slopes
        weight += float(long_sum(block.weights, axis=0))
        slope += float(long_sum(block.weights * slopes, axis=0))
        curvature += float(long_sum(block.weights * curvatures, axis=0))
    return _Point(s, slope / weight, curvature / weight)


def _margins(block: Block) -> NDArray[np.float64]:
    """m (n, k)."""
    log_p = log_probabilities(block.logits)
    margins: NDArray[np.float64] = log_p - log_p[np.arange(len(log_p)), block.labels][:, np.newaxis]
    return margins

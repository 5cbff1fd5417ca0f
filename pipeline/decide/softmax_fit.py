"""Vector and matrix scaling of least penalised log loss, by Newton's method, with a bound on the distance from it.

n rows of weights omega, k classes, l their log-probabilities. The logits of class j are theta_j' x_j: x_j = (l_j, 1)
for vector, (l, 1) for matrix. With theta_0 that leaves l as it is,

    F(theta) = sum omega (ln sum_j e^(theta_j' x_j) - theta_y' x_y) / sum omega + l2/2 ||theta - theta_0||^2

is strongly convex, so that F(theta) - F* <= ||gradient||^2 / (2 l2) at any theta: the steps need not be exact. Their
Hessian is that of rows spread evenly over all where these are many, and is kept while it serves.
Source of the bound: Nesterov 2004, "Introductory lectures on convex optimization", (2.1.19).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.factors import cholesky, solve
from pipeline.arithmetic.products import add_product, add_stretches
from pipeline.arithmetic.softmax import losses_and_residuals, softmax
from pipeline.arithmetic.sums import long_sum
from pipeline.decide.optimum import CLOSE_ENOUGH, Fitted
from pipeline.decide.rows import SplitBlocks
from pipeline.scoring.scaling import Scaling, log_probabilities

# Multiplications of a Hessian, half a second to two; and numbers of an array on the way to it.
_MOST_PRODUCTS = 20_000_000_000
_NUMBERS_AT_ONCE = 1 << 20

_MOST_STEPS, _MOST_HALVINGS = 200, 40
_SUFFICIENT = 1e-4  # share of the predicted decrease, of Armijo's rule
_GOOD_STEP = 0.05  # of the gradient that is left; more calls for another Hessian


@dataclass(frozen=True)
class _Point:
    """theta (k, m), F, and its gradient (k, m)."""

    theta: NDArray[np.float64]
    value: float
    gradient: NDArray[np.float64]


class SoftmaxFit:
    """The objective of one method over the blocks of a split."""

    def __init__(self, blocks: SplitBlocks, classes: int, l2: float, is_matrix: bool) -> None:
        """``l2`` > 0."""
        self._blocks, self._l2, self._is_matrix = blocks, l2, is_matrix
        unchanged = np.eye(classes) if is_matrix else np.ones((classes, 1))
        self._start = np.hstack([unchanged, np.zeros((classes, 1))])
        products = blocks.rows * self._start.size * self._start.size
        self._every = -(-products // _MOST_PRODUCTS)

    def fit(self) -> Fitted:
        """The scaling, and the bound of F - F*."""
        point = self._at(self._start)
        factor = None
        for _ in range(_MOST_STEPS):
            if self._bound(point) <= CLOSE_ENOUGH:
                break
            is_new = factor is None
            if factor is None:
                factor = self._factor(point.theta)
            following = self._step(point, factor)
            if following is None and is_new:
                break  # of rounding nothing can be gained
            if following is None or _norm2(following.gradient) > _GOOD_STEP * _norm2(point.gradient):
                factor = None
            point = following or point
        weights, bias = point.theta[:, :-1], point.theta[:, -1].copy()
        if self._is_matrix:
            return Fitted(Scaling("matrix", weights.copy(), bias), self._bound(point))
        return Fitted(Scaling("vector", weights[:, 0].copy(), bias), self._bound(point))

    def _bound(self, point: _Point) -> float:
        return _norm2(point.gradient) / (2 * self._l2)

    def _step(self, point: _Point, factor: NDArray[np.float64]) -> _Point | None:
        """Newton's step, halved until F falls by enough; None if it never does."""
        direction = -point.gradient.reshape(1, -1, 1)
        solve(factor, direction)
        solve(factor, direction, transposed=True)
        change = direction.reshape(point.theta.shape)
        slope = _dot(point.gradient, change)
        size = 1.0
        for _ in range(_MOST_HALVINGS):
            following = self._at(point.theta + size * change)
            if following.value < point.value + _SUFFICIENT * size * slope:
                return following
            # Where F no longer tells, its gradient does.
            if following.value == point.value and _norm2(following.gradient) < _norm2(point.gradient):
                return following
            size /= 2
        return None

    def _at(self, theta: NDArray[np.float64]) -> _Point:
        weight = loss = 0.0
        gradient = np.zeros_like(theta)
        for block in self._blocks:
            log_p = log_probabilities(block.logits)
            residuals = self._logits(theta, log_p)
            losses = losses_and_residuals(residuals, block.labels)
            residuals *= block.weights[:, np.newaxis]
            weight += float(long_sum(block.weights, axis=0))
            loss += float(long_sum(block.weights * losses, axis=0))
            gradient[:, -1] += long_sum(residuals, axis=0)
            if self._is_matrix:
                add_stretches(gradient[:, :-1], residuals.T, log_p)
            else:
                gradient[:, 0] += long_sum(residuals * log_p, axis=0)
        away = theta - self._start
        return _Point(theta, loss / weight + self._l2 / 2 * _norm2(away), gradient / weight + self._l2 * away)

    def _logits(self, theta: NDArray[np.float64], log_p: NDArray[np.float64]) -> NDArray[np.float64]:
        if not self._is_matrix:
            logits: NDArray[np.float64] = theta[:, 0] * log_p + theta[:, 1]
            return logits
        result = np.repeat(theta[np.newaxis, :, -1], len(log_p), axis=0)
        add_product(result, log_p, theta[:, :-1].T)
        return result

    def _factor(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """The lower factor (1, km, km) of the Hessian.

        sum omega p_a (delta_ab - p_b) x_a x_b' is that of the first part by itself, a block a class, less A' A with
        rows (sqrt(omega) p_a x_a) of all classes.
        """
        (k, m), weight = theta.shape, 0.0
        blocks, outer = np.zeros((k, m, m)), np.zeros((k * m, k * m))
        for log_p, weights in self._sampled():
            p = self._logits(theta, log_p)
            softmax(p)
            x = self._columns(log_p)
            weighted = p * weights[:, np.newaxis]
            products = (weighted[:, :, np.newaxis] * x).reshape(len(p), k * m)
            add_stretches(outer, products.T, (p[:, :, np.newaxis] * x).reshape(len(p), k * m))
            for label in range(k):
                own = x[:, label if len(x[0]) > 1 else 0]
                add_stretches(blocks[label], np.ascontiguousarray(products[:, label * m : (label + 1) * m]).T, own)
            weight += float(long_sum(weights, axis=0))
        hessian = -outer.reshape(k, m, k, m)
        for label in range(k):
            hessian[label, :, label] += blocks[label]
        matrix = hessian.reshape(k * m, k * m) / weight
        ridge = self._l2
        while True:
            factor = (matrix + ridge * np.eye(k * m))[np.newaxis]
            if not cholesky(factor)[0]:
                return factor
            ridge *= 10  # rounding has made it indefinite

    def _columns(self, log_p: NDArray[np.float64]) -> NDArray[np.float64]:
        """x (n, k, 2), or (n, 1, k + 1) where all classes have the same."""
        if self._is_matrix:
            return np.hstack([log_p, np.ones((len(log_p), 1))])[:, np.newaxis]
        return np.stack([log_p, np.ones_like(log_p)], axis=2)

    def _sampled(self) -> Iterable[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Log-probabilities and weights of every so-manieth row, in pieces that fit the cache."""
        at_once = max(1, _NUMBERS_AT_ONCE // self._start.size)
        for block in self._blocks:
            logits, weights = block.logits[:: self._every], block.weights[:: self._every]
            for start in range(0, len(logits), at_once):
                piece = slice(start, start + at_once)
                yield log_probabilities(np.ascontiguousarray(logits[piece])), np.ascontiguousarray(weights[piece])


def _norm2(x: NDArray[np.float64]) -> float:
    return _dot(x, x)


def _dot(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    return float(long_sum((x * y).ravel(), axis=0))


def fit(blocks: SplitBlocks, classes: int, l2: float, method: str) -> Fitted:
    """Vector or matrix scaling of the blocks."""
    return SoftmaxFit(blocks, classes, l2, method == "matrix").fit()

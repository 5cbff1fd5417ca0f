"""The objective of softmax.py over packed rows: value, gradient, curvature along a direction, each in one pass.

Shapes and theta are those of layout.py. Every sum over rows goes through the int64 grids of sums.py, so no bit depends
on threads. The kernels' precision is chosen pass by pass: float32 on the way, float64 where it decides the last
digits. With v_i the rows' weights and V their sum,

    f(theta) = 1/V sum_i v_i (log sum_j exp z_ij - z_i,y_i) + l2/2 ||W||^2
    G(theta) = 1/V sum_i v_i x_i (p_i - y_i)' + l2 W                             the gradient, b's row without l2
    H[S]     = 1/V sum_i v_i x_i (p_i * (u_i - p_i'u_i))' + l2 S,  u_i = S'x_i    along a direction S, likewise

Source: Bishop 2006, eq. 4.104 to 4.111.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.numerics import kernels
from pipeline.numerics.layout import PackedBlock, Rows
from pipeline.numerics.softmax import Evaluation
from pipeline.numerics.sums import Grid, exact_sums, in_order

# |p - y| <= 1 in exact arithmetic; rounding in the kernels stays far inside a factor of two.
_SAFETY = 2.0


@dataclass(frozen=True)
class Point:
    """f at theta: cost and penalty in nats (f is their sum), gradient (d + 1, k) float64.

    ``least_sure`` is the smallest probability that a row of positive weight gives to its own class; above 1/2 every
    row is classified rightly. ``bias_curvature`` is the (k, k) Hessian of the bias, where it was asked for.
    """

    theta: Tensor
    precision: torch.dtype
    cost: float
    penalty: float
    gradient: Tensor
    least_sure: float
    bias_curvature: Tensor | None = None

    @property
    def objective(self) -> float:
        """f, in nats."""
        return self.cost + self.penalty

    @property
    def evaluation(self) -> Evaluation:
        """The same as W and b."""
        return Evaluation(self.cost, self.penalty, self.gradient[:-1].T.contiguous(), self.gradient[-1].clone())


class CrossEntropy:
    """f over packed rows; ``passes`` counts how often all rows were gone through."""

    def __init__(self, rows: Rows, l2: float) -> None:
        """Choose the grids that do not depend on theta."""
        self.rows = rows
        self.l2 = l2
        self.passes = 0
        self._gradient_grid = Grid(rows.largest * rows.total_weight * _SAFETY)
        self._curvature_grid = Grid(torch.tensor(rows.total_weight * _SAFETY, dtype=torch.float64))

    def evaluate(self, theta: Tensor, precision: torch.dtype, bias_curvature: bool = False) -> Point:
        """Value and gradient at theta."""
        self.passes += 1
        rows = self.rows
        values = kernels.operands(rows, theta, precision)
        least_sure: list[float] = []

        def partials(block: PackedBlock) -> list[Tensor]:
            losses, probabilities = self._losses(block, values, precision)
            least_sure.append(math.exp(-_largest_loss(block, losses)))
            extra = [self._bias_outer(block, probabilities)] if bias_curvature else []
            return [_weighted_sum(block, losses), self._residual_product(block, probabilities), *extra]

        grids = [self._cost_grid(theta), self._gradient_grid, *([self._curvature_grid] if bias_curvature else [])]
        cost, gradient, *curvature = exact_sums(partials, rows.packed, grids, rows.threads)
        weights = theta[:-1]
        gradient /= rows.total_weight
        # p_i - y_i adds up to 0 over the classes; what rounding leaves of it would push all classes along together.
        gradient -= gradient.mean(1, keepdim=True)
        gradient[:-1] += self.l2 * weights
        return Point(
            theta=theta,
            precision=precision,
            cost=cost.item() / rows.total_weight,
            penalty=self.l2 / 2 * float(weights.square().sum()),
            gradient=gradient,
            least_sure=min(least_sure),
            bias_curvature=curvature[0] / rows.total_weight if curvature else None,
        )

    def hessian_product(self, theta: Tensor, direction: Tensor, precision: torch.dtype) -> Tensor:
        """H(theta) times a direction, both (d + 1, k)."""
        self.passes += 1
        rows, dimension = self.rows, self.rows.class_dimension
        if not rows.intercept:
            direction = torch.cat([direction[:-1], torch.zeros_like(direction[-1:])])
        at, along = (
            kernels.operands(rows, theta, precision),
            kernels.operands(rows, direction, precision, padding=0.0),
        )

        def partials(block: PackedBlock) -> list[Tensor]:
            probabilities = kernels.softmax(kernels.logits(block, at, precision), dimension)
            change = kernels.logits(block, along, precision)
            change -= (probabilities * change).sum(dimension, keepdim=True)
            change *= probabilities
            return [self._product(block, change)]

        grid = Grid(rows.largest * rows.total_weight * _SAFETY * (2 * self._reach(direction)).clamp(min=1e-300))
        (total,) = exact_sums(partials, rows.packed, [grid], rows.threads)
        total /= rows.total_weight
        total[:-1] += self.l2 * direction[:-1]
        return total

    def label_means(self) -> Tensor:
        """1/V sum_i v_i (x_i, 1) y_i', (d + 1, k): each class's part of every column."""
        self.passes += 1

        def partials(block: PackedBlock) -> list[Tensor]:
            shape = (block.rows, self.rows.padded_classes) if self.rows.row_major else (self.rows.classes, block.rows)
            labels = torch.zeros(shape, dtype=torch.float64)
            labels.scatter_(self.rows.class_dimension, block.labels, 1.0)
            return [self._product(block, labels)]

        (total,) = exact_sums(partials, self.rows.packed, [self._gradient_grid], self.rows.threads)
        return total / self.rows.total_weight

    def probabilities(self, theta: Tensor) -> Tensor:
        """Of all rows, (n, k) float32; not a pass to count, as it is for samples."""
        rows = self.rows
        values = kernels.operands(rows, theta, torch.float32)

        def of_block(block: PackedBlock) -> Tensor:
            scores = kernels.logits(block, values, torch.float32)
            result = kernels.softmax(scores, rows.class_dimension)
            return result[:, : rows.classes] if rows.row_major else result.T

        return torch.cat(in_order(of_block, rows.packed, rows.threads))

    def _losses(self, block: PackedBlock, values: kernels.Operands, precision: torch.dtype) -> tuple[Tensor, Tensor]:
        scores = kernels.logits(block, values, precision)
        return kernels.losses_and_probabilities(scores, block.labels, self.rows.class_dimension)

    def _residual_product(self, block: PackedBlock, probabilities: Tensor) -> Tensor:
        dimension = self.rows.class_dimension
        minus_one = probabilities.new_full((1, 1), -1.0).expand(block.labels.shape)
        return self._product(block, probabilities.scatter_add_(dimension, block.labels, minus_one))

    def _product(self, block: PackedBlock, residuals: Tensor) -> Tensor:
        """The weighted transposed product; changes the residuals."""
        if block.weights is not None:
            residuals *= block.weights.to(residuals.dtype)
        return kernels.transposed_product(self.rows, block, residuals)

    def _bias_outer(self, block: PackedBlock, probabilities: Tensor) -> Tensor:
        """sum_i v_i (diag(p_i) - p_i p_i'), (k, k) float64."""
        by_row = probabilities if self.rows.row_major else probabilities.T
        by_row = by_row[:, : self.rows.classes]
        weighted = by_row if block.weights is None else by_row * block.weights.reshape(-1, 1).to(by_row.dtype)
        return (torch.diag(weighted.sum(0)) - weighted.T @ by_row).to(torch.float64)

    def _reach(self, theta: Tensor) -> Tensor:
        """The largest logit that any row can have."""
        return (theta.abs() * self.rows.largest).sum(0).max()

    def _cost_grid(self, theta: Tensor) -> Grid:
        return Grid((2 * self._reach(theta) + math.log(self.rows.classes)) * self.rows.total_weight * _SAFETY + 1e-300)


def _weighted_sum(block: PackedBlock, losses: Tensor) -> Tensor:
    if block.weights is None:
        return losses.sum(dtype=torch.float64)
    return (losses.to(torch.float64) * block.weights).sum()


def _largest_loss(block: PackedBlock, losses: Tensor) -> float:
    counted = losses if block.weights is None else losses * (block.weights > 0)
    return max(0.0, float(counted.max()))

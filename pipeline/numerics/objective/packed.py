"""The objective of objective/plain.py over packed rows: value, gradient, curvature along a direction, each in one pass.

Shapes and theta are those of data/layout.py. Every sum over rows goes through the int64 grids of exact/sums.py, so no
bit depends on threads. The kernels' precision is chosen pass by pass: float32 on the way, float64 where it decides the
last digits. With v_i the rows' weights and V their sum,

    f(theta) = 1/V sum_i v_i (log sum_j exp z_ij - z_i,y_i) + l2/2 ||W||^2
    G(theta) = 1/V sum_i v_i x_i (p_i - y_i)' + l2 W                             the gradient, b's row without l2
    H[S]     = 1/V sum_i v_i x_i (p_i * (u_i - p_i'u_i))' + l2 S,  u_i = S'x_i    along a direction S, likewise

Source: Bishop 2006, eq. 4.104 to 4.111.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pipeline.numerics.data.layout import PackedBlock, Rows
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.sums import Grid, exact_sums, in_order
from pipeline.numerics.objective import products, softmax
from pipeline.numerics.objective.evaluation import PassStatistics, Point
from pipeline.numerics.objective.plain import SAFETY
from pipeline.parallel import workers

PROBABILITY_BYTES = 1 << 30  # of probabilities, beside a Hessian; the rest is computed anew in every product
# k up to which a certificate's pass adds up the bias's Hessian: beyond, its n k^2 multiplications cost more than all
# else in the pass (with 50,000 rows of 20 columns and 1,000 classes three such passes took a third of the training).
_MOST_OUTER = 256


class PackedObjective:
    """f over packed rows; ``passes`` counts how often all rows were gone through."""

    def __init__(self, rows: Rows, l2: float) -> None:
        """Choose the grids that do not depend on theta."""
        self.rows = rows
        self.l2 = l2
        self.passes = 0
        self._label_means: Tensor | None = None
        self._gradient_grid = Grid(rows.largest * rows.total_weight * SAFETY)
        self._curvature_grid = Grid(torch.tensor(rows.total_weight * SAFETY, dtype=torch.float64))

    def on_processor(self) -> "PackedObjective":
        """The same objective, with rows for the processor's threads."""
        rows = self.rows.on_processor()
        return self if rows is self.rows else PackedObjective(rows, self.l2)

    def loss_gradient(self, theta: Tensor, precision: torch.dtype, statistics: bool = False) -> Point:
        """Value and gradient at theta, and the ``statistics`` for a certificate."""
        self.passes += 1
        rows = self.rows
        values = products.operands(rows, theta, precision)
        outer = statistics and rows.classes <= _MOST_OUTER
        means = statistics and self._label_means is None  # of the data alone, so only once
        smallest: list[float] = []

        def partials(block: PackedBlock) -> list[Tensor]:
            scores = products.logits(block, values, precision)
            losses, residuals = softmax.losses_and_residuals(rows, scores, block.labels)
            smallest.append(portable.exp_of(-_largest_loss(block, losses)))
            extra = [self._bias_outer(block, residuals)] if outer else []
            extra += [self._label_product(block)] if means else []
            return [_weighted_sum(block, losses), self._product(block, residuals), *extra]

        def grids() -> list[Grid]:
            largest_cost = 2 * self._reach(theta) + portable.log_of(rows.classes)
            cost_grid = Grid(largest_cost * rows.total_weight * SAFETY + 1e-300)
            extra = [self._curvature_grid] * outer + [self._gradient_grid] * means
            return [cost_grid, self._gradient_grid, *extra]

        cost, gradient, *extra = exact_sums(partials, rows.packed, grids, rows.threads)
        if means:
            self._label_means = extra.pop() / rows.total_weight
        weights = theta[:-1]
        gradient = gradient / rows.total_weight
        # p_i - y_i adds up to 0 over the classes; what rounding leaves of it would push all classes along together.
        gradient -= portable.mean(gradient, 1, keepdim=True)
        gradient[:-1] += self.l2 * weights
        return Point(
            theta=theta,
            precision=precision,
            cost=cost.item() / rows.total_weight,
            penalty=self.l2 / 2 * portable.dot(weights, weights),
            gradient=gradient,
            min_true_probability=self._least(smallest),
            statistics=PassStatistics(extra[0] / rows.total_weight if outer else None, self.label_means())
            if statistics
            else None,
        )

    def _least(self, values: Sequence[float]) -> float:
        """The smallest of all workers' values."""
        if len(self.rows.packed) == 1:
            return min(values)
        return float(workers.all_gather(torch.tensor(min(values, default=math.inf), dtype=torch.float64)).min())

    def hessian_product(
        self, theta: Tensor, precision: torch.dtype, memory: int = PROBABILITY_BYTES
    ) -> Callable[[Tensor], Tensor]:
        """H(theta), as what it makes of a direction; both (d + 1, k). Every call is a pass.

        Holds one number a row and class, so that no call computes the probabilities again: of the first blocks, as many
        as fit into ``memory`` bytes; of none where rows do not stay. The result's bits do not depend on it.
        """
        rows = self.rows
        width = 1 if rows.one_logit else rows.padded_classes
        share = memory / (rows.count * width * precision.itemsize) if rows.stays else 0.0
        stored_blocks = int(min(1.0, share) * len(rows.packed))
        at, stored = products.operands(rows, theta, precision), dict[int, Tensor]()
        positions = range(len(rows.packed))  # a worker packs its own blocks only

        def product(direction: Tensor) -> Tensor:
            self.passes += 1
            if not rows.intercept:
                direction = torch.cat([direction[:-1], torch.zeros_like(direction[-1:])])
            along = products.operands(rows, direction, precision, padding=0.0)

            def grids() -> list[Grid]:
                reach = (2 * self._reach(direction)).clamp(min=1e-300)
                return [Grid(rows.largest * rows.total_weight * SAFETY * reach)]

            def partials(position: int) -> list[Tensor]:
                block = rows.packed[position]
                weights = stored.get(position)
                if weights is None:
                    weights = softmax.curvature_weights(rows, products.logits(block, at, precision))
                    if position < stored_blocks:
                        stored[position] = weights
                change = products.logits(block, along, precision)
                return [self._product(block, softmax.change_of_probabilities(rows, weights, change))]

            (total,) = exact_sums(partials, positions, grids, rows.threads)
            image = total / rows.total_weight
            image[:-1] += self.l2 * direction[:-1]
            return image

        return product

    @property
    def knows_label_means(self) -> bool:
        """Whether ``label_means`` takes no pass."""
        return self._label_means is not None

    def label_means(self) -> Tensor:
        """1/V sum_i v_i (x_i, 1) y_i', (d + 1, k): each class's part of every column; a pass when first asked for."""
        if self._label_means is None:
            self.passes += 1
            (total,) = exact_sums(
                lambda block: [self._label_product(block)],
                self.rows.packed,
                lambda: [self._gradient_grid],
                self.rows.threads,
            )
            self._label_means = total / self.rows.total_weight
        return self._label_means

    def probabilities(self, theta: Tensor) -> Tensor:
        """Of all rows, (k, n) float32, in memory of its own; not a pass to count, as it is for samples."""
        parts = in_order(self.probabilities_of_block(theta), self.rows.packed, self.rows.threads)
        return torch.cat([part.T for part in parts], 1)

    def probabilities_of_block(self, theta: Tensor) -> Callable[[PackedBlock], Tensor]:
        """A function that gives those of a block's rows, (n, k) float32."""
        rows = self.rows
        values = products.operands(rows, theta, torch.float32)

        def of_block(block: PackedBlock) -> Tensor:
            scores = products.logits(block, values, torch.float32)
            result = softmax.probabilities(rows, scores)
            return result[:, : rows.classes] if rows.row_major else result.T

        return of_block

    def _label_product(self, block: PackedBlock) -> Tensor:
        """sum_i v_i (x_i, 1) y_i', (d + 1, k) float64."""
        rows = self.rows
        if rows.one_logit:
            second = block.labels.to(torch.float64)
            both = [self._product(block, part)[:, 1] for part in (1 - second, second)]
            return torch.stack(both, 1)
        shape = (block.rows, rows.padded_classes) if rows.row_major else (rows.classes, block.rows)
        labels = torch.zeros(shape, dtype=torch.float64, device=rows.device)
        return self._product(block, labels.scatter_(rows.class_dimension, block.labels, 1.0))

    def _product(self, block: PackedBlock, residuals: Tensor) -> Tensor:
        """The weighted transposed product; changes the residuals."""
        if block.weights is not None:
            residuals *= block.weights.to(residuals.dtype)
        return products.transposed_product(self.rows, block, residuals)

    def _bias_outer(self, block: PackedBlock, residuals: Tensor) -> Tensor:
        """sum_i v_i (diag(p_i) - p_i p_i'), (k, k) float64; rows add up to 0, which gives the diagonal."""
        by_row = self._probabilities_of(block, residuals)
        weighted = by_row if block.weights is None else by_row * block.weights.reshape(-1, 1).to(by_row.dtype)
        result = portable.long_matmul(weighted.T, by_row).neg_().fill_diagonal_(0.0)
        return result - torch.diag(portable.total(result, 1))

    def _probabilities_of(self, block: PackedBlock, residuals: Tensor) -> Tensor:
        """p from p - y, (n, k)."""
        rows = self.rows
        if rows.one_logit:
            labels = block.labels.to(residuals.dtype)
            return torch.cat([(1 - labels) - residuals, labels + residuals]).T
        one = residuals.new_ones(1, 1).expand(block.labels.shape)
        restored = residuals.scatter_add(rows.class_dimension, block.labels, one)
        return restored[:, : rows.classes] if rows.row_major else restored.T

    def _reach(self, theta: Tensor) -> Tensor:
        """The largest logit that any row can have."""
        return portable.total(theta.abs() * self.rows.largest, 0).max()


def _weighted_sum(block: PackedBlock, losses: Tensor) -> Tensor:
    weighted = losses.to(torch.float64)
    return portable.total(weighted if block.weights is None else weighted * block.weights.reshape(-1))


def _largest_loss(block: PackedBlock, losses: Tensor) -> float:
    counted = losses if block.weights is None else losses * (block.weights.reshape(-1) > 0)
    return max(0.0, float(counted.max()))

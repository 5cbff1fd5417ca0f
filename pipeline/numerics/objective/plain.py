"""The model: softmax regression over blocks of rows, its cost and gradient.

n rows, p number columns, c category columns, d columns of W (p numbers, then every category's levels), k classes.
A row's logits are z = W x + b, its probabilities softmax(z). A category column is one code a row: its product with W
is a look-up of a column of W, its transposed product a scatter-add, so no one-hot column is ever stored.

Objective, in nats, with row weights v_i and V their sum (class weights times sample weights; all 1 where neither is
given):

    f(W, b) = 1/V * sum_i v_i * (log sum_j exp z_ij - z_i,y_i)  +  l2/2 * ||W||^2

b is not penalised. scikit-learn's C is 1 / (V * l2), for two classes 2 / (V * l2): there it penalises one vector, the
difference w of the two of W, whose penalty here is l2/4 * ||w||^2. Source: Bishop 2006, eq. 4.104 to 4.109.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.numerics.data.block import PROCESSOR, Block, Parameters, extent
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.sums import Grid, exact_sums
from pipeline.numerics.objective import products
from pipeline.numerics.objective.evaluation import Evaluation

# |p - y| <= 1 in exact arithmetic; rounding in the kernels stays far inside a factor of two.
SAFETY = 2.0


def logits(block: Block, parameters: Parameters, precision: torch.dtype) -> Tensor:
    """z = W x + b, shape (n, k), in ``precision``."""
    number_count = block.numbers.shape[1]
    weights = parameters.weights.to(precision)
    result = parameters.bias.to(precision).expand(len(block.labels), -1).clone(memory_format=torch.contiguous_format)
    portable.add_matmul(result, block.numbers.to(precision), weights[:, :number_count].T)
    if block.codes.shape[1]:
        result += portable.levels_sum(block.codes.to(torch.int32), weights.T.contiguous())
    return result


class PlainObjective:
    """f over fixed blocks, every sum over rows exact and order-free.

    ``precision`` is the kernels' (torch.float32 or torch.float64); sums, parameters and results are float64.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        columns: int,
        l2: float,
        threads: int,
        precision: torch.dtype,
        intercept: bool = True,
        device: torch.device = PROCESSOR,
    ) -> None:
        """Take the blocks (at least one) and learn the grids' bounds; without ``intercept`` b has gradient 0.

        The blocks lie in the memory of ``device``; parameters and results stay with the processor.

        Raises: OverflowError if a number in the blocks is NaN or infinite.
        """
        self._blocks = blocks
        self._device = device
        self._columns = columns
        self._l2 = l2
        self._threads = threads
        self._precision = precision
        self._intercept = intercept
        self.total_weight, largest = extent(blocks)
        self._largest = torch.ones(columns, dtype=torch.float64)  # of a category's levels
        self._largest[: len(largest)] = largest
        bound = self.total_weight * SAFETY
        self._weights_grid = Grid(bound * self._largest)
        self._bias_grid = Grid(torch.tensor(bound, dtype=torch.float64))

    def in_float64(self) -> "PlainObjective":
        """The same objective of the same blocks, with kernels in float64."""
        exact = copy.copy(self)
        exact._precision = torch.float64
        return exact

    def loss(self, parameters: Parameters) -> float:
        """Mean cross-entropy in nats, without the penalty."""
        placed = parameters.to(self._device)
        (total,) = exact_sums(
            lambda block: [self._cost_and_residuals(block, placed)[0]],
            self._blocks,
            lambda: [self._cost_grid(parameters)],
            self._threads,
        )
        return total.item() / self.total_weight

    def loss_gradient(self, parameters: Parameters) -> Evaluation:
        """Cost and gradient in one pass over the blocks."""
        placed = parameters.to(self._device)
        cost, weights_gradient, bias_gradient = exact_sums(
            lambda block: self._partials(block, placed),
            self._blocks,
            lambda: [self._cost_grid(parameters), self._weights_grid, self._bias_grid],
            self._threads,
        )
        return Evaluation(
            cost=cost.item() / self.total_weight,
            penalty=self._l2 / 2 * portable.dot(parameters.weights, parameters.weights),
            weights_gradient=weights_gradient / self.total_weight + self._l2 * parameters.weights,
            bias_gradient=bias_gradient / self.total_weight * self._intercept,
        )

    def _cost_grid(self, parameters: Parameters) -> Grid:
        reach = portable.total(parameters.weights.abs() * self._largest, 1) + parameters.bias.abs()
        classes = len(parameters.bias)
        return Grid((2 * reach.max() + portable.log_of(classes)) * self.total_weight * SAFETY)

    def _cost_and_residuals(self, block: Block, parameters: Parameters) -> tuple[Tensor, Tensor]:
        """The block's weighted cost () and p - y (n, k)."""
        residuals = logits(block, parameters, self._precision)
        losses = portable.losses_and_residuals_(residuals, block.labels, 1).to(torch.float64)
        if block.weights is not None:
            losses *= block.weights
        return portable.total(losses), residuals

    def _partials(self, block: Block, parameters: Parameters) -> list[Tensor]:
        cost, residuals = self._cost_and_residuals(block, parameters)
        if block.weights is not None:
            residuals *= block.weights[:, None]
        return [cost, self._transposed_product(block, residuals), portable.long_total(residuals, 0)]

    def _transposed_product(self, block: Block, residuals: Tensor) -> Tensor:
        """sum_i r_i x_i', shape (k, d) float64: a product for the numbers, a scatter-add for the codes."""
        number_count = block.numbers.shape[1]
        result = portable.long_matmul(block.numbers.to(residuals.dtype).T, residuals)
        if number_count == self._columns:
            return result.T
        by_level = products.sum_by_code(block.codes - number_count, residuals, self._columns - number_count)
        return torch.cat([result, by_level]).T

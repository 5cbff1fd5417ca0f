"""The Hessian of the objective over some columns of W and b, all classes, dense and in float64.

m rows, k classes, e columns with b as the last. Shape (e k, e k), in the order of theta[columns + b].flatten(). Blocks
of classes i < j are added up as X' diag(p_i p_j) X; probabilities add up to 1, so a diagonal block is minus the sum of
the others in its row, and the matrix is positive semidefinite up to rounding. arrowhead.py has the float32
factor of the same matrix over all columns; an l1 penalty needs the matrix itself, over few columns.
"""

import torch
from torch import Tensor

from pipeline.numerics.data.block import Block
from pipeline.numerics.data.centring import Centre
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.roots import square_root
from pipeline.numerics.exact.sums import Grid, exact_sums
from pipeline.numerics.objective import products
from pipeline.numerics.objective.packed import PackedObjective

_TILE_ROWS = 512  # scaled copies of the rows stay in a core's cache


def over(objective: PackedObjective, theta: Tensor, columns: Tensor, centre: Centre) -> Tensor:
    """The Hessian at theta, l2 included, in the unknowns (W, b') of ``centre``.

    ``columns`` (e - 1,) int64 are ascending columns of W.
    """
    rows, k = objective.rows, objective.rows.classes
    probabilities = objective.probabilities_of_block(theta)

    def partials(place: int) -> list[Tensor]:
        block, p = rows.blocks[place], probabilities(rows.packed[place]).to(torch.float64).contiguous()
        return [_pairs(with_one(block, columns, rows.intercept, centre.means), p, block.weights)]

    largest = rows.largest.clone()
    largest[: rows.numbers] += centre.means.abs()
    largest = largest[torch.cat([columns, torch.tensor([rows.columns])])].repeat(k, 1)
    grid = Grid(2 * rows.total_weight * largest * largest.T + 1e-300)
    (sums,) = exact_sums(partials, range(len(rows.packed)), lambda: [grid], rows.threads)
    return _assembled(sums / rows.total_weight, k, objective.l2)


def _pairs(x: Tensor, probabilities: Tensor, weights: Tensor | None) -> Tensor:
    """sum_i v_i p_i p_i' (x) x_i x_i' of classes i < j, (k e, k e), class by class; 0 elsewhere."""
    k, width = probabilities.shape[1], x.shape[1]
    result = x.new_zeros(k * width, k * width)
    if weights is not None:
        probabilities = probabilities * square_root(weights)[:, None]
    for tile, p in zip(torch.split(x, _TILE_ROWS), torch.split(probabilities, _TILE_ROWS), strict=True):
        scaled = (p[:, :, None] * tile[:, None, :]).view(len(tile), -1)
        for first in range(0, (k - 1) * width, width):
            last = first + width
            portable.add_matmul(result[first:last, last:], scaled[:, first:last].T, scaled[:, last:])
    return result


def with_one(block: Block, columns: Tensor, intercept: bool, means: Tensor | None = None) -> Tensor:
    """(x_i, 1) of the wanted columns, (m, e) float64, less ``means`` (p, 1); 0 in place of 1 without an intercept."""
    numbers = block.numbers.shape[1]
    is_number = columns < numbers
    levels = columns[~is_number]
    one_hot = torch.zeros(len(block.labels), len(levels), dtype=torch.float64)
    for codes in block.codes.unbind(1):
        one_hot += codes[:, None] == levels
    chosen = block.numbers[:, columns[is_number]].to(torch.float64)
    if means is not None:
        chosen -= means[columns[is_number], 0]
    return products.with_constant(chosen, one_hot, constant=float(intercept))


def _assembled(sums: Tensor, classes: int, l2: float) -> Tensor:
    """The matrix from the sums of pairs of classes i < j, column by column."""
    width = len(sums) // classes
    pairs = -(sums + sums.T).view(classes, width, classes, width)
    own = torch.arange(classes)
    pairs[own, :, own] = -portable.total(pairs, 2)
    matrix = pairs.permute(1, 0, 3, 2).reshape(width * classes, width * classes)
    matrix.diagonal()[: (width - 1) * classes].add_(l2)
    return matrix

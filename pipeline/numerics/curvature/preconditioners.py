"""Cheap stand-ins for the Hessian, where its Cholesky factor would be too large. Shapes are those of data/layout.py.

Each is built at a theta and gives H0^-1 g for the start of an L-BFGS recursion; none needs to be exact.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from pipeline.numerics.curvature import pair_sums
from pipeline.numerics.curvature.arrowhead import cholesky, ridge
from pipeline.numerics.data.block import row_weights
from pipeline.numerics.data.centring import Preconditioner
from pipeline.numerics.data.layout import PackedBlock, Rows
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.sums import Grid, exact_sums, in_order, on_one_thread, scattered_sums
from pipeline.numerics.objective import products, softmax
from pipeline.numerics.objective.packed import PackedObjective

_RIDGE = 1e-7  # of a column's own curvature: float32 products leave that much
_FLOAT32_RIDGE = 1e-5  # l2 as a share of a column's own curvature from which float32 can hold an inverse
_GRAM_ROWS = 128
# Pairs of columns up to which a row's products of two are made once for all classes. 5,000 classes and 10 columns: one
# product a block in place of 5,000, and half of the multiplications.
_FEW_PAIRS = 256
_LIGHT, _WORTH_CHOOSING = 0.1, 0.7


class PreconditionerBuilder(Protocol):
    """Builds a preconditioner at any theta."""

    def factor(self, theta: Tensor, mix: float = 0.0) -> Preconditioner:
        """H0 at theta; ``mix`` is arrowhead.py's."""


@dataclass(frozen=True)
class ByClass:
    """The diagonal blocks of the Hessian: for each class X' diag(p (1 - p)) X, k Cholesky factors of (d + 1)^2.

    Without categories only.
    """

    objective: PackedObjective

    def factor(self, theta: Tensor, mix: float = 0.0) -> Preconditioner:
        """The k factors at theta."""
        rows = self.objective.rows
        values = products.operands(rows, theta, torch.float32)
        alike = not mix and not bool(theta.any())  # all probabilities are 1 / k

        def variances_of(block: PackedBlock) -> Tensor:
            probabilities = softmax.probabilities(rows, products.logits(block, values, torch.float32))
            softmax.mix_in_labels(probabilities, block.labels, mix)
            variances = softmax.class_variances(probabilities, block.weights)
            return variances[:1] if alike else variances

        if pair_sums.count(rows.columns + 1) <= _FEW_PAIRS and not alike:
            inverses = [self._inverse(self._grams(variances_of))]
        else:
            inverses = self._alone(variances_of) if len(rows.packed) == 1 else self._summed(variances_of)
        # float32, as a stand-in needs no more digits, and a product with it reads half the memory; but where a block's
        # smallest eigenvalue may be below float32's share of the largest, its inverse would no longer be positive.
        width = rows.columns + 1
        inverse = torch.cat([inverse.view(-1, width, width) for inverse, _ in inverses])
        if all(well_conditioned for _, well_conditioned in inverses):
            inverse = inverse.to(torch.float32)
        return rows.centre.uncentred(_ByClassFactor(inverse.expand(rows.classes, -1, -1)))

    def _grams(self, variances_of: Callable[[PackedBlock], Tensor]) -> Tensor:
        """Of few columns: all classes' sums in one product, their weights (k, n) with all pairs of columns (n, E)."""
        rows, width = self.objective.rows, self.objective.rows.columns + 1
        first, second = torch.triu_indices(width, width)

        def partials(block: PackedBlock) -> list[Tensor]:
            x = _with_one(rows, block)
            return [portable.long_matmul(variances_of(block), x[:, first] * x[:, second])]

        grid = Grid(2 * rows.total_weight * pair_sums.bounds(rows.centre.largest[:, 0]) + 1e-300)
        (sums,) = exact_sums(partials, rows.packed, lambda: [grid], rows.threads)
        grams = sums.new_empty(len(sums), width, width)
        grams[:, first, second] = sums
        grams[:, second, first] = sums
        return grams

    def _alone(self, variances_of: Callable[[PackedBlock], Tensor]) -> list[tuple[Tensor, bool]]:
        """Of a block that is all rows: it is its own sum and needs no grid."""
        (block,) = self.objective.rows.packed

        def work() -> list[tuple[Tensor, bool]]:
            x = _with_one(self.objective.rows, block)
            return [self._inverse(_gram(x, of_class)) for of_class in variances_of(block)]

        return on_one_thread(work)

    def _summed(self, variances_of: Callable[[PackedBlock], Tensor]) -> list[tuple[Tensor, bool]]:
        rows = self.objective.rows

        def partials(block: PackedBlock) -> list[Tensor]:
            x = _with_one(rows, block)
            return [torch.stack([_gram(x, of_class) for of_class in variances_of(block)])]

        grid = Grid(rows.total_weight * rows.centre.largest * rows.centre.largest.T)
        (grams,) = exact_sums(partials, rows.packed, lambda: [grid], rows.threads)
        return in_order(self._inverse, list(grams), rows.threads)

    def _inverse(self, gram: Tensor) -> tuple[Tensor, bool]:
        """Of gram / V + l2, (..., d + 1, d + 1), and whether float32 can hold it.

        A product takes a tenth of triangular solves' time.
        """
        l2, block = self.objective.l2, gram / self.objective.rows.total_weight
        diagonal = block.diagonal(dim1=-2, dim2=-1)
        well_conditioned = bool((l2 >= _FLOAT32_RIDGE * diagonal[..., :-1]).all())
        diagonal.add_(ridge(diagonal, _RIDGE))
        diagonal[..., :-1].add_(l2)
        return portable.cholesky_inverse(cholesky(block)), well_conditioned


@dataclass(frozen=True)
class _ByClassFactor:
    inverse: Tensor

    def solve(self, gradient: Tensor) -> Tensor:
        # Rows times matrices, from the left: symmetric, and a sixth of the time of matrices times columns.
        rows = gradient.T.to(self.inverse.dtype, memory_format=torch.contiguous_format)[:, None, :]
        return portable.bmm(rows, self.inverse)[:, 0, :].T.to(torch.float64)


def _gram(x: Tensor, weights: Tensor) -> Tensor:
    """About sum_i v_i x_i x_i', (d + 1, d + 1) float64 of float32 products.

    Most rows of a class that is told apart well have next to no weight. They are left out, a tenth of the sum of all
    weights at most.
    """
    (heavy,) = torch.nonzero(weights > _LIGHT * portable.mean(weights), as_tuple=True)
    if len(heavy) < _WORTH_CHOOSING * len(x):
        x, weights = x.index_select(0, heavy), weights.index_select(0, heavy)
    weighted = torch.mul(x, weights[:, None], out=products.buffer("weighted", x.shape, x.dtype))
    return portable.long_matmul(weighted.T, x)


class Kronecker:
    """One matrix for the classes, one for the columns: mean (diag p - p p') (x) X'X / n.

    The columns' matrix is shrunk towards its diagonal, as much as a sample's noise asks for: of a sample with 8 rows a
    column, the eigenvalues of independent columns spread by a factor of 4, which L-BFGS would have to learn.
    Without categories only. Sources: the bound of Böhning 1992, "Multinomial logistic regression algorithm", with the
    classes' own matrix in place of (I - 1 1'/k) / 2; Ledoit and Wolf 2004, "A well-conditioned estimator".
    """

    def __init__(self, objective: PackedObjective) -> None:
        """Add up X'X once."""
        self._objective = objective
        rows = objective.rows
        self._centre = rows.centre

        # A few rows of X'X at a time, and one step a row: an entry's own step, or the way of all of X'X from float32 to
        # int64, would take the memory of several such matrices a thread.
        tiles = [slice(first, first + _GRAM_ROWS) for first in range(0, rows.columns + 1, _GRAM_ROWS)]
        bound = rows.total_weight * 2 * rows.centre.largest * rows.centre.largest.max()
        grids = [Grid(bound[tile]) for tile in tiles]

        def scatter(block: PackedBlock, totals: Sequence[Tensor]) -> None:
            x = _with_one(rows, block)
            weighted = x if block.weights is None else x * block.weights.reshape(-1, 1).to(x.dtype)
            for tile, grid, total in zip(tiles, grids, totals, strict=True):
                total.add_(grid.quantise(portable.long_matmul(weighted[:, tile].T, x)))

        shapes = [(len(bound[tile]), rows.columns + 1) for tile in tiles]
        gram = torch.cat(scattered_sums(scatter, rows.packed, shapes, grids, rows.threads))
        # Tiles are symmetric to float32's rounding only. All in place: another copy of X'X is memory at the peak.
        gram += gram.T.clone()
        gram /= 2 * rows.total_weight
        _shrink(rows, gram)
        self._gram = gram

    def factor(self, theta: Tensor, mix: float = 0.0) -> Preconditioner:
        """The factor at theta."""
        rows, k = self._objective.rows, self._objective.rows.classes
        values = products.operands(rows, theta, torch.float32)

        def partials(block: PackedBlock) -> list[Tensor]:
            probabilities = softmax.probabilities(rows, products.logits(block, values, torch.float32))
            softmax.mix_in_labels(probabilities, block.labels, mix)
            weighted = probabilities if block.weights is None else probabilities * block.weights.to(torch.float32)
            own = portable.long_total(weighted, 1)
            return [torch.diag(own) - portable.long_matmul(weighted, probabilities.T)]

        grid = Grid(torch.tensor(2 * rows.total_weight, dtype=torch.float64))
        (spread,) = exact_sums(partials, rows.packed, lambda: [grid], rows.threads)
        spread = (spread + spread.T) / (2 * rows.total_weight)
        size = float(portable.mean(spread.diagonal()))
        spread += size * (1.0 / k + 1e-3 * torch.eye(k, dtype=torch.float64))  # it is singular along 1 (b's free shift)
        matrix = self._gram.clone()
        matrix.diagonal().add_(self._objective.l2 / size + ridge(self._gram.diagonal(), _RIDGE))
        return self._centre.uncentred(_KroneckerFactor(cholesky(spread), cholesky(matrix)))


def _shrink(rows: Rows, gram: Tensor) -> None:
    """Make gram (1 - s) gram + s diag(gram).

    s is the share of the squares beside the diagonal that a sample's noise explains.

    Measured on columns scaled to mean square 1, u_i: the noise of gram's entries adds up to sum_i v_i^2 |u_i|^4 / V^2.
    """
    lengths = torch.where(gram.diagonal() > 0, gram.diagonal(), torch.inf)  # a column of zeros has no part

    def partials(block: PackedBlock) -> list[Tensor]:
        shares = (torch.ones_like(lengths) / lengths).to(torch.float32)  # 1 / x is torch's reciprocal
        squares = portable.matmul(_with_one(rows, block).square(), shares).to(torch.float64)
        weighted = squares if block.weights is None else squares * block.weights.reshape(-1)
        return [portable.total(weighted.square())]

    reach = rows.total_weight * float(portable.total(rows.centre.largest[:, 0].square() / lengths))
    (noise,) = exact_sums(partials, rows.packed, lambda: [Grid(torch.tensor(2 * reach * reach))], rows.threads)
    beside = float(portable.total(gram.square().div_(lengths).div_(lengths[:, None]))) - len(gram)
    share = min(1.0, float(noise) / rows.total_weight / rows.total_weight / beside) if beside > 0 else 0.0
    diagonal = gram.diagonal().clone()
    gram *= 1 - share
    gram.diagonal().copy_(diagonal)


@dataclass(frozen=True)
class _KroneckerFactor:
    classes: Tensor
    columns: Tensor

    def solve(self, gradient: Tensor) -> Tensor:
        return portable.cholesky_solve(portable.cholesky_solve(gradient, self.columns).T, self.classes).T


class Diagonal:
    """Each column's mean square times (1 - 1/k) / k, the curvature where all classes are equally likely."""

    def __init__(self, objective: PackedObjective) -> None:
        """Add up the squares once."""
        rows = objective.rows
        self._centre = rows.centre

        def partials(block: PackedBlock) -> list[Tensor]:
            weights = row_weights(block.weights, block.rows)[:, None]
            squares = torch.ones(rows.columns + 1, 1, dtype=torch.float64)
            numbers = rows.centre.centred(block.numbers).to(torch.float64)
            squares[: rows.numbers] = portable.long_matmul(numbers.square().T, weights)
            if rows.levels:
                squares[rows.numbers : -1] = products.by_level(rows, block, weights)
            squares[-1] = portable.total(weights)
            return [squares]

        grid = Grid(rows.total_weight * 2 * rows.centre.largest.square())
        (squares,) = exact_sums(partials, rows.packed, lambda: [grid], rows.threads)
        classes = rows.classes
        curvature = squares / rows.total_weight * (1 - 1 / classes) / classes
        self._curvature = curvature + objective.l2 + ridge(curvature.T, _RIDGE).T

    def factor(self, theta: Tensor, mix: float = 0.0) -> Preconditioner:  # noqa: ARG002  (the same everywhere)
        """The diagonal."""
        return self._centre.uncentred(_DiagonalFactor(self._curvature))


@dataclass(frozen=True)
class _DiagonalFactor:
    curvature: Tensor

    def solve(self, gradient: Tensor) -> Tensor:
        return gradient / self.curvature


def _with_one(rows: Rows, block: PackedBlock) -> Tensor:
    """(x'_i, 1), (n, d + 1) float32."""
    return products.with_constant(rows.centre.centred(block.numbers), constant=float(rows.intercept))

"""Cheap stand-ins for the Hessian, where its Cholesky factor would be too large. Shapes are those of layout.py.

Each is built at a theta and gives H0^-1 g for the start of an L-BFGS recursion; none needs to be exact.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from pipeline.numerics import kernels
from pipeline.numerics.cross_entropy import CrossEntropy
from pipeline.numerics.layout import PackedBlock, Rows
from pipeline.numerics.sums import Grid, exact_sums

_RIDGE = 1e-7  # of the mean diagonal: float32 products leave that much


class Factor(Protocol):
    """A symmetric positive definite H0."""

    def solve(self, gradient: Tensor) -> Tensor:
        """H0^-1 g, both (d + 1, k) float64."""


class Scaling(Protocol):
    """What builds a ``Factor``."""

    def factor(self, theta: Tensor, mix: float = 0.0) -> Factor:
        """H0 at theta; ``mix`` is curvature.py's."""


@dataclass(frozen=True)
class ByClass:
    """The diagonal blocks of the Hessian: for each class X' diag(p (1 - p)) X, k Cholesky factors of (d + 1)^2.

    Without categories only.
    """

    objective: CrossEntropy

    def factor(self, theta: Tensor, mix: float = 0.0) -> Factor:
        """The k factors at theta."""
        rows = self.objective.rows
        values = kernels.operands(rows, theta, torch.float32)

        def partials(block: PackedBlock) -> list[Tensor]:
            spread = _spread(block, kernels.softmax(kernels.logits(block, values, torch.float32), 0), mix)
            x = _with_one(rows, block)
            return [torch.stack([(x * of_class[:, None]).T @ x for of_class in spread]).to(torch.float64)]

        grid = Grid(rows.total_weight * rows.largest * rows.largest.T)
        (blocks,) = exact_sums(partials, rows.packed, [grid], rows.threads)
        blocks /= rows.total_weight
        ridge = self.objective.l2 + _RIDGE * blocks.diagonal(dim1=1, dim2=2).mean(1, keepdim=True)
        blocks.diagonal(dim1=1, dim2=2).add_(ridge)
        return _ByClassFactor(torch.linalg.cholesky(blocks))


@dataclass(frozen=True)
class _ByClassFactor:
    factors: Tensor

    def solve(self, gradient: Tensor) -> Tensor:
        return torch.cholesky_solve(gradient.T[:, :, None], self.factors)[:, :, 0].T


class Kronecker:
    """One Gram matrix for all classes, each with its mean of p (1 - p): diag(c) (x) (X'X / n + l2 / mean c).

    Without categories only. Source: the bound of Böhning 1992, "Multinomial logistic regression algorithm", with the
    classes' own scales in place of 1/2.
    """

    def __init__(self, objective: CrossEntropy) -> None:
        """Add up X'X once."""
        self._objective = objective
        rows = objective.rows

        def partials(block: PackedBlock) -> list[Tensor]:
            x = _with_one(rows, block)
            weighted = x if block.weights is None else x * block.weights.reshape(-1, 1).to(x.dtype)
            return [(weighted.T @ x).to(torch.float64)]

        grid = Grid(rows.total_weight * 2 * rows.largest * rows.largest.T)
        (gram,) = exact_sums(partials, rows.packed, [grid], rows.threads)
        self._gram = gram / rows.total_weight

    def factor(self, theta: Tensor, mix: float = 0.0) -> Factor:
        """The factor at theta."""
        rows = self._objective.rows
        values = kernels.operands(rows, theta, torch.float32)

        def partials(block: PackedBlock) -> list[Tensor]:
            probabilities = kernels.softmax(kernels.logits(block, values, torch.float32), 0)
            return [_spread(block, probabilities, mix).sum(1, dtype=torch.float64)]

        grid = Grid(torch.tensor(rows.total_weight, dtype=torch.float64))
        (scales,) = exact_sums(partials, rows.packed, [grid], rows.threads)
        scales /= rows.total_weight
        scales.clamp_(min=1e-3 * float(scales.mean()))
        ridge = self._objective.l2 / float(scales.mean()) + _RIDGE * float(self._gram.diagonal().mean())
        matrix = self._gram + ridge * torch.eye(len(self._gram), dtype=torch.float64)
        return _KroneckerFactor(scales, torch.linalg.cholesky(matrix))


@dataclass(frozen=True)
class _KroneckerFactor:
    scales: Tensor
    gram: Tensor

    def solve(self, gradient: Tensor) -> Tensor:
        return torch.cholesky_solve(gradient / self.scales, self.gram)


class Diagonal:
    """Each column's mean square times (1 - 1/k) / k, the curvature where all classes are equally likely."""

    def __init__(self, objective: CrossEntropy) -> None:
        """Add up the squares once."""
        rows = objective.rows

        def partials(block: PackedBlock) -> list[Tensor]:
            weights = torch.ones(block.rows, 1, dtype=torch.float64)
            if block.weights is not None:
                weights = block.weights.reshape(-1, 1)
            squares = torch.ones(rows.columns + 1, 1, dtype=torch.float64)
            squares[: rows.numbers] = block.numbers.to(torch.float64).square().T @ weights
            if rows.row_major:
                squares[rows.numbers : -1] = block.one_hot[torch.float64] @ weights
            squares[-1] = weights.sum()
            return [squares]

        grid = Grid(rows.total_weight * 2 * rows.largest.square())
        (squares,) = exact_sums(partials, rows.packed, [grid], rows.threads)
        classes = rows.classes
        curvature = squares / rows.total_weight * (1 - 1 / classes) / classes
        self._curvature = curvature + objective.l2 + _RIDGE * float(curvature.mean())

    def factor(self, theta: Tensor, mix: float = 0.0) -> Factor:  # noqa: ARG002  (the same everywhere)
        """The diagonal."""
        return _DiagonalFactor(self._curvature)


@dataclass(frozen=True)
class _DiagonalFactor:
    curvature: Tensor

    def solve(self, gradient: Tensor) -> Tensor:
        return gradient / self.curvature


def _with_one(rows: Rows, block: PackedBlock) -> Tensor:
    """(x_i, 1), (n, d + 1) float32."""
    ones = torch.full((block.rows, 1), float(rows.intercept))
    return torch.cat([block.numbers.to(torch.float32), ones], 1)


def _spread(block: PackedBlock, probabilities: Tensor, mix: float) -> Tensor:
    """v p (1 - p), (k, n) float32, class-major; changes the probabilities."""
    if mix:
        probabilities *= 1 - mix
        probabilities.scatter_add_(0, block.labels, probabilities.new_full((1, 1), mix).expand(block.labels.shape))
    spread = probabilities * (1 - probabilities)
    return spread if block.weights is None else spread * block.weights.to(spread.dtype)

"""Number columns about their means, for stand-ins of the Hessian. Shapes are those of layout.py.

With x' = x - m and b' = b + W m all logits stay what they are, and W itself does not change, so neither does its
penalty. In the unknowns (W, b') the gradient is g'_W = g_W - m g_b, and a step s' there is the step s_W = s'_W,
s_b = s'_b - m's'_W here. So H^-1 g can be had from the Hessian of centred columns. That is worth it where means are far
above deviations (a year, a time stamp, an altitude): float32 products of the columns as they are lose a curvature of
(deviation / mean)^2, and a ridge that is a share of the column's second moment drowns it.

m need not be the mean, only near it. The rows that f, its gradient and the certificate are computed from stay as they
are. Without an intercept there is no b to take up W m, and m is 0.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from pipeline.numerics.layout import PackedBlock, Rows
from pipeline.numerics.sums import Grid, exact_sums


class Factor(Protocol):
    """A symmetric positive definite H0."""

    def solve(self, gradient: Tensor) -> Tensor:
        """H0^-1 g, both (d + 1, k) float64."""


@dataclass(frozen=True)
class Centre:
    """m (p,) float64, of numbers that float32 holds; ``largest`` (d + 1, 1) bounds |x'| as Rows' bounds |x|."""

    means: Tensor
    largest: Tensor

    def centred(self, numbers: Tensor) -> Tensor:
        """x', (n, p) float32: a difference that is rounded once."""
        return (numbers - self.means.to(numbers.dtype)).to(torch.float32)

    def uncentred(self, factor: Factor) -> Factor:
        """What a factor in the unknowns (W, b') is in (W, b)."""
        return _Uncentred(factor, self.means[:, None])


@dataclass(frozen=True)
class _Uncentred:
    factor: Factor
    means: Tensor

    def solve(self, gradient: Tensor) -> Tensor:
        moved = gradient.clone()
        moved[: len(self.means)] -= self.means * gradient[-1]
        found = self.factor.solve(moved)
        found[-1] -= (self.means * found[: len(self.means)]).sum(0)
        return found


def centre_of(rows: Rows) -> Centre:
    """The weighted means, rounded to float32; 0 without an intercept."""
    largest = rows.largest.clone()
    if not rows.intercept or not rows.numbers:
        return Centre(torch.zeros(rows.numbers, dtype=torch.float64), largest)

    def partials(block: PackedBlock) -> list[Tensor]:
        if block.weights is None:
            return [block.numbers.sum(0, dtype=torch.float64)]
        return [block.weights.reshape(-1) @ block.numbers.to(torch.float64)]

    grid = Grid(rows.largest[: rows.numbers, 0] * 2 * rows.total_weight)
    (sums,) = exact_sums(partials, rows.packed, [grid], rows.threads)
    means = (sums / rows.total_weight).to(torch.float32).to(torch.float64)
    largest[: rows.numbers, 0] += means.abs()
    return Centre(means, largest)

"""Number columns about their means, for stand-ins of the Hessian. Shapes are those of data/layout.py.

With x' = x - m and b' = b + W m all logits stay what they are, and W itself does not change, so neither does its
penalty. In the unknowns (W, b') the gradient is g'_W = g_W - m g_b, and a step s' there is the step s_W = s'_W,
s_b = s'_b - m's'_W here. So H^-1 g can be had from the Hessian of centred columns. That is worth it where means are far
above deviations (a year, a time stamp, an altitude): float32 products of the columns as they are lose a curvature of
(deviation / mean)^2, and a ridge that is a share of the column's second moment drowns it.

m need not be the mean, only near it. The rows that f, its gradient and the certificate are computed from stay as they
are. Without an intercept there is no b to take up W m, and m is 0.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from pipeline.numerics.data.block import Block, row_weights
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.sums import Grid, exact_sums

# Means above so many deviations cost float32 4 of its 24 bits: on diamonds as they are (depth 62 +- 1.4)
# float32 needs twice as many steps.
_FAR = 16.0
# Means of at most so many deviations are left alone, m = 0: at most half of the second moment is theirs.
_NEAR = 1.0


class Preconditioner(Protocol):
    """A symmetric positive definite H0."""

    def solve(self, gradient: Tensor) -> Tensor:
        """H0^-1 g, both (d + 1, k) float64."""


@dataclass(frozen=True)
class Centre:
    """m (p, 1) float64, of numbers that float32 holds; ``largest`` (d + 1, 1) bounds |x'| as Rows' bounds |x|.

    ``far``: the mean of some column is so far above its deviation that float32 is too coarse for it.
    """

    means: Tensor
    largest: Tensor
    far: bool

    @functools.cached_property
    def _is_zero(self) -> bool:
        return not bool(self.means.any())

    def centred(self, numbers: Tensor) -> Tensor:
        """x', (n, p) float32: a difference that is rounded once."""
        if self._is_zero:
            return numbers.to(torch.float32)
        return (numbers - self.means[:, 0].to(numbers.dtype)).to(torch.float32)

    def gradient(self, gradient: Tensor) -> Tensor:
        """g' of g, both (d + 1, k)."""
        if self._is_zero:
            return gradient
        moved = gradient.clone()
        moved[: len(self.means)] -= self.means * gradient[-1]
        return moved

    def step(self, centred_step: Tensor) -> Tensor:
        """s of s', both (d + 1, k)."""
        return self._with_bias_moved(centred_step, -1.0)

    def centred_step(self, step: Tensor) -> Tensor:
        """s' of s, both (d + 1, k)."""
        return self._with_bias_moved(step, 1.0)

    def _with_bias_moved(self, step: Tensor, sign: float) -> Tensor:
        if self._is_zero:
            return step
        moved = step.clone()
        moved[-1] += sign * portable.total(self.means * step[: len(self.means)], 0)
        return moved

    def uncentred(self, factor: Preconditioner) -> Preconditioner:
        """A factor in the unknowns (W, b') as one in (W, b)."""
        return factor if self._is_zero else _Uncentred(factor, self)


@dataclass(frozen=True)
class _Uncentred:
    factor: Preconditioner
    centre: Centre

    def solve(self, gradient: Tensor) -> Tensor:
        return self.centre.step(self.factor.solve(self.centre.gradient(gradient)))


def centre_of(blocks: Sequence[Block], largest: Tensor, total_weight: float, threads: int, intercept: bool) -> Centre:
    """The weighted means, rounded to float32; 0 where they are near, and without an intercept."""
    numbers = blocks[0].numbers.shape[1]
    if not numbers:
        return Centre(torch.zeros(0, 1, dtype=torch.float64), largest, far=False)

    def partials(block: Block) -> list[Tensor]:
        x = block.numbers
        weights = row_weights(block.weights, len(x)).to(x.dtype)[None]
        return [portable.long_matmul(weights, part)[0] for part in (x, x.square())]

    bound = largest[:numbers, 0]
    grids = [Grid(2 * total_weight * bound + 1e-300), Grid(2 * total_weight * bound.square() + 1e-300)]
    try:
        means, squares = (total / total_weight for total in exact_sums(partials, blocks, lambda: grids, threads))
    except OverflowError:  # float32 has no squares of numbers above 1e19
        return Centre(torch.zeros(numbers, 1, dtype=torch.float64), largest, far=True)
    variances = squares - means.square()
    far = bool((means.square() > _FAR * _FAR * variances).any())
    means = torch.where(means.square() > _NEAR * _NEAR * variances, means, 0.0)
    means = means.to(torch.float32).to(torch.float64)[:, None] * float(intercept)
    around = largest.clone()
    around[:numbers] += means.abs()
    return Centre(means, around, far)

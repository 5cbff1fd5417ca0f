"""L-BFGS: the recursion, and the cheap preconditioners that it starts from where a Hessian would be too large.

Source: Nocedal and Wright 2006, algorithm 7.4. Shapes are those of data/layout.py.
"""

from collections import deque
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pipeline.numerics.curvature.class_blocks import ClassBlocks
from pipeline.numerics.curvature.preconditioners import ByClass, Diagonal, Kronecker, PreconditionerBuilder
from pipeline.numerics.data.block import Block
from pipeline.numerics.data.centring import Preconditioner
from pipeline.numerics.data.layout import Rows
from pipeline.numerics.data.sample import stratified
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.sums import Grid, exact_sums
from pipeline.numerics.objective.packed import PackedObjective

_ROWS_A_COLUMN, _AT_LEAST = 8, 2048
_NEARLY_ALL = 0.6
# With fewer rows a column a new factor costs more than the products that it saves: 100 x 100 (from 1,000 columns) with
# 10 classes take 22 milliseconds with and 13 without.
_ROWS_TO_RENEW = 4
# Nats that b alone saves. Not where the first factor is the only one: that of even probabilities is then the better one
# (47 passes in place of 88 for 100 rows of 1,000 columns).
_WORTH_A_START = 0.5
PAIRS = 10  # of step and change of gradient, kept beside a cheap preconditioner

PRECONDITIONERS: dict[str, Callable[[PackedObjective], PreconditionerBuilder]] = {
    "by_class": ByClass,
    "class_blocks": ClassBlocks,
    "kronecker": Kronecker,
    "diagonal": Diagonal,
}


class CurvaturePairs:
    """The last pairs of step and change of gradient."""

    def __init__(self, size: int, resizes: bool = False) -> None:
        """Keep ``size`` pairs. With ``resizes`` the factor's matrix takes the size of the last pair's curvature."""
        self._resizes = resizes
        self._pairs: deque[tuple[Tensor, Tensor, float]] = deque(maxlen=size)

    def add(self, step: Tensor, change: Tensor) -> None:
        """Remember a pair, unless rounding has eaten its curvature."""
        curvature = portable.dot(step, change)
        if curvature > 1e-12 * float(portable.total((step * change).abs())):
            self._pairs.append((step.reshape(-1), change.reshape(-1), 1 / curvature))

    @property
    def pairs(self) -> list[tuple[Tensor, Tensor]]:
        """Steps and changes, oldest first; setting them forgets all others."""
        return [(step, change) for step, change, _ in self._pairs]

    @pairs.setter
    def pairs(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
        self._pairs.clear()
        for step, change in pairs:
            self.add(step, change)

    def clear(self) -> None:
        """Forget all pairs."""
        self._pairs.clear()

    def __len__(self) -> int:
        return len(self._pairs)

    def direction(self, gradient: Tensor, factor: Preconditioner) -> Tensor:
        """-H g, with H^-1 the factor's matrix corrected by the pairs."""
        rest = gradient.reshape(-1).clone()
        shares = []
        for step, change, inverse in reversed(self._pairs):
            share = inverse * portable.dot(step, rest)
            shares.append(share)
            rest -= share * change
        result = factor.solve(rest.view_as(gradient)).reshape(-1)
        if self._resizes and self._pairs:
            result *= self._size(factor, gradient)
        for (step, change, inverse), share in zip(self._pairs, reversed(shares), strict=True):
            result += (share - inverse * portable.dot(change, result)) * step
        return result.view_as(gradient).neg_()

    def _size(self, factor: Preconditioner, like: Tensor) -> float:
        """s'y / y'H0^-1 y of the last pair. Source: eq. 7.20, with H0 in place of the identity."""
        _, change, inverse = self._pairs[-1]
        square = portable.dot(change, factor.solve(change.view_as(like)).reshape(-1))
        return 1 / (inverse * square) if square > 0 else 1.0


class SampledPreconditioner:
    """A ``PreconditionerSource``: the given start, and one preconditioner, built on a sample of the rows."""

    sample_passes = 0.0

    def __init__(
        self, objective: PackedObjective, make: Callable[[PackedObjective], PreconditionerBuilder], memory: int = PAIRS
    ) -> None:
        """``make`` is a class of preconditioners.py; ``memory`` 0 asks for conjugate gradients."""
        self.memory = memory
        # A diagonal knows the columns' sizes, not how they add up: its steps are often three times too long. The others
        # have the right size.
        self.resizes = make is Diagonal
        self._rows = rows = objective.rows
        self.renews = rows.count > _ROWS_TO_RENEW * rows.columns
        target = max(_ROWS_A_COLUMN * rows.columns, _AT_LEAST)
        small = target < _NEARLY_ALL * rows.count
        self._builder = make(
            PackedObjective(stratified(rows, target), objective.l2) if small else objective.on_processor()
        )

    def start(self, theta: Tensor) -> Tensor:
        """The point itself, or the optimum of b alone where that is well below it."""
        shares = class_shares(self._rows)
        logs = portable.log(shares)
        saved = portable.log_of(len(shares)) + portable.dot(shares, logs)
        if self.renews and self._rows.intercept and saved > _WORTH_A_START:
            theta = theta.clone()
            theta[-1] = logs - portable.mean(logs)
        return theta

    def builder(self, refreshes: int) -> PreconditionerBuilder | None:
        """The one that there is; None after the first."""
        return self._builder if refreshes == 0 else None


def class_shares(rows: Rows) -> Tensor:
    """The share of the weight that each class has, (k,) float64; no pass, as it reads labels only."""

    def partials(block: Block) -> list[Tensor]:
        if block.weights is None:
            return [torch.bincount(block.labels, minlength=rows.classes).to(torch.float64)]
        codes = block.labels[:, None].to(torch.int32)
        return [portable.sum_by_code(codes, block.weights[:, None], rows.classes)[:, 0]]

    (counts,) = exact_sums(partials, rows.blocks, lambda: [Grid(torch.tensor(2 * rows.total_weight))], rows.threads)
    return counts.clamp(min=1e-300) / rows.total_weight

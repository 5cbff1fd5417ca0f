"""The course of a quasi-Newton solver: whether its steps are slow, and whether a precision resolves no further one.

Decrements are squared Newton decrements, in nats: as shares of the objective they do not depend on its size.
"""

import math
from dataclasses import dataclass, field

from pipeline.numerics.objective.evaluation import Point
from pipeline.numerics.solvers.preconditioning import PreconditionerSource

# A Hessian is built anew after this many steps, if the decrement fell by less than this factor in the last five.
_REFRESH_AFTER, _SLOW = 10, 3e-2
# With conjugate gradients: after the first steps, then after so many where the last direction took many products.
_FIRST_STEPS, _STEPS_A_FACTOR, _REFRESH_PRODUCTS = 2, 3, 6

# Shares of the objective: below the first, float32 sees no decrease; below the second it does if bounds still improve.
_FLOAT32_BLIND, _FLOAT32_WEAK, _PATIENCE = 1e-11, 1e-8, 6
_FLOAT32_SUREST = 1e-5  # nats: float32 knows 1 - p to 6e-8, which of a lower cost is more than a percent
_FLOAT32_STEPS_IN_VAIN = 20  # its gradient of columns of 1e3 and more may be noise far above these shares
_FLOAT64_BLIND, _FLOAT64_PATIENCE = 1e-14, 12
_WORTH_DROPPING = 0.5  # what the smallest squared gradient fell by since the pairs were last dropped


@dataclass
class Progress:
    """The counts and sizes that decide the next steps, beside point, pairs and preconditioner."""

    since_refresh: int = 0  # steps
    stalled: int = 0  # steps in a row without a smaller gradient
    products: int = 0  # with the Hessian, for the last direction
    smallest_gradient: float = math.inf  # its squared norm, about the means
    smallest_at_last_drop: float = math.inf  # of the pairs
    decrements: list[float] = field(default_factory=list)  # by the preconditioner, one a step

    def record(self, decrement: float, squared_gradient: float) -> None:
        """Count a step, from a point with this gradient about the means."""
        self.decrements.append(decrement)
        self.since_refresh += 1
        self.stalled = 0 if squared_gradient <= self.smallest_gradient else self.stalled + 1
        self.smallest_gradient = min(self.smallest_gradient, squared_gradient)

    def needs_refresh(self, source: PreconditionerSource, refreshes: int) -> bool:
        """Whether steps are so slow that another preconditioner pays off, after so many ``refreshes``."""
        if source.memory:
            return self.since_refresh >= _REFRESH_AFTER and self.decrements[-1] > _SLOW * self.decrements[-6]
        enough = _STEPS_A_FACTOR if refreshes > 1 else _FIRST_STEPS
        slow = self.since_refresh >= enough and (refreshes == 1 or self.products > _REFRESH_PRODUCTS)
        return slow and source.renews

    def float32_is_blind(self, point: Point, decrement: float, l2: float, tolerance: float) -> bool:
        """Whether float32 resolves no more; without l2 the end itself needs float64."""
        share = _share(decrement, point)
        if share < _FLOAT32_BLIND or point.cost < _FLOAT32_SUREST or self.stalled >= _FLOAT32_STEPS_IN_VAIN:
            return True
        if l2 == 0:
            return share < max(_FLOAT32_WEAK, tolerance)
        return share < _FLOAT32_WEAK and self.stalled >= _PATIENCE

    def float64_is_blind(self, point: Point, decrement: float) -> bool:
        """Whether rounding leaves no step to make."""
        return self.stalled >= _FLOAT64_PATIENCE and _share(decrement, point) < _FLOAT64_BLIND

    def drop_pairs(self) -> bool:
        """Whether to go on without pairs: those of tiny steps hold rounding, so it may be they that see no decrease."""
        if self.smallest_gradient > _WORTH_DROPPING * self.smallest_at_last_drop:
            return False
        self.smallest_at_last_drop, self.stalled = self.smallest_gradient, 0
        return True


def _share(decrement: float, point: Point) -> float:
    return decrement / max(abs(point.objective), 1e-300)

"""The preconditioner of the steps on all rows: where it comes from, and the one in use.

Shapes are those of data/layout.py.
"""

from typing import Protocol

from torch import Tensor

from pipeline.numerics.curvature.preconditioners import Diagonal, PreconditionerBuilder
from pipeline.numerics.data.centring import Preconditioner
from pipeline.numerics.objective.packed import PackedObjective

_MIX = 0.01  # labels mixed into the curvature, arrowhead.py


class PreconditionerSource(Protocol):
    """Supplies the initial point and the preconditioners."""

    memory: int  # pairs that L-BFGS keeps; 0: directions by conjugate gradients
    resizes: bool  # whether the preconditioner's size is to be learnt from the last step
    renews: bool  # whether a factor for conjugate gradients is built anew
    sample_passes: float

    def start(self, theta: Tensor) -> Tensor:
        """A better start, from samples."""

    def builder(self, refreshes: int) -> PreconditionerBuilder | None:
        """The builder of the n-th preconditioner; None: the last one, for the new point."""


class CurrentPreconditioner:
    """The preconditioner in use: ``factor``, built at ``theta`` after so many ``refreshes``; None before the first."""

    def __init__(self, objective: PackedObjective, source: PreconditionerSource) -> None:
        """Nothing is built yet."""
        self._objective, self._source = objective, source
        self._mix = _MIX if source.memory else 0.0  # conjugate gradients know the curvature as it is
        self._builder: PreconditionerBuilder | None = None
        self.factor: Preconditioner | None = None
        self.theta: Tensor | None = None
        self.refreshes = 0
        self.by_diagonal = False  # whether the curvature could not be factored somewhere on the way

    def refresh(self, theta: Tensor) -> None:
        """Build the next one, at theta."""
        self._advance()
        self.factor, self.theta = self._built_at(theta), theta

    def restore(self, theta: Tensor, refreshes: int, has_factor: bool) -> None:
        """Go back to where an earlier process was; without ``has_factor`` it had dropped its own."""
        for _ in range(refreshes):
            self._advance()
        self.theta = theta
        if has_factor:
            self.factor = self._built_at(theta)

    def drop(self) -> None:
        """The next step builds another one."""
        self.factor = None

    def diagonal(self, theta: Tensor) -> Preconditioner:
        """One that is positive definite in spite of any rounding."""
        return Diagonal(self._objective.on_processor()).factor(theta)

    def _advance(self) -> None:
        self._builder = self._source.builder(self.refreshes) or self._builder
        self.refreshes += 1

    def _built_at(self, theta: Tensor) -> Preconditioner:
        """The builder's; a diagonal where float32 products leave the numbers, as squares of 1e20 do."""
        assert self._builder is not None
        try:
            return self._builder.factor(theta, self._mix)
        except OverflowError:
            self.by_diagonal = True
            return self.diagonal(theta)

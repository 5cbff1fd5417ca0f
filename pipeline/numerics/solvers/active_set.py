"""The minimum of a quadratic of few rows with an l1 penalty: v minimises g'(v - w) + (v - w)'H (v - w) / 2 + l1'|v|.

The members are the variables that are not 0 and those without a penalty. They are at the minimum of their orthant; then
the other variable with the largest subgradient becomes one, and all members go where the penalty stays linear, to the
new minimum of theirs or to the first that reaches 0, which is a member no more. Each step goes down and no set of
members comes twice, so the method ends. The inverse of the members' part of H follows each change at s^2
multiplications, s members; so a step costs a few products with H (row_space.py), and no factor.

A variable whose curvature the members leave next to none (rows of few dimensions, W of all classes shifted together)
takes the place of the first member that it brings to 0. The inverse is that of a matrix of condition 1e10 at most, its
rounding is mended by a second step, and where that does not help by a factor.

Sources: Osborne, Presnell and Turlach 2000, "A new approach to variable selection in least squares problems"; Nocedal
and Wright 2006, section 16.5, for active sets.
"""

import torch
from torch import Tensor

from pipeline.numerics.curvature.arrowhead import cholesky
from pipeline.numerics.curvature.row_space import RowCurvature
from pipeline.numerics.exact import portable
from pipeline.numerics.solvers.l1_quadratic import least_subgradient

_STEPS_A_VARIABLE = 4
_INEXACTNESS = 0.1  # of a step, as a share of the subgradient that it is for
_LEAST_CURVATURE = 1e-12  # along a direction of length 1, but for rounding: the ridge is more


def minimise(start: Tensor, gradient: Tensor, curvature: RowCurvature, l1: Tensor, tolerance: float) -> Tensor:
    """v (q,); ``gradient`` is that at w = ``start``.

    No entry of the subgradient, over the root of its variable's curvature, is above ``tolerance`` in size.
    """
    members = _Members(start, gradient, curvature, l1)
    allowed = torch.inf  # of the members' subgradient, unless the inverse has lost its digits
    for _ in range(_STEPS_A_VARIABLE * len(start)):
        subgradient = members.subgradient()
        inside = _largest(subgradient[members.places])
        if inside > max(allowed, tolerance) and not members.refresh():
            break  # rounding
        if inside > tolerance:
            allowed = (1.0 - members.settle(subgradient) + _INEXACTNESS) * inside
            continue
        subgradient[members.places] = 0.0
        if _largest(subgradient) <= tolerance:
            break
        members.admit(int(subgradient.abs().argmax()))
        allowed = _INEXACTNESS * _largest(subgradient)
    return members.values / curvature.roots


def _largest(values: Tensor) -> float:
    return float(values.abs().max()) if len(values) else 0.0


class _Members:
    """The members, ``places`` (s,); the values of all, (q,); the inverse of the members' part of H."""

    def __init__(self, start: Tensor, gradient: Tensor, curvature: RowCurvature, l1: Tensor) -> None:
        self._curvature, self._l1 = curvature, l1 / curvature.roots
        self._start, self._first_gradient = start * curvature.roots, gradient / curvature.roots
        self.values, self._gradient = self._start.clone(), self._first_gradient
        self.places = torch.nonzero((start != 0) | (l1 == 0)).flatten()
        self._fresh = False
        self.refresh()

    def subgradient(self) -> Tensor:
        """The smallest of the quadratic and its penalty, (q,)."""
        return least_subgradient(self.values, self._gradient, self._l1)

    def refresh(self) -> bool:
        """Find the inverse and the gradient anew; False if nothing has changed since that was done."""
        if self._fresh:
            return False
        self._inverse = portable.cholesky_inverse(cholesky(self._curvature.block(self.places)))
        self._gradient = self._first_gradient + self._curvature.product(self.values - self._start)
        self._fresh = True
        return True

    def settle(self, subgradient: Tensor) -> float:
        """Step to the minimum of the members' orthant, or to the first at 0; which share of the way it was."""
        direction = torch.zeros_like(self.values)
        direction[self.places] = -portable.matmul(self._inverse, subgradient[self.places])
        return min(1.0, self._move(direction)[0])

    def admit(self, place: int) -> None:
        """Make a variable that is 0 a member and go to the new minimum of the orthant, past all that reach 0."""
        mixed = self._curvature.column(place)
        sign = -float(self.subgradient()[place].sign())
        members = -1
        while members != len(self.places):
            members = len(self.places)
            follow = portable.matmul(self._inverse, mixed[self.places])
            direction = torch.zeros_like(self.values)
            direction[self.places], direction[place] = -sign * follow, sign
            _, curvature = self._move(direction)
        edge = -follow[:, None] / curvature
        corner = torch.tensor([[1.0 / curvature]], dtype=torch.float64)
        inner = self._inverse + torch.outer(follow, follow) / curvature
        self._inverse = torch.cat([torch.cat([inner, edge], 1), torch.cat([edge.T, corner], 1)])
        self.places = torch.cat([self.places, torch.tensor([place])])
        self._fresh = False

    def _move(self, direction: Tensor) -> tuple[float, float]:
        """Move to the lowest point along ``direction`` before a member is 0; how far, and the curvature on the way.

        Both are taken from H itself, so that what rounding has left of the inverse cannot make it a way up.
        """
        image = self._curvature.product(direction)
        curvature = max(portable.dot(direction, image), _LEAST_CURVATURE * portable.dot(direction, direction), 1e-300)
        lowest = max(0.0, -portable.dot(self.subgradient(), direction) / curvature)
        crossing = (self._l1 > 0) & (self.values * direction < 0)
        to_zero = torch.where(crossing, -self.values / direction, torch.inf)
        step = min(lowest, float(to_zero.min()))
        gone = to_zero <= step
        self.values = torch.where(gone, 0.0, self.values + step * direction)
        self._gradient = self._gradient + step * image
        for position in torch.nonzero(gone[self.places]).flatten().flip(0).tolist():
            self._dismiss(position)
        self._fresh = self._fresh and step == 0.0
        return step, curvature

    def _dismiss(self, position: int) -> None:
        rest = torch.arange(len(self.places)) != position
        row = self._inverse[position]
        self._inverse = (self._inverse - torch.outer(row, row) / row[position])[rest][:, rest]
        self.places = self.places[rest]

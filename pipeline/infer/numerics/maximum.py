"""The maximum of the log-likelihood, or of what a penalty leaves of it, with a bound on the distance that is left.

Newton's method on the free entries of theta: the information is added up where steps are long, and kept while one of
an earlier point still shrinks the gradient tenfold (Shamanskii's chord). A step is halved until it gains.

Bound. With lambda = sqrt(g'H^-1 g), H the information at theta and S the largest standard error, over rows, of the
difference of two logits: the third derivative of a softmax's log-likelihood along d is at most R d'Hd, R the largest
range over classes of a row's change of logits, so H along the way to the maximum theta* is at least e^-tR H, and
d'(-g) = int d'H(theta + t d)d dt >= (1 - e^-R) / R ||d||_H^2. By Cauchy and Schwarz ||d||_H <= lambda R / (1 - e^-R),
and R <= S ||d||_H. Together (1 - e^-S||d||) / S <= lambda, so for lambda S < 1

    |c'(theta - theta*)| <= -ln(1 - lambda S) / S * sqrt(c'H^-1 c)    for every contrast c.

Source: Bach 2010, Self-concordant analysis for logistic regression, Electronic J. Statistics 4, proposition 1.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from pipeline.infer.numerics.design import Design
from pipeline.infer.numerics.likelihood import Asked, PassSums, pass_over
from pipeline.infer.numerics.rows import InferenceRows
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.roots import square_root

TOLERANCE = 1e-6  # lambda that a table may rest on
_AIM = 1e-9  # lambda that steps go on to, as long as they come nearer
_NEAR = 0.1  # lambda below which a step may do with the information of the point before
_SHRINKS = 0.1  # the chord is kept while it makes lambda this much smaller
_GAIN = 1e-4
_MOST_HALVINGS = 30
_NOISE = 1e-13  # of the log-likelihood
_PROVEN = 0.5  # lambda S below which there is a maximum: below 1, and rounding apart


class SingularError(ArithmeticError):
    """There is no one maximum: columns follow from others, or probabilities go to 0 and 1 without an end."""


class Factor:
    """Cholesky's factor of a symmetric matrix whose diagonal was made 1."""

    def __init__(self, matrix: Tensor) -> None:
        """Raises: SingularError."""
        diagonal = matrix.diagonal()
        if not bool((diagonal > 0).all()) or not bool(matrix.isfinite().all()):
            raise SingularError
        self._roots = square_root(diagonal.clone())
        scaled = matrix / self._roots[:, None] / self._roots
        self._lower, failed = portable.cholesky(scaled)
        if bool(failed):
            raise SingularError
        smallest = float(self._lower.diagonal().min())
        if smallest * smallest <= len(matrix) * 1e-15:
            raise SingularError

    def solve(self, right: Tensor) -> Tensor:
        """H^-1 r, of r (q,) or (q, m)."""
        columns = right if right.ndim == 2 else right[:, None]
        solved = portable.cholesky_solve(columns / self._roots[:, None], self._lower) / self._roots[:, None]
        return solved if right.ndim == 2 else solved[:, 0]

    def inverse(self) -> Tensor:
        """H^-1, symmetric to the last bit; one tensor for all who ask, made when first asked for."""
        return self._inverse

    @cached_property
    def _inverse(self) -> Tensor:
        return portable.cholesky_inverse(self._lower) / (self._roots[:, None] * self._roots)


@dataclass(frozen=True)
class Penalty:
    """``ridge`` (q,) and ``gauge`` (q,): theta'diag(ridge)theta / 2 is taken from the log-likelihood.

    The gauge, 1 where b's free entries are, pins what may be moved in all classes together.
    """

    ridge: Tensor
    gauge: Tensor

    def added(self, information: Tensor) -> Tensor:
        """The information with the penalty's."""
        size = portable.mean(information.diagonal())
        return information + torch.diag(self.ridge) + size * self.gauge[:, None] * self.gauge


@dataclass(frozen=True)
class Maximum:
    """A point, what its last pass gave, and its information (q, q) without the penalty's; ``factor`` has both.

    ``decrement`` is lambda; ``converged`` says whether it is as small as a table may rest on. ``distance_bound`` is
    what the function of that name says of lambda; None where it holds for no such maximum, as for Firth's.
    """

    theta: Tensor
    sums: PassSums
    information: Tensor
    factor: Factor
    decrement: float
    distance_bound: float | None
    passes: int

    @property
    def converged(self) -> bool:
        """Whether lambda is at most 1e-6."""
        return self.decrement <= TOLERANCE


def maximise(
    rows: InferenceRows,
    design: Design,
    start: Tensor,
    asked: Asked,
    penalty: Penalty | None = None,
    most_passes: int = 100,
) -> Maximum:
    """Go from ``start``, theta of z, to the maximum; the last pass adds up what is ``asked`` for.

    Raises: SingularError where the information has no inverse, or where lambda came to be small only because the
    information did: of classes that a plane separates the likelihood has no maximum, and lambda S stays above 1.
    """
    with_information = Asked(information=True)
    vector = design.vector(start)
    sums = pass_over(rows, design.theta(vector), with_information)
    passes = 1
    information, factor = _factor(rows, design, sums, penalty)
    before = math.inf
    while True:
        gradient = _gradient(design, sums, vector, penalty)
        step = factor.solve(gradient)
        decrement = _root(portable.dot(gradient, step))
        if decrement > _SHRINKS * before and sums.information is None:
            sums = pass_over(rows, design.theta(vector), with_information)
            passes += 1
            information, factor = _factor(rows, design, sums, penalty)
            before = math.inf
            continue
        stalls = decrement <= TOLERANCE and decrement > 0.5 * before
        if decrement <= _AIM or stalls or passes >= most_passes:
            break
        before = decrement
        value = _value(sums, vector, penalty)
        length = 1.0
        for _ in range(_MOST_HALVINGS):
            trial = vector - length * step
            following = pass_over(rows, design.theta(trial), with_information if decrement > _NEAR else Asked())
            passes += 1
            slack = _NOISE * abs(value)
            if _value(following, trial, penalty) >= value + _GAIN * length * decrement * decrement - slack:
                break
            length /= 2
        else:
            break
        vector, sums = trial, following
        if sums.information is not None:
            information, factor = _factor(rows, design, sums, penalty)
    if sums.information is None or asked != Asked():
        sums = pass_over(rows, design.theta(vector), replace(asked, information=True))
        passes += 1
        information, factor = _factor(rows, design, sums, penalty)
        gradient = _gradient(design, sums, vector, penalty)
        decrement = _root(portable.dot(gradient, factor.solve(gradient)))
    spread = logit_spread(rows, design, factor.inverse())
    if decrement <= TOLERANCE and not decrement * spread < _PROVEN:
        raise SingularError
    bound = distance_bound(decrement, spread)
    return Maximum(design.theta(vector), sums, information, factor, decrement, bound, passes)


def distance_bound(decrement: float, spread: float) -> float:
    """Standard errors that any contrast is from the exact maximum's at most; infinite where the bound does not hold.

    ``spread`` is S of the module's docstring.
    """
    share = decrement * spread
    if not share < 1:
        return math.inf
    return decrement if share < 1e-8 else -portable.log1p_of(-share) / spread


def logit_spread(rows: InferenceRows, design: Design, covariance: Tensor) -> float:
    """A bound on S: the sum, over dense columns and categories, of the largest that each can make of it.

    ``covariance`` (q, q) of the free entries, of theta of z.
    """
    classes, e = len(design.labels), len(design.columns)
    blocks = covariance.view(classes, e, classes, e).diagonal(dim1=1, dim2=3).permute(2, 0, 1)  # (e, k, k)
    own = blocks.diagonal(dim1=1, dim2=2)
    between = own[:, :, None] + own[:, None, :] - 2 * blocks
    largest = between.amax((1, 2))
    if not design.is_full:  # against the reference class, whose theta is 0
        largest = torch.maximum(largest, own.amax(1))
    variances = largest.clamp(min=0.0)
    spread = torch.zeros(rows.columns + 1, dtype=torch.float64)
    spread[design.columns] = rows.largest[design.columns] * square_root(variances)
    parts = [spread[: rows.numbers], spread[-1:]]
    parts += [spread[rows.level_columns(category)].max()[None] for category in range(len(rows.levels))]
    return float(portable.total(torch.cat(parts)))


def _factor(rows: InferenceRows, design: Design, sums: PassSums, penalty: Penalty | None) -> tuple[Tensor, Factor]:
    assert sums.information is not None
    information = design.matrix(rows, sums.information)
    return information, Factor(penalty.added(information) if penalty else information)


def _gradient(design: Design, sums: PassSums, vector: Tensor, penalty: Penalty | None) -> Tensor:
    gradient = design.vector(sums.gradient)
    return gradient if penalty is None else gradient + penalty.ridge * vector


def _value(sums: PassSums, vector: Tensor, penalty: Penalty | None) -> float:
    if penalty is None:
        return sums.log_likelihood
    return sums.log_likelihood - portable.dot(penalty.ridge * vector, vector) / 2


def _root(squared: float) -> float:
    return math.sqrt(max(0.0, squared))

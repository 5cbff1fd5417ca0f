"""The maximum of l(theta) + 1/2 ln det I(theta), Firth's penalised log-likelihood: finite on separable tables, too.

Shapes and sums are those of rows.py and likelihood.py; theta is of z, design in reference coding, I its information.
The penalty is Jeffreys's prior; it takes the first order of the bias, too. With V = I^-1, p_i row i's probabilities,
Q_i,bc = x_i' V_bc x_i, 0 where b or c is not free, kappa_i,bcj = d(p_ib (delta_bc - p_ic))/d eta_ij and
h_ib = Q_i,bb - 2 sum_c p_ic Q_i,bc, what it adds to the score is

    1/2 tr(V dI/dtheta_ja) = 1/2 sum_i v_i x_ia sum_bc kappa_i,bcj Q_i,bc
                           = 1/2 sum_i v_i x_ia p_ij (h_ij - sum_b p_ib h_ib).

v_i counts rows: I has row i v_i times, so its part of the penalty comes v_i times. -Cov_i <= kappa_i,..j <= Cov_i,
Cov_i of row i's indicators, which lie within 1 of their means; so row i's part is at most half its leverage
v_i tr(Cov_i Q_i), and these add up to q.

A step is Fisher's scoring, V g* of the penalised score g*, bent by what steps before it told of the penalty's curvature
(the two loops of L-BFGS around V), and halved until it gains. By scoring alone the tutorial's 8 rows take 71 passes in
place of 40, and 12 rows of 4 classes 156 in place of 36.

Source: Firth 1993, Bias reduction of maximum likelihood estimates, Biometrika 80; Bull, Mak and Greenwood 2002, A
modified score function estimator for multinomial logistic regression models in small studies, Computational Statistics
& Data Analysis 39; Kosmidis and Firth 2011, Multinomial logit bias reduction via the Poisson log-linear model,
Biometrika 98; Heinze and Schemper 2002, Statistics in Medicine 21, for separation; Nocedal and Wright 2006, algorithm
7.4, for the loops.
"""

import contextlib
import math
from collections import deque
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pipeline.infer.numerics import column_sums
from pipeline.infer.numerics.design import Design
from pipeline.infer.numerics.likelihood import Asked, PassSums, pass_over
from pipeline.infer.numerics.maximum import TOLERANCE, Factor, Maximum, SingularError
from pipeline.infer.numerics.quadratic_forms import QuadraticForms
from pipeline.infer.numerics.rows import InferenceRows
from pipeline.numerics.data.block import Block
from pipeline.numerics.exact import portable

_AIM = 1e-9  # decrement that steps go on to, as long as they come nearer
_MOST_WITHOUT_PROGRESS = 5  # steps below TOLERANCE
_MEMORY = 20  # pairs of a step and a change of the score
_GAIN = 1e-4
_MOST_HALVINGS = 40
_NOISE = 1e-6  # of the penalised log-likelihood: more than rounding makes of it


class InformationFactor(Factor):
    """Cholesky's factor of an information, which knows its determinant."""

    @property
    def log_determinant(self) -> float:
        """ln det I."""
        logs = portable.log(self._lower.diagonal().contiguous()) + portable.log(self._roots)
        return 2 * float(portable.total(logs))


@dataclass(frozen=True)
class FirthMaximum(Maximum):
    """A Maximum whose ``decrement`` is sqrt(g*' I^-1 g*); standard errors are those of ``factor``, which is I's alone.

    No ``distance_bound`` is known of it. ``sums`` are of the log-likelihood without the penalty, its gradient too, so
    that is not 0.
    """

    penalised_log_likelihood: float


@dataclass(frozen=True)
class _Point:
    vector: Tensor
    sums: PassSums
    information: Tensor
    factor: InformationFactor
    value: float


def maximise(
    rows: InferenceRows,
    design: Design,
    start: Tensor,
    asked: Asked = Asked(),  # noqa: B008  (frozen)
    most_passes: int = 1000,
) -> FirthMaximum:
    """Go from ``start``, theta of z, to the maximum; the last pass adds up what is ``asked`` for.

    A pass over the rows for each trial, and one more for each step taken.
    Raises: SingularError where the information at ``start`` has no inverse: columns follow from others.
    """
    point = _point(rows, design, design.vector(start))
    score = _score(rows, design, point)
    best, decrement = point, math.inf
    passes, without_progress = 2, 0
    pairs: deque[tuple[Tensor, Tensor]] = deque(maxlen=_MEMORY)
    while True:
        left = math.sqrt(max(0.0, portable.dot(score, point.factor.solve(score))))
        without_progress += 1
        if left < decrement:
            best, decrement, without_progress = point, left, 0
        if decrement <= _AIM or (decrement <= TOLERANCE and without_progress >= _MOST_WITHOUT_PROGRESS):
            break
        following, tried = _step(rows, design, point, score, pairs, most_passes - passes)
        passes += tried
        if following is None and pairs:
            pairs.clear()
            following, tried = _step(rows, design, point, score, pairs, most_passes - passes)
            passes += tried
        if following is None:
            break
        _remember(pairs, following[0].vector - point.vector, score - following[1])
        point, score = following
    sums = best.sums
    if asked not in (Asked(), Asked(information=True)):
        sums = pass_over(rows, design.theta(best.vector), replace(asked, information=True))
        passes += 1
    theta = design.theta(best.vector)
    return FirthMaximum(theta, sums, best.information, best.factor, decrement, None, passes, best.value)


def penalised_score(rows: InferenceRows, design: Design, theta: Tensor) -> Tensor:
    """g* (q,), the derivative of l + 1/2 ln det I by the free entries, at theta of z. Raises: SingularError."""
    return _score(rows, design, _point(rows, design, design.vector(theta)))


def _point(rows: InferenceRows, design: Design, vector: Tensor) -> _Point:
    sums = pass_over(rows, design.theta(vector), Asked(information=True))
    assert sums.information is not None
    information = design.matrix(rows, sums.information)
    factor = InformationFactor(information)
    return _Point(vector, sums, information, factor, sums.log_likelihood + factor.log_determinant / 2)


def _score(rows: InferenceRows, design: Design, point: _Point) -> Tensor:
    added = _penalty_score(rows, design, design.theta(point.vector), point.factor.inverse())
    return design.vector(added - point.sums.gradient)


def _step(
    rows: InferenceRows,
    design: Design,
    point: _Point,
    score: Tensor,
    pairs: deque[tuple[Tensor, Tensor]],
    most_passes: int,
) -> tuple[tuple[_Point, Tensor] | None, int]:
    """The next point and its score, None where no step gains, and the passes that it took.

    Where values that differ less than rounding could make them say nothing, the mean of the slopes at both ends tells
    the gain, as in Hager and Zhang 2005, A new conjugate gradient method, SIAM J. Optimization 16, eq. 4.1: on rows
    that are nearly told apart ln det I keeps 7 digits, its derivative more.
    """
    step = _direction(point.factor, score, pairs)
    slope = portable.dot(score, step)
    slack = _NOISE * (abs(point.value) + abs(point.sums.log_likelihood) + design.size)
    length, passes = 1.0, 0
    for _ in range(_MOST_HALVINGS):
        if passes >= most_passes:
            break
        passes += 1
        with contextlib.suppress(SingularError):  # the penalty is without bound there
            trial = _point(rows, design, point.vector + length * step)
            if trial.value >= point.value - slack:
                passes += 1
                following = _score(rows, design, trial)
                gains = trial.value >= point.value + _GAIN * length * slope
                if gains or portable.dot(following, step) >= (2 * _GAIN - 1) * slope:
                    return (trial, following), passes
        length /= 2
    return None, passes


def _direction(factor: Factor, score: Tensor, pairs: deque[tuple[Tensor, Tensor]]) -> Tensor:
    """An approximation of the inverse of minus the Hessian, times the score."""
    left = score
    shares = []
    for step, change in reversed(pairs):
        share = portable.dot(step, left) / portable.dot(step, change)
        shares.append(share)
        left = left - share * change
    result = factor.solve(left)
    for (step, change), share in zip(pairs, reversed(shares), strict=True):
        result = result + (share - portable.dot(change, result) / portable.dot(step, change)) * step
    return result


def _remember(pairs: deque[tuple[Tensor, Tensor]], step: Tensor, change: Tensor) -> None:
    """Keep a pair that tells of a curvature above 0, beyond rounding."""
    if portable.dot(step, change) > 1e-8 * portable.norm(step) * portable.norm(change):
        pairs.append((step, change))


def _penalty_score(rows: InferenceRows, design: Design, theta: Tensor, inverse: Tensor) -> Tensor:
    """The derivative of 1/2 ln det I by all of theta, (d + 1, k)."""
    forms = QuadraticForms(rows, design, inverse)

    def partials(block: Block) -> list[Tensor]:
        total = column_sums.zero(rows, rows.classes)
        for tile in rows.tiles(block, forms.numbers_a_row):
            p = rows.probabilities(tile, theta)
            change = torch.zeros(len(p), rows.classes, dtype=torch.float64)
            change[:, design.labels] = _excess(forms.matrices(tile), p[:, design.labels])
            portable.change_of_probabilities_(p, change, 1)
            total += column_sums.of_columns(rows, tile, change.T * (tile.weights / 2))
        return [total]

    leverage = torch.full((rows.classes,), float(design.size), dtype=torch.float64)
    (sums,) = rows.add(partials, [column_sums.column_bounds(rows, leverage)])
    return sums.T.contiguous()


def _excess(forms: Tensor, p: Tensor) -> Tensor:
    """h (t, f), of Q (t, f, f) and the free classes' probabilities (t, f)."""
    free = p.shape[1]
    means = portable.total((forms * p[:, None, :]).view(-1, free), 1).view(-1, free)
    return forms.diagonal(dim1=1, dim2=2) - 2 * means

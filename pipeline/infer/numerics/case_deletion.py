"""What it does to a maximum to leave out a single row: leverage, the one-step change of theta, Cook's distance.

Shapes are those of rows.py and design.py; theta is of z. V = H^-1 (q, q) is the inverse of the information, f are the
free classes. Of row i, of weight v, with r = p - y over the free classes (f,) and X (q, f) its columns in each class:

    Q_jl = x' V_jl x                                 W = v (diag(p) - p p')            (f, f)
    leverage      h = trace(W Q)                     0 to f, and q over all rows
    left out      d = V X r~,   r~ = (I - W Q)^-1 v r     theta without the row, less theta, by one step of Newton
    Cook          d'H d / q = r~'Q r~ / q

A row is left out with all its weight: of frequency weights, with all the rows that it stands for, so that W, leverage
and r have the weight in them. For two classes these are Pregibon's h and h chi^2 / ((1 - h)^2 q).

W = B B' with B = diag(s)(I - c s s') sqrt(v), s_j = sqrt(p_j) and c = 1 / (1 + sqrt(1 - s's)), so that
r~ = v r + B (I - B'Q B)^-1 B'Q v r takes a symmetric factor, and no class may be too rare for it. Where I - B'QB has
none, the row alone holds a direction of theta: without it there is no maximum, and the distance is infinite.
Source: Pregibon 1981, Logistic regression diagnostics, Annals of Statistics 9; Lesaffre and Albert 1989, Multiple-group
logistic regression diagnostics, Applied Statistics 38.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from pipeline.infer.numerics.design import Design
from pipeline.infer.numerics.quadratic_forms import QuadraticForms
from pipeline.infer.numerics.rows import InferenceRows, Tile
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.roots import square_root

_ALONE = 1e-12  # what rounding leaves of a pivot of I - B'QB that is 0


@dataclass(frozen=True)
class Deletions:
    """m rows, each left out by itself.

    ``positions`` (m,) count over all rows; ``distances`` are Cook's; ``probabilities`` (m,) of the rows' labels;
    ``residuals`` (m, k) are y - p; ``changes`` (m, f) are r~; ``logit_variances`` (m,) are the largest of a difference
    of two logits of the row; x (m, e) and codes (m, c) are those of a tile.
    """

    positions: Tensor
    distances: Tensor
    leverages: Tensor
    probabilities: Tensor
    residuals: Tensor
    changes: Tensor
    logit_variances: Tensor
    x: Tensor
    codes: Tensor

    @property
    def tensors(self) -> list[Tensor]:
        """All of it, in the order in which it is constructed."""
        return [getattr(self, field.name) for field in fields(self)]

    def take(self, places: Tensor) -> "Deletions":
        """Those at these places."""
        return Deletions(*(values[places] for values in self.tensors))


def joined(parts: Sequence[Deletions]) -> Deletions:
    """One part after the other."""
    return Deletions(*(torch.cat(values) for values in zip(*(part.tensors for part in parts), strict=True)))


def of_no_row(rows: InferenceRows, design: Design) -> Deletions:
    """None, m = 0."""
    number = torch.zeros(0, dtype=torch.float64)
    return Deletions(
        positions=torch.zeros(0, dtype=torch.int64),
        distances=number,
        leverages=number,
        probabilities=number,
        residuals=number.new_zeros(0, rows.classes),
        changes=number.new_zeros(0, len(design.labels)),
        logit_variances=number,
        x=number.new_zeros(0, rows.numbers + 1),
        codes=torch.zeros(0, len(rows.levels), dtype=torch.int32),
    )


def of_tile(
    rows: InferenceRows, design: Design, theta: Tensor, forms: QuadraticForms, tile: Tile, first: int
) -> Deletions:
    """All rows of the tile at a maximum, whose V the ``forms`` are of; ``first`` is the position of its first row."""
    residuals = rows.logits(tile, theta)
    p = portable.softmax_(residuals.clone(), 1)
    portable.losses_and_residuals_(residuals, tile.labels, 1)
    q = forms.matrices(tile)
    leverages, changes, failed = _left_out(q, p, residuals[:, design.labels], design, tile.weights)
    distances = _rowwise(changes, _times(q, changes)) / design.size
    return Deletions(
        positions=torch.arange(first, first + len(tile.labels)),
        distances=torch.where(failed, math.inf, distances.clamp(min=0.0)),
        leverages=leverages,
        probabilities=p.gather(1, tile.labels[:, None])[:, 0],
        residuals=-residuals,
        changes=changes,
        logit_variances=_logit_variances(q, design.is_full),
        x=tile.by_row,
        codes=tile.codes,
    )


def _left_out(
    q: Tensor, p: Tensor, residuals: Tensor, design: Design, weights: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Leverages (t,), r~ (t, f), and where there is none, v r in its place, (t,) bool."""
    s = square_root(p[:, design.labels].contiguous())
    fixed = torch.ones(p.shape[1], dtype=torch.bool)
    fixed[design.labels] = False
    of_fixed = portable.total(p[:, fixed], 1) if bool(fixed.any()) else torch.zeros(len(p), dtype=torch.float64)
    c = torch.ones_like(of_fixed) / (1 + square_root(of_fixed))
    between = s[:, :, None] * q * s[:, None, :]
    u = _times(between, s)
    cs = c[:, None] * s
    twice = cs[:, :, None] * u[:, None, :]
    middle = between - (twice + twice.mT) + _rowwise(s, u)[:, None, None] * (cs[:, :, None] * cs[:, None, :])
    middle = weights[:, None, None] * middle  # B'QB
    leverages = portable.total(middle.diagonal(dim1=1, dim2=2).contiguous(), 1)
    one = torch.eye(q.shape[1], dtype=torch.float64)
    lower, failed = portable.cholesky(one - middle)
    failed = failed | (lower.diagonal(dim1=1, dim2=2).amin(1) <= math.sqrt(_ALONE))
    lower = torch.where(failed[:, None, None], one, lower)
    right = s * _times(q, residuals)
    right -= cs * _rowwise(s, right)[:, None]
    z = portable.cholesky_solve(right[:, :, None].contiguous(), lower)[:, :, 0]
    back = s * (z - cs * _rowwise(s, z)[:, None])
    change = weights[:, None] * (residuals + weights[:, None] * back)
    return leverages, torch.where(failed[:, None], weights[:, None] * residuals, change), failed


def _times(matrices: Tensor, vectors: Tensor) -> Tensor:
    """(t, f) of (t, f, f) and (t, f)."""
    return portable.bmm(matrices, vectors[:, :, None].contiguous())[:, :, 0]


def _rowwise(a: Tensor, b: Tensor) -> Tensor:
    """The rows' scalar products, (t,)."""
    return portable.total(a * b, 1)


def _logit_variances(q: Tensor, is_full: bool) -> Tensor:
    own = q.diagonal(dim1=1, dim2=2)
    between = (own[:, :, None] + own[:, None, :] - 2 * q).amax((1, 2))
    return (between if is_full else torch.maximum(between, own.amax(1))).clamp(min=0.0)

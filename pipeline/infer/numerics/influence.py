"""What single rows do to a maximum: leverage, the one-step change of theta when a row is left out, Cook's distance.

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
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.infer.numerics import covariance as units_of
from pipeline.infer.numerics.design import Design
from pipeline.infer.numerics.rows import InferenceRows, Tile
from pipeline.numerics.data.block import row_counts
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.roots import square_root
from pipeline.numerics.exact.sums import in_order
from pipeline.parallel import workers

_ALONE = 1e-12  # what rounding leaves of a pivot of I - B'QB that is 0


@dataclass(frozen=True)
class Influence:
    """The m rows of largest Cook's distance, largest first, and what holds for all rows.

    ``positions`` (m,) count over the rows of rows.blocks; ``residuals`` (m, k) are y - p; ``probabilities`` (m,) of the
    rows' labels; ``moved`` (m, 2) the row and column of theta's entry that moves most, by ``moves`` (m,) of its
    standard errors, with the sign of its change. ``total_leverage`` is q but for rounding; ``spread`` is the S of
    maximum.py, of these rows and no bound.
    """

    positions: Tensor
    leverages: Tensor
    distances: Tensor
    residuals: Tensor
    probabilities: Tensor
    moved: Tensor
    moves: Tensor
    total_leverage: float
    spread: float


@dataclass(frozen=True)
class _Kept:
    """Rows on their way to the largest: ``changes`` (m, f) are r~, x (m, e) and codes (m, c) as in a tile."""

    positions: Tensor
    distances: Tensor
    leverages: Tensor
    probabilities: Tensor
    residuals: Tensor
    changes: Tensor
    x: Tensor
    codes: Tensor

    @property
    def tensors(self) -> list[Tensor]:
        first = [self.positions, self.distances, self.leverages, self.probabilities]
        return [*first, self.residuals, self.changes, self.x, self.codes]

    def take(self, places: Tensor) -> "_Kept":
        return _Kept(*(values[places] for values in self.tensors))


def _largest(parts: Sequence[_Kept], count: int) -> _Kept:
    """By distance, of equal ones the earlier row first: the same rows however they were dealt out."""
    joined = _Kept(*(torch.cat(values) for values in zip(*(part.tensors for part in parts), strict=True)))
    joined = joined.take(joined.positions.argsort(stable=True))
    return joined.take(joined.distances.argsort(stable=True, descending=True)[:count])


def most_influential(
    rows: InferenceRows,
    design: Design,
    theta: Tensor,
    covariance: Tensor,
    largest: int,
    units: tuple[Tensor, Tensor] | None = None,
) -> Influence:
    """One pass over all rows at a maximum, whose V is ``covariance``: no robust one, Maximum.factor's inverse.

    ``units`` are the scales and offsets of covariance.py, (d + 1,) each, of the columns whose theta is looked at for
    what moves most: b and its standard error depend on where the columns' 0 is. None for z's.

    Memory: ``largest`` rows a thread, and a number a block.
    """
    forms = _Forms(rows, design, covariance)
    starts = [0]
    for count in row_counts(rows.blocks):
        starts.append(starts[-1] + count)

    def share(places: range) -> list[Tensor]:
        kept, totals, spread = [_none(rows, design)], [], torch.zeros(1, dtype=torch.float64)
        for place in places:
            first, leverages = starts[place], []
            for tile in rows.tiles(rows.blocks[place], forms.numbers_a_row):
                of_tile, differences = _of_tile(rows, design, theta, forms, tile, first)
                first += len(tile.labels)
                leverages.append(of_tile.leverages)
                spread = torch.maximum(spread, differences.max())
                kept = [_largest([*kept, of_tile], largest)]
            totals.append(portable.long_total(torch.cat(leverages)).reshape(1))
        return [*kept[0].tensors, torch.cat([torch.zeros(1, dtype=torch.float64), *totals]), spread]

    # Threads deal with blocks in turn; no result depends on which has which.
    mine = workers.local_range(len(rows.blocks))
    shares = in_order(share, [mine[first :: rows.threads] for first in range(rows.threads)], rows.threads)
    everywhere = workers.all_gather_lists([_joined(shares, largest)])
    *kept, totals, spread = _joined(everywhere, largest)
    return _named(design, covariance, units, _Kept(*kept), math.fsum(totals.tolist()), math.sqrt(float(spread)))


def _none(rows: InferenceRows, design: Design) -> _Kept:
    numbers, places = torch.zeros(0, dtype=torch.float64), torch.zeros(0, dtype=torch.int64)
    of_classes, of_labels = numbers.view(0, 1).expand(0, rows.classes), numbers.view(0, 1).expand(0, len(design.labels))
    x, codes = numbers.view(0, 1).expand(0, rows.numbers + 1), places.to(torch.int32).view(0, 1)
    return _Kept(places, numbers, numbers, numbers, of_classes, of_labels, x, codes.expand(0, len(rows.levels)))


def _joined(shares: Sequence[Sequence[Tensor]], largest: int) -> list[Tensor]:
    kept = _largest([_Kept(*share[:-2]) for share in shares], largest)
    spread = torch.cat([share[-1] for share in shares]).amax(0, keepdim=True)
    return [*kept.tensors, torch.cat([share[-2] for share in shares]), spread]


class _Forms:
    """The quadratic forms x' V_jl x of pairs j <= l of free classes, in the parts of column_sums.of_pairs.

    P pairs: dense with dense (P, E), the levels with dense (levels, P e), all cells of two categories (cells, P).
    """

    def __init__(self, rows: InferenceRows, design: Design, covariance: Tensor) -> None:
        free, e, d, p = len(design.labels), len(design.columns), rows.columns, rows.numbers
        self.rows, self.free = rows, free
        self.first, self.second = torch.triu_indices(free, free)
        pairs = len(self.first)
        blocks = covariance.view(free, e, free, e)
        matrices = torch.zeros(pairs, d + 1, d + 1, dtype=torch.float64)
        for matrix, j, other in zip(matrices, self.first.tolist(), self.second.tolist(), strict=True):
            block = blocks[j, :, other]
            matrix[design.columns[:, None], design.columns] = (block + block.T) / 2
        dense = torch.tensor([*range(p), d])
        self._a, self._b = torch.triu_indices(p + 1, p + 1)
        twice = torch.where(self._a == self._b, 1.0, 2.0).to(torch.float64)
        self._dense = matrices[:, dense[self._a], dense[self._b]] * twice
        self._cells: Tensor | None = None
        if rows.levels:
            by_level = 2 * matrices[:, p:d][:, :, dense]
            by_level[:, :, -1] += matrices[:, p:d, p:d].diagonal(dim1=1, dim2=2)
            self._by_level = by_level.transpose(0, 1).reshape(d - p, -1).contiguous()
        if len(rows.levels) > 1:
            cells, self._cell_starts = [], [0]
            for a, b in self._category_pairs():
                of_a, of_b = self._levels(a), self._levels(b)
                cells.append(2 * matrices[:, of_a, of_b].reshape(pairs, -1).T)
                self._cell_starts.append(self._cell_starts[-1] + len(cells[-1]))
            self._cells = torch.cat(cells).contiguous()

    @property
    def numbers_a_row(self) -> int:
        """Of the largest array that a tile makes."""
        dense = self.rows.numbers + 1
        return max(len(self._a), len(self.first) * (dense if self.rows.levels else 1), self.free * self.free)

    def _category_pairs(self) -> list[tuple[int, int]]:
        categories = range(len(self.rows.levels))
        return [(a, b) for a in categories for b in categories if a < b]

    def _levels(self, category: int) -> slice:
        first = self.rows.numbers + self.rows.first_level_rows[category]
        return slice(first, first + self.rows.levels[category])

    def of_pairs(self, tile: Tile) -> Tensor:
        """(P, t)."""
        result = portable.matmul(self._dense, tile.x[self._a] * tile.x[self._b])
        if self.rows.levels:
            count = len(tile.labels)
            by_level = portable.levels_sum(tile.codes, self._by_level).view(count, len(self.first), -1)
            result += portable.bmm(by_level, tile.by_row[:, :, None])[:, :, 0].T
        if self._cells is not None:
            codes = []
            for (a, b), start in zip(self._category_pairs(), self._cell_starts, strict=False):
                first, second = (tile.codes[:, category] - self.rows.first_level_rows[category] for category in (a, b))
                codes.append(first * self.rows.levels[b] + second + start)
            result += portable.levels_sum(torch.stack(codes, 1).to(torch.int32), self._cells).T
        return result

    def matrices(self, of_pairs: Tensor) -> Tensor:
        """Q (t, f, f)."""
        result = torch.zeros(of_pairs.shape[1], self.free, self.free, dtype=torch.float64)
        result[:, self.first, self.second] = of_pairs.T
        result[:, self.second, self.first] = of_pairs.T
        return result


def _of_tile(
    rows: InferenceRows, design: Design, theta: Tensor, forms: _Forms, tile: Tile, first: int
) -> tuple[_Kept, Tensor]:
    """All rows of the tile, and of each the largest variance of a difference of logits, (t,)."""
    residuals = rows.logits(tile, theta)
    p = portable.softmax_(residuals.clone(), 1)
    portable.losses_and_residuals_(residuals, tile.labels, 1)
    q = forms.matrices(forms.of_pairs(tile))
    weights = tile.weights
    leverages, changes, failed = _left_out(q, p, residuals[:, design.labels], design, weights)
    distances = _rowwise(changes, _times(q, changes)) / design.size
    distances = torch.where(failed, math.inf, distances.clamp(min=0.0))
    count = len(tile.labels)
    kept = _Kept(
        positions=torch.arange(first, first + count),
        distances=distances,
        leverages=leverages,
        probabilities=p.gather(1, tile.labels[:, None])[:, 0],
        residuals=-residuals,
        changes=changes,
        x=tile.by_row,
        codes=tile.codes,
    )
    return kept, _differences(q, design.is_full)


def _left_out(
    q: Tensor, p: Tensor, residuals: Tensor, design: Design, weights: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Leverages (t,), r~ (t, f), and where there is none, v r in its place, (t,) bool."""
    s = square_root(p[:, design.labels].contiguous())
    held = torch.ones(p.shape[1], dtype=torch.bool)
    held[design.labels] = False
    at_rest = portable.total(p[:, held], 1) if bool(held.any()) else torch.zeros(len(p), dtype=torch.float64)
    c = torch.ones_like(at_rest) / (1 + square_root(at_rest))
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


def _differences(q: Tensor, is_full: bool) -> Tensor:
    own = q.diagonal(dim1=1, dim2=2)
    between = (own[:, :, None] + own[:, None, :] - 2 * q).amax((1, 2))
    return (between if is_full else torch.maximum(between, own.amax(1))).clamp(min=0.0)


def _named(
    design: Design,
    covariance: Tensor,
    units: tuple[Tensor, Tensor] | None,
    kept: _Kept,
    total_leverage: float,
    spread: float,
) -> Influence:
    count, numbers = len(kept.positions), kept.x.shape[1] - 1
    columns = torch.zeros(count, design.shape[0], dtype=torch.float64)
    columns[:, :numbers], columns[:, -1] = kept.x[:, :-1], kept.x[:, -1]
    columns.scatter_(1, kept.codes.long() + numbers, 1.0)
    vectors = kept.changes[:, :, None] * columns[:, design.columns][:, None, :]
    changes = portable.matmul(vectors.flatten(1), covariance)
    if units is not None:
        for line, change in enumerate(changes):
            changes[line] = design.vector(units_of.theta_in_units(design.theta(change), *units))
        covariance = units_of.in_units(covariance, design, *units)
    moves = changes / square_root(covariance.diagonal().contiguous())
    places = moves.abs().argmax(1)
    largest = moves[torch.arange(count), places]
    e = len(design.columns)
    return Influence(
        positions=kept.positions,
        leverages=kept.leverages,
        distances=kept.distances,
        residuals=kept.residuals,
        probabilities=kept.probabilities,
        moved=torch.stack([design.columns[places % e], design.labels[places // e]], 1),
        moves=torch.where(kept.distances.isinf(), largest.sign() * math.inf, largest),
        total_leverage=total_leverage,
        spread=spread,
    )

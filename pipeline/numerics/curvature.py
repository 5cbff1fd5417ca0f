"""The Hessian of the objective over (a sample of) the rows, in the shape of an arrow, and its Cholesky factor.

m rows, k classes, d columns of W. The columns of the category with the most levels couple only rows of one level, so
that part of the Hessian is block diagonal: L blocks of (k, k), one a level. They are eliminated first; what is left,
the Schur complement over numbers, other categories' levels and b (e columns, q = k * e), is dense and float64. Cost:
m q^2 / 2 products to add it up, L k^3 + L k q^2 + q^3 / 3 to factor, where a dense Cholesky takes (k d)^3 / 3.

Blocks of classes (i, j) with i < j are added up as X' diag(p_i p_j) X; since probabilities add up to 1, a diagonal
block is minus the sum of the others in its row, so the matrix is positive semidefinite up to rounding.

Probabilities may be mixed with the labels: curvature at (1 - mix) p + mix y keeps some where a row is badly misfitted
and p (1 - p) vanishes, so that a step is not too long.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.numerics import kernels
from pipeline.numerics.centring import Factor
from pipeline.numerics.cross_entropy import CrossEntropy
from pipeline.numerics.layout import Rows
from pipeline.numerics.roots import square_root
from pipeline.numerics.sums import Grid, exact_sums, scattered_sums

_TILE_ROWS = 2048  # scaled copies of the rows, (2048, q), stay in a core's cache
_CHUNK_ROWS = 32  # rows of one level multiplied together
_TILES_AT_ONCE = 8  # added in float64 by one thread before the sum goes to the grid
_PRODUCT_COLUMNS = 64  # narrower products leave the processor waiting

# In place of l2 where it is smaller, as a share of the column's own curvature: float32 products leave 1e-7 of it along
# collinear columns (b and the levels of a category always are), where curvature should be 0 and steps would have no
# end. A share of the mean would drown columns of small numbers beside columns of large ones: on diamonds as they are,
# prices in dollars beside weights in carats, 1,000 steps were too few where this takes a dozen.
_RIDGE = 1e-6


@dataclass(frozen=True)
class _Tile:
    """Rows that go through together: x (N, c, e), roots of weights (N, c, 1), their rows among the probabilities.

    ``levels`` (u,) names the levels in the tile and ``owners`` (N,) which of these each of the N chunks has; both None
    where no category is eliminated.
    """

    x: Tensor
    root_weights: Tensor
    rows: slice
    levels: Tensor | None = None
    owners: Tensor | None = None


class Arrow:
    """The rows laid out for building their Hessian at any theta."""

    def __init__(self, objective: CrossEntropy) -> None:
        """Copy the m rows, sorted by level; memory m * e float32."""
        self._objective = objective
        rows = objective.rows
        self._rows = rows
        self._largest = max(range(len(rows.levels)), key=lambda c: rows.levels[c]) if rows.levels else None
        self._level_count = 0 if self._largest is None else rows.levels[self._largest]
        dense, self._dense_columns = _dense_columns(rows, self._largest)
        self._width = dense.shape[1]
        weights = _weights(rows).to(torch.float32)
        self._bound = dense.abs().amax(0).to(torch.float64)
        if self._largest is None:
            self._order, self._tiles = None, _tiles(dense, weights)
        else:
            codes = torch.cat([block.codes[:, self._largest] for block in rows.packed]).long()
            codes -= rows.first_level_rows[self._largest]
            self._order, self._tiles = _tiles_by_level(dense, weights, codes, self._level_count)

    def factor(self, theta: Tensor, mix: float = 0.0) -> Factor:
        """The Cholesky factor of the Hessian at theta, with l2 and, for the bias's free shift, a gauge of 1 / k^2."""
        rows, l2, k, width = self._rows, self._objective.l2, self._rows.classes, self._width
        dense, coupling, within = self._sums(self._probabilities(theta, mix))
        dense = _from_pairs(dense.view(k, width, k, width) / rows.total_weight)
        diagonal = ridge(dense.diagonal().view(k, width).mean(0), _RIDGE).clamp(min=l2)
        if not rows.intercept:
            diagonal[-1] = 1.0  # its column is 0
        elif bool((diagonal == l2).all()):
            diagonal[-1] = 0.0
        dense.diagonal().add_(diagonal.repeat(k))
        bias = torch.arange(k) * width + width - 1
        dense[bias[:, None], bias[None]] += 1.0 / k**2
        if coupling is None or within is None:
            return rows.centre.uncentred(ArrowFactor(k, self._dense_columns, None, None, None, cholesky(dense)))
        within, coupling = _level_blocks(within / rows.total_weight, coupling / rows.total_weight, width)
        own = within.diagonal(dim1=1, dim2=2)
        own.add_(ridge(own.mean(1), _RIDGE).clamp(min=l2)[:, None])
        levels = cholesky(within)
        solved = torch.linalg.solve_triangular(levels, coupling, upper=False).reshape(-1, k * width).contiguous()
        rest = cholesky(dense - solved.T @ solved)
        return rows.centre.uncentred(ArrowFactor(k, self._dense_columns, self._level_columns, levels, solved, rest))

    @property
    def _level_columns(self) -> Tensor:
        assert self._largest is not None
        first = self._rows.numbers + self._rows.first_level_rows[self._largest]
        return torch.arange(first, first + self._level_count)

    def _probabilities(self, theta: Tensor, mix: float) -> Tensor:
        probabilities = self._objective.probabilities(theta)
        if mix:
            labels = torch.cat([block.labels.reshape(-1, 1) for block in self._rows.packed])
            probabilities = probabilities * (1 - mix)
            probabilities.scatter_add_(1, labels, probabilities.new_full((1, 1), mix).expand(labels.shape))
        if self._order is None:
            return probabilities
        return torch.cat([probabilities, probabilities.new_zeros(1, self._rows.classes)])[self._order]

    def _sums(self, probabilities: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """sum_i v_i p_i p_i' (x) x_i x_i' as dense (q, q), coupling (L, k, q) and within levels (L, k, k)."""
        k, q, total = self._rows.classes, self._rows.classes * self._width, self._rows.total_weight
        reach = self._bound.repeat(k) * math.sqrt(2 * total)
        grids = [Grid(reach[:, None] * reach[None, :] + 1e-300)]
        batches = [self._tiles[i : i + _TILES_AT_ONCE] for i in range(0, len(self._tiles), _TILES_AT_ONCE)]
        if self._largest is None:
            (dense,) = exact_sums(lambda b: [self._dense_sum(b, probabilities)], batches, grids, self._rows.threads)
            return dense, None, None
        grids += [Grid(2 * total * self._bound.repeat(k) + 1e-300), Grid(torch.tensor(2 * total))]

        def scatter(batch: Sequence[_Tile], totals: Sequence[Tensor]) -> None:
            totals[0].add_(grids[0].quantise(self._dense_sum(batch, probabilities)))
            for tile in batch:
                assert tile.levels is not None
                assert tile.owners is not None
                scaled, probability = self._scaled(tile, probabilities)
                for grid, into, right in zip(grids[1:], totals[1:], (scaled, probability), strict=True):
                    by_chunk = torch.bmm(probability.transpose(1, 2), right)
                    by_level = by_chunk.new_zeros(len(tile.levels), *by_chunk.shape[1:])
                    by_level.index_add_(0, tile.owners, by_chunk)
                    into.index_add_(0, tile.levels, grid.quantise(by_level.to(torch.float64)))

        shapes = [(q, q), (self._level_count, k, q), (self._level_count, k, k)]
        dense, coupling, within = scattered_sums(scatter, batches, shapes, grids, self._rows.threads)
        return dense, coupling, within

    def _scaled(self, tile: _Tile, probabilities: Tensor) -> tuple[Tensor, Tensor]:
        """sqrt(v) p (x) x, (N, c, q), and sqrt(v) p, (N, c, k)."""
        chunks, size, _ = tile.x.shape
        probability = probabilities[tile.rows].view(chunks, size, -1) * tile.root_weights
        scaled = kernels.buffer("scaled", (*probability.shape, self._width), torch.float32)
        torch.mul(probability[:, :, :, None], tile.x[:, :, None, :], out=scaled)
        return scaled.view(chunks, size, -1), probability

    def _dense_sum(self, batch: Sequence[_Tile], probabilities: Tensor) -> Tensor:
        """Pairs of classes i < j only; groups of classes are as wide as a product likes them."""
        k, width = self._rows.classes, self._width
        group = 1 if k == 2 else max(1, _PRODUCT_COLUMNS // width)
        result = torch.zeros(k * width, k * width, dtype=torch.float64)
        for tile in batch:
            scaled = self._scaled(tile, probabilities)[0].view(-1, k * width)
            for first in range(0, k - 1, group):
                last = min(k, first + group)
                start = (first if group > 1 else last) * width
                left = scaled[:, first * width : last * width]
                result[first * width : last * width, start:] += left.T @ scaled[:, start:]
        return result


@dataclass(frozen=True)
class ArrowFactor:
    """H = L L': ``solve`` gives H^-1 g."""

    classes: int
    dense_columns: Tensor
    level_columns: Tensor | None
    levels: Tensor | None
    solved: Tensor | None
    dense: Tensor

    def solve(self, gradient: Tensor) -> Tensor:
        """H^-1 g, both (d + 1, k) float64."""
        result = torch.empty_like(gradient)
        right = gradient[self.dense_columns].T.reshape(-1, 1)
        if self.level_columns is None or self.levels is None or self.solved is None:
            found = torch.cholesky_solve(right, self.dense)
        else:
            eliminated = torch.linalg.solve_triangular(
                self.levels, gradient[self.level_columns][:, :, None], upper=False
            ).reshape(-1, 1)
            found = torch.cholesky_solve(right - self.solved.T @ eliminated, self.dense)
            rest = (eliminated - self.solved @ found).view(-1, self.classes, 1)
            result[self.level_columns] = torch.linalg.solve_triangular(self.levels.mT, rest, upper=True)[:, :, 0]
        result[self.dense_columns] = found.view(self.classes, -1).T
        return result


def _weights(rows: Rows) -> Tensor:
    """Of all rows, (m, 1) float64."""
    parts = [
        torch.ones(block.rows, 1, dtype=torch.float64) if block.weights is None else block.weights.reshape(-1, 1)
        for block in rows.packed
    ]
    return torch.cat(parts)


def _dense_columns(rows: Rows, eliminated: int | None) -> tuple[Tensor, Tensor]:
    """Centred numbers, levels of the categories that stay, one-hot, and a 1 for b, (m, e) float32; their places."""
    parts = [torch.cat([rows.centre.centred(block.numbers) for block in rows.packed])]
    places = [torch.arange(rows.numbers)]
    for category, (first, levels) in enumerate(zip(rows.first_level_rows, rows.levels, strict=True)):
        if category != eliminated:
            codes = torch.cat([block.codes[:, category] for block in rows.packed]).long() - first
            parts.append(functional.one_hot(codes, levels).to(torch.float32))
            places.append(torch.arange(levels) + rows.numbers + first)
    parts.append(torch.full((rows.count, 1), float(rows.intercept)))
    places.append(torch.tensor([rows.columns]))
    return torch.cat(parts, 1), torch.cat(places)


def _tiles(dense: Tensor, weights: Tensor) -> list[_Tile]:
    roots = square_root(weights)
    return [
        _Tile(dense[i : i + _TILE_ROWS][None], roots[i : i + _TILE_ROWS][None], slice(i, i + _TILE_ROWS))
        for i in range(0, len(dense), _TILE_ROWS)
    ]


def _tiles_by_level(dense: Tensor, weights: Tensor, codes: Tensor, levels: int) -> tuple[Tensor, list[_Tile]]:
    """Rows sorted by level, each level filled up to whole chunks with rows of zeros; and the order, m for a filler."""
    count = len(codes)
    sizes = torch.bincount(codes, minlength=levels)
    chunks = (sizes + _CHUNK_ROWS - 1) // _CHUNK_ROWS
    by_level = torch.argsort(codes, stable=True)
    level = codes[by_level]
    slots = (chunks.cumsum(0) - chunks)[level] * _CHUNK_ROWS + torch.arange(count) - (sizes.cumsum(0) - sizes)[level]
    order = torch.full((int(chunks.sum()) * _CHUNK_ROWS,), count)
    order[slots] = by_level
    x = torch.cat([dense, dense.new_zeros(1, dense.shape[1])])[order].view(-1, _CHUNK_ROWS, dense.shape[1])
    roots = square_root(torch.cat([weights, weights.new_zeros(1, 1)])[order]).view(-1, _CHUNK_ROWS, 1)
    names = torch.repeat_interleave(torch.arange(levels), chunks)
    step = _TILE_ROWS // _CHUNK_ROWS
    tiles = [
        _Tile(
            x[i : i + step],
            roots[i : i + step],
            slice(i * _CHUNK_ROWS, min(len(x), i + step) * _CHUNK_ROWS),
            *torch.unique_consecutive(names[i : i + step], return_inverse=True),
        )
        for i in range(0, len(x), step)
    ]
    return order, tiles


def _from_pairs(sums: Tensor) -> Tensor:
    """The Hessian (q, q) from sums (k, e, k, e) of which only pairs of classes i < j are read."""
    k, width, _, _ = sums.shape
    pairs = sums * torch.triu(torch.ones(k, k, dtype=torch.float64), 1)[:, None, :, None]
    pairs = pairs + pairs.permute(2, 3, 0, 1)
    own = torch.diag_embed(pairs.sum(2).permute(1, 2, 0)).permute(2, 0, 3, 1)
    return (own - pairs).reshape(k * width, k * width).clone()


def _level_blocks(within: Tensor, coupling: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """The same for the levels: (L, k, k) and (L, k, q)."""
    levels, k, _ = within.shape
    identity = torch.eye(k, dtype=torch.float64)
    within = within * (1 - identity)
    coupling = coupling.view(levels, k, k, width) * (1 - identity)[None, :, :, None]
    own = identity[None, :, :, None] * coupling.sum(1, keepdim=True)
    return torch.diag_embed(within.sum(2)) - within, (own - coupling).reshape(levels, k, k * width)


def ridge(curvature: Tensor, share: float) -> Tensor:
    """``share`` of each column's own curvature (..., e), as much as rounding leaves; of the mean where it has none."""
    return share * torch.where(curvature > 0, curvature, curvature.mean(-1, keepdim=True))


def cholesky(matrix: Tensor) -> Tensor:
    """The lower factors (..., q, q); diagonals that rounding made too small are raised until there are some."""
    raised, diagonal = 0.0, matrix.diagonal(dim1=-2, dim2=-1).abs()
    while True:
        factor: Tensor
        factor, failed = torch.linalg.cholesky_ex(matrix + raised * torch.diag_embed(diagonal))
        if not bool(failed.any()):
            return factor
        if raised > 1.0:
            raise OverflowError("the curvature holds a number that is NaN or infinite")
        raised = max(raised * 10, 1e-12)

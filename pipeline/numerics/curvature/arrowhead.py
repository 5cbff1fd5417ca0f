"""The Hessian of the objective over (a sample of) the rows, in the shape of an arrow, and its Cholesky factor.

m rows, k classes, d columns of W. The columns of the category with the most levels couple only rows of one level, so
that part of the Hessian is block diagonal: L blocks of (k, k), one a level. They are eliminated first; what is left,
the Schur complement over numbers, other categories' levels and b (e columns, q = k * e), is dense and float64. Cost:
some m q^2 / 4 products to add it up (pair_sums.py), L k^3 + L k q^2 + q^3 / 3 to factor, where a dense Cholesky takes
(k d)^3 / 3.

Probabilities may be mixed with the labels: curvature at (1 - mix) p + mix y keeps some where a row is badly misfitted
and p (1 - p) vanishes, so that a step is not too long.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.numerics.curvature import pair_sums
from pipeline.numerics.data import ordering
from pipeline.numerics.data.block import row_weights
from pipeline.numerics.data.centring import Preconditioner
from pipeline.numerics.data.layout import Rows
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.roots import square_root
from pipeline.numerics.exact.sums import Grid, exact_sums, scattered_sums
from pipeline.numerics.objective import softmax
from pipeline.numerics.objective.packed import PackedObjective

# Rows of a tile, whose products of columns stay in a core's cache; and rows that one thread adds up in float64 before
# the sum goes to the grid.
_PRODUCTS_AT_ONCE, _FEWEST_ROWS, _MOST_ROWS = 1 << 21, 512, 8192
_BATCH_ROWS = 8192
_CHUNK_ROWS = 32  # rows of one level multiplied together

# In place of l2 where it is smaller, as a share of the column's own curvature: float32 products leave 1e-7 of it along
# collinear columns (b and the levels of a category always are), where curvature should be 0 and steps would have no
# end. A share of the mean would drown columns of small numbers beside columns of large ones: on diamonds as they are,
# prices in dollars beside weights in carats, 1,000 steps were too few where this takes a dozen.
_RIDGE = 1e-6


@dataclass(frozen=True)
class _Tile:
    """Rows that go through together, t of them: x (e, t), weights (t,), and where they are among the probabilities.

    ``levels`` (u,) names the levels in the tile and ``owners`` which of these each chunk of rows has; both None where
    no category is eliminated.
    """

    x: Tensor
    weights: Tensor
    rows: slice
    levels: Tensor | None = None
    owners: Tensor | None = None


class ArrowheadHessian:
    """The rows laid out for building their Hessian at any theta."""

    def __init__(self, objective: PackedObjective) -> None:
        """Copy the m rows, sorted by level; memory m * e float32."""
        self._objective = objective
        rows = objective.rows
        self._rows = rows
        self._largest = rows.largest_category
        self._level_count = 0 if self._largest is None else rows.levels[self._largest]
        x, self._dense_columns = _dense_columns(rows, self._largest)
        self._width = len(x)
        self._bound = x.abs().amax(1).to(torch.float64)
        self._labels = torch.cat([block.labels.reshape(-1) for block in rows.packed])[None]
        weights = torch.cat([row_weights(block.weights, block.rows) for block in rows.packed]).to(torch.float32)
        size = _tile_rows(len(x))
        if self._largest is None:
            self._order, self._tiles = None, _tiles(x, weights, size)
        else:
            codes = torch.cat([block.codes[:, self._largest] for block in rows.packed]).long()
            codes -= rows.first_level_rows[self._largest]
            self._order, self._tiles = _tiles_by_level(x, weights, codes, self._level_count, size)
        at_once = _BATCH_ROWS // size
        self._batches = [self._tiles[i : i + at_once] for i in range(0, len(self._tiles), at_once)]

    def factor(self, theta: Tensor, mix: float = 0.0) -> Preconditioner:
        """The Cholesky factor of the Hessian at theta, with l2 and, for the bias's free shift, a gauge of 1 / k^2."""
        rows, l2, k, width = self._rows, self._objective.l2, self._rows.classes, self._width
        of_pairs, by_level = self._sums(self._probabilities(theta, mix))
        dense = pair_sums.matrix(of_pairs / rows.total_weight, k, width)
        bias = torch.arange(k) * width + width - 1
        if not rows.intercept:
            dense[bias], dense[:, bias] = 0.0, 0.0
        diagonal = ridge(portable.mean(dense.diagonal().reshape(k, width), 0), _RIDGE).clamp(min=l2)
        if not rows.intercept:
            diagonal[-1] = 1.0
        elif bool((diagonal == l2).all()):
            diagonal[-1] = 0.0
        dense.diagonal().add_(diagonal.repeat(k))
        dense[bias[:, None], bias[None]] += 1.0 / (k * k)
        if by_level is None:
            return rows.centre.uncentred(ArrowFactor(k, self._dense_columns, None, None, None, cholesky(dense)))
        coupling = pair_sums.blocks(by_level / rows.total_weight, k)
        within = coupling[..., -1].clone()  # of the levels' columns: they are 1 where b's is, and 0 elsewhere
        if not rows.intercept:
            coupling[..., -1] = 0.0
        own = within.diagonal(dim1=1, dim2=2)
        own.add_(ridge(portable.mean(own, 1), _RIDGE).clamp(min=l2)[:, None])
        levels = cholesky(within)
        solved = portable.solve_triangular(levels, coupling.view(-1, k, k * width)).view(-1, k * width)
        rest = cholesky(portable.add_matmul(dense, solved.T, solved, sign=-1.0))
        return rows.centre.uncentred(ArrowFactor(k, self._dense_columns, self._level_columns, levels, solved, rest))

    @property
    def _level_columns(self) -> Tensor:
        assert self._largest is not None
        first = self._rows.numbers + self._rows.first_level_rows[self._largest]
        return torch.arange(first, first + self._level_count)

    def _probabilities(self, theta: Tensor, mix: float) -> Tensor:
        """In the order of the tiles, (k, m), a row that fills a level up to chunks with those of any row."""
        probabilities = self._objective.probabilities(theta)
        softmax.mix_in_labels(probabilities, self._labels, mix)
        return probabilities if self._order is None else probabilities.index_select(1, self._order)

    def _sums(self, probabilities: Tensor) -> tuple[Tensor, Tensor | None]:
        """sum_i v_i p_i p_i' (x) x_i x_i' over pairs (P, E), and in each level with one column, (L, P, e)."""
        classes = pair_sums.count(self._rows.classes, 1)
        reach = 2 * self._rows.total_weight
        grids = [Grid(reach * pair_sums.bounds(self._bound) + 1e-300), Grid(reach * self._bound + 1e-300)]

        def partials(batch: Sequence[_Tile]) -> list[Tensor]:
            total = torch.zeros(classes, pair_sums.count(self._width), dtype=torch.float64)
            for tile in batch:
                total += pair_sums.sums(pair_sums.of_classes(probabilities[:, tile.rows], tile.weights), tile.x)
            return [total]

        if self._largest is None:
            (dense,) = exact_sums(partials, self._batches, lambda: grids[:1], self._rows.threads)
            return dense, None

        def scatter(batch: Sequence[_Tile], totals: Sequence[Tensor]) -> None:
            total = torch.zeros(totals[0].shape, dtype=torch.float64)
            for tile in batch:
                of_classes = pair_sums.of_classes(probabilities[:, tile.rows], tile.weights)
                total += pair_sums.sums(of_classes, tile.x)
                assert tile.levels is not None
                assert tile.owners is not None
                by_chunk = portable.bmm(_chunks(of_classes), _chunks(tile.x).mT)
                owners = tile.owners[:, None].to(torch.int32)
                by_level = portable.sum_by_code(owners, by_chunk.flatten(1), len(tile.levels))
                totals[1].index_add_(
                    0, tile.levels, grids[1].quantise(by_level.view(len(tile.levels), *by_chunk.shape[1:]))
                )
            totals[0].add_(grids[0].quantise(total))

        shapes = [(classes, pair_sums.count(self._width)), (self._level_count, classes, self._width)]
        dense, coupling = scattered_sums(scatter, self._batches, shapes, grids, self._rows.threads)
        return dense, coupling


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
            solution = portable.cholesky_solve(right, self.dense)
        else:
            eliminated = portable.solve_triangular(self.levels, gradient[self.level_columns][:, :, None]).view(-1, 1)
            right = right - portable.matmul(self.solved.T, eliminated)
            solution = portable.cholesky_solve(right, self.dense)
            rest = (eliminated - portable.matmul(self.solved, solution)).view(-1, self.classes, 1)
            result[self.level_columns] = portable.solve_triangular(self.levels, rest, transposed=True)[:, :, 0]
        result[self.dense_columns] = solution.view(self.classes, -1).T
        return result


def _dense_columns(rows: Rows, eliminated: int | None) -> tuple[Tensor, Tensor]:
    """Centred numbers, levels of the categories that stay, one-hot, and a 1 for b, (e, m) float32; their places."""
    parts = [torch.cat([rows.centre.centred(block.numbers).T for block in rows.packed], 1)]
    places = [torch.arange(rows.numbers)]
    for category, (first, levels) in enumerate(zip(rows.first_level_rows, rows.levels, strict=True)):
        if category != eliminated:
            codes = torch.cat([block.codes[:, category] for block in rows.packed]).long() - first
            parts.append(torch.zeros(levels, rows.count).scatter_(0, codes[None], 1.0))
            places.append(torch.arange(levels) + rows.numbers + first)
    parts.append(torch.ones(1, rows.count))
    places.append(torch.tensor([rows.columns]))
    return torch.cat(parts), torch.cat(places)


def _tile_rows(width: int) -> int:
    """A power of two."""
    rows = _MOST_ROWS
    while rows > _FEWEST_ROWS and rows * pair_sums.count(width) > _PRODUCTS_AT_ONCE:
        rows //= 2
    return rows


def _tiles(x: Tensor, weights: Tensor, size: int) -> list[_Tile]:
    starts = range(0, len(weights), size)
    return [_Tile(x[:, i : i + size], weights[i : i + size], slice(i, i + size)) for i in starts]


def _tiles_by_level(x: Tensor, weights: Tensor, codes: Tensor, levels: int, size: int) -> tuple[Tensor, list[_Tile]]:
    """Rows sorted by level, each level filled up to whole chunks with row 0 at weight 0; and the order."""
    count = len(codes)
    sizes = torch.bincount(codes, minlength=levels)
    chunks = (sizes + _CHUNK_ROWS - 1) // _CHUNK_ROWS
    by_level = ordering.by_key(codes, levels)
    level = codes[by_level]
    slots = (chunks.cumsum(0) - chunks)[level] * _CHUNK_ROWS + torch.arange(count) - (sizes.cumsum(0) - sizes)[level]
    order = torch.zeros(int(chunks.sum()) * _CHUNK_ROWS, dtype=torch.int64)
    order[slots] = by_level
    sorted_weights = weights.new_zeros(len(order))
    sorted_weights[slots] = weights[by_level]
    names = torch.repeat_interleave(torch.arange(levels), chunks)
    at_once = size // _CHUNK_ROWS
    return order, [
        _Tile(tile.x, tile.weights, tile.rows, *torch.unique_consecutive(of_tile, return_inverse=True))
        for tile, of_tile in zip(
            _tiles(x.index_select(1, order), sorted_weights, size), torch.split(names, at_once), strict=True
        )
    ]


def _chunks(values: Tensor) -> Tensor:
    """Rows (w, t) as chunks of them, (N, w, c)."""
    return values.view(len(values), values.shape[1] // _CHUNK_ROWS, _CHUNK_ROWS).transpose(0, 1)


def ridge(curvature: Tensor, share: float) -> Tensor:
    """``share`` of each column's own curvature (..., e), as much as rounding leaves; of the mean where it has none."""
    return share * torch.where(curvature > 0, curvature, portable.mean(curvature, -1, keepdim=True))


def cholesky(matrix: Tensor) -> Tensor:
    """The lower factors (..., q, q); diagonals that rounding made too small are raised until there are some.

    Where they would more than double, rounding outweighs all that the matrix holds, and its diagonal alone is taken.
    Raises: OverflowError if a number is NaN or infinite.
    """
    if not bool(matrix.isfinite().all()):
        raise OverflowError("the curvature holds a number that is NaN or infinite")
    diagonal = matrix.diagonal(dim1=-2, dim2=-1).abs()
    raised = diagonal.new_zeros(diagonal.shape[:-1])
    while True:
        factor: Tensor
        factor, failed = portable.cholesky(matrix + torch.diag_embed(raised[..., None] * diagonal))
        if not bool(failed.any()):
            return factor
        if float(raised.max()) > 1.0:
            break
        raised = torch.where(failed, (raised * 10).clamp(min=1e-12), raised)
    mean = portable.mean(diagonal, -1, keepdim=True)
    mean = torch.where(mean > 0, mean, 1.0)
    alone = torch.diag_embed(square_root(torch.where(diagonal > 0, diagonal, mean)))
    factor = torch.where(failed[..., None, None], alone, factor)
    return factor

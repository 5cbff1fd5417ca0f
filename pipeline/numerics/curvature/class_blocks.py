"""The Hessian's diagonal block of each class, for rows with categories of many levels.

Shapes are those of data/layout.py.

One class has X'SX, S = diag(v p (1 - p)). Numbers, small categories and b are the dense columns, e of them. The levels
of the other m categories, L of them, are eliminated as if no row had two: that leaves a diagonal D beside the coupling
C (L, e) and the dense block A: the Schur complement A - C'C / D is dense, (e, e). With m > 1 D is taken m times, since
(a + u_1 + ... + u_m)^2 <= m sum_c (a / m + u_c)^2: the matrix is then at least the block, never indefinite, and m times
the block at most where the categories tell different things. Cost a build: n k (c^2 + c p + p^2) and k L e^2.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.numerics.curvature.arrowhead import cholesky, ridge
from pipeline.numerics.data.centring import Preconditioner
from pipeline.numerics.data.layout import PackedBlock
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.sums import Grid, scattered_sums
from pipeline.numerics.objective import products, softmax
from pipeline.numerics.objective.packed import PackedObjective

_MOST_DENSE = 256  # e
_RIDGE = 1e-7  # of a column's own curvature: float32 products leave that much


def dense_categories(levels: Sequence[int], numbers: int) -> list[int]:
    """The categories in the dense block, ascending: the smallest, never the largest."""
    by_size = sorted(range(len(levels)), key=lambda category: (levels[category], category))
    chosen, width = [], numbers + 1
    for category in by_size[:-1]:
        width += levels[category]
        if width > _MOST_DENSE:
            break
        chosen.append(category)
    return sorted(chosen)


def needed_bytes(levels: Sequence[int], numbers: int, classes: int) -> int:
    """Memory for building it: int64 totals of two threads and the float32 result."""
    dense = sum(levels[category] for category in dense_categories(levels, numbers))
    width = numbers + 1 + dense
    return classes * (width * (sum(levels) - dense) * 24 + width * width * 24)


class ClassBlocks:
    """Builds the k factors at any theta; with categories only."""

    def __init__(self, objective: PackedObjective) -> None:
        """Choose the dense columns."""
        self._objective = objective
        rows, starts = objective.rows, objective.rows.first_level_rows
        dense = dense_categories(rows.levels, rows.numbers)
        every = range(len(rows.levels))
        self._eliminated = [category for category in every if category not in dense]
        self._pairs = [(one, other) for other in dense for one in every if one not in dense or one < other]
        self._dense_levels, self._eliminated_levels = (
            torch.cat([torch.arange(0), *(torch.arange(starts[c], starts[c] + rows.levels[c]) for c in chosen)])
            for chosen in (dense, self._eliminated)
        )
        # Where the columns of the dense block are: numbers, levels, b.
        self._number_places = torch.tensor([*range(rows.numbers), rows.numbers + len(self._dense_levels)])
        self._level_places = torch.full((sum(rows.levels),), -1)
        self._level_places[self._dense_levels] = torch.arange(len(self._dense_levels)) + rows.numbers
        self._level_places[self._eliminated_levels] = torch.arange(len(self._eliminated_levels))

    def factor(self, theta: Tensor, mix: float = 0.0) -> Preconditioner:  # noqa: ARG002  (the curvature as it is)
        """The factors at theta."""
        rows, l2 = self._objective.rows, self._objective.l2
        block, coupling, diagonal = self._assembled([sums / rows.total_weight for sums in self._sums(theta)])
        dense = block.diagonal(dim1=1, dim2=2)
        dense.add_(l2 + ridge(dense, _RIDGE))
        diagonal = diagonal * len(self._eliminated)
        diagonal += l2 + ridge(diagonal, _RIDGE)
        coupling = coupling.to(torch.float32)
        for of_class, sides, middle in zip(block, coupling, diagonal, strict=True):
            wide = sides.to(torch.float64)
            portable.add_matmul(of_class, wide.T, wide / middle[:, None], sign=-1.0)
        places = torch.cat(
            [torch.arange(rows.numbers), self._dense_levels + rows.numbers, torch.tensor([rows.columns])]
        )
        factors = torch.stack([cholesky(of_class) for of_class in block])
        return rows.centre.uncentred(
            ClassBlocksFactor(places, self._eliminated_levels + rows.numbers, factors, coupling, diagonal)
        )

    def _sums(self, theta: Tensor) -> list[Tensor]:
        """sum_i v_i p_i (1 - p_i) times products of columns.

        Numbers and 1 with one another (k (p + 1), p + 1), and with all levels (levels, k (p + 1)); then for each of
        the pairs of categories the rows that have two levels, (levels, levels, k).
        """
        rows, k = self._objective.rows, self._objective.rows.classes
        values = products.operands(rows, theta, torch.float32)
        reach = rows.centre.largest[[*range(rows.numbers), rows.columns]] * 2 * rows.total_weight
        counts = Grid(torch.tensor(2 * rows.total_weight, dtype=torch.float64))
        largest = reach.T / (2 * rows.total_weight)
        grids = [Grid(reach.repeat(k, 1) * largest), Grid(reach.T.repeat(1, k)), *(counts for _ in self._pairs)]

        def scatter(block: PackedBlock, totals: Sequence[Tensor]) -> None:
            probabilities = softmax.probabilities(rows, products.logits(block, values, torch.float32))
            variances = softmax.class_variances(probabilities, block.weights)
            variances = variances[:, :k] if rows.row_major else variances.T.contiguous()
            x = products.with_constant(rows.centre.centred(block.numbers))
            scaled = (variances[:, :, None] * x[:, None, :]).view(block.rows, -1)
            totals[0].add_(grids[0].quantise(portable.long_matmul(scaled.T, x)))
            totals[1].add_(grids[1].quantise(products.by_level(rows, block, scaled)))
            steps = counts.quantise(variances.to(torch.float64))
            for (one, other), total in zip(self._pairs, totals[2:], strict=True):
                first, second = (block.codes[:, c].long() - rows.first_level_rows[c] for c in (one, other))
                total.view(-1, k).index_add_(0, first * rows.levels[other] + second, steps)

        width = rows.numbers + 1
        tables = [(rows.levels[one], rows.levels[other], k) for one, other in self._pairs]
        shapes = [(k * width, width), (sum(rows.levels), k * width), *tables]
        return scattered_sums(scatter, rows.packed, shapes, grids, rows.threads)

    def _assembled(self, sums: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """The dense block (k, e, e), the coupling (k, L, e) and the eliminated diagonal (k, L)."""
        rows, k, width = self._objective.rows, self._objective.rows.classes, self._objective.rows.numbers + 1
        own, by_level, *tables = sums
        by_level = by_level.view(-1, k, width).transpose(0, 1)
        e = width + len(self._dense_levels)
        block = torch.zeros(k, e, e, dtype=torch.float64)
        coupling = torch.zeros(k, len(self._eliminated_levels), e, dtype=torch.float64)
        places, levels = self._number_places, self._level_places[self._dense_levels]
        block[:, places[:, None], places] = own.view(k, width, width)
        block[:, levels[:, None], places] = by_level[:, self._dense_levels]
        block[:, places[:, None], levels] = by_level[:, self._dense_levels].mT
        block[:, levels, levels] = by_level[:, self._dense_levels, -1]
        coupling[:, :, places] = by_level[:, self._eliminated_levels]
        for (one, other), table in zip(self._pairs, tables, strict=True):
            first, second = (self._places_of(category) for category in (one, other))
            into = coupling if one in self._eliminated else block
            into[:, first[:, None], second] = table.permute(2, 0, 1)
            if into is block:
                block[:, second[:, None], first] = table.permute(2, 1, 0)
        if not rows.intercept:
            block[:, -1], block[:, :, -1], coupling[:, :, -1] = 0.0, 0.0, 0.0
        return block, coupling, by_level[:, self._eliminated_levels, -1]

    def _places_of(self, category: int) -> Tensor:
        first = self._objective.rows.first_level_rows[category]
        return self._level_places[first : first + self._objective.rows.levels[category]]


@dataclass(frozen=True)
class ClassBlocksFactor:
    """dense (e,) and eliminated (L,) are columns of theta; factors (k, e, e); coupling (k, L, e); diagonal (k, L)."""

    dense: Tensor
    eliminated: Tensor
    factors: Tensor
    coupling: Tensor
    diagonal: Tensor

    def solve(self, gradient: Tensor) -> Tensor:
        """H0^-1 g, both (d + 1, k) float64; the coupling is taken in float32, as it was added up."""
        first = gradient[self.eliminated].T / self.diagonal
        through = portable.bmm(first.to(torch.float32)[:, None], self.coupling)[:, 0]
        right = gradient[self.dense].T - through
        solution = portable.cholesky_solve(right[:, :, None], self.factors)[:, :, 0]
        back = portable.bmm(self.coupling, solution.to(torch.float32)[:, :, None])[:, :, 0]
        result = torch.empty_like(gradient)
        result[self.dense] = solution.T
        result[self.eliminated] = (first - back / self.diagonal).T
        return result

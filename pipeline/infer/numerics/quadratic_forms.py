"""Quadratic forms of rows, x'Vx for each two classes, over dense columns and codes of categories.

Shapes are those of rows.py and design.py. V (q, q) is a matrix over the free entries of theta, V_jl (e, e) its block of
the free classes j and l, of which there are P = f (f + 1) / 2 pairs j <= l; an entry of a column that is not free is 0.
With z (p + 1,) a row's dense columns and s, t its levels in each category, each form is

    Q_jl = x' V_jl x = z' V_zz z + sum over categories (2 V_sz z + V_ss) + sum over each two categories 2 V_st

computed as the scalar product of z with V z, which has the levels in it: a row costs P (p^2 + categories p) products
and no more memory than V z, however many columns there are.
"""

import torch
from torch import Tensor

from pipeline.infer.numerics.design import Design
from pipeline.infer.numerics.rows import InferenceRows, Tile
from pipeline.numerics.exact import portable


class QuadraticForms:
    """The forms of any rows by one matrix; made once, asked for each tile."""

    def __init__(self, rows: InferenceRows, design: Design, matrix: Tensor) -> None:
        """``matrix`` is V (q, q), of which the symmetric part counts."""
        self._rows, self._free = rows, len(design.labels)
        first, second = torch.triu_indices(self._free, self._free)
        self._pairs, dense, levels = len(first), [*range(rows.numbers), rows.columns], slice(rows.numbers, -1)
        self._pair_of = torch.zeros(self._free, self._free, dtype=torch.int64)
        self._pair_of[first, second] = self._pair_of[second, first] = torch.arange(self._pairs)
        # The symmetric part of V_jl over the rows of theta, (P, d + 1, d + 1).
        e, size = len(design.columns), rows.columns + 1
        free = matrix.view(self._free, e, self._free, e).transpose(1, 2)[first, second]
        blocks = torch.zeros(self._pairs, size, size, dtype=torch.float64)
        blocks[:, design.columns[:, None], design.columns] = (free + free.mT) / 2
        by_column = blocks[:, :, dense].transpose(0, 1).reshape(size, -1).contiguous()
        self._of_dense, self._of_levels = by_column[dense], 2 * by_column[levels]
        self._of_same_levels = blocks.diagonal(dim1=1, dim2=2)[:, levels].T.contiguous()
        # 2 V_st of each two categories, (cells, P), as InferenceRows.cells numbers them.
        self._of_cells = [
            2 * blocks[:, rows.level_columns(one), rows.level_columns(other)].reshape(self._pairs, -1).T.contiguous()
            for one, other in rows.category_pairs
        ]

    @property
    def numbers_a_row(self) -> int:
        """V z of each pair of classes: the largest array that a row takes part in."""
        return max(self._pairs * (self._rows.numbers + 1), self._free * self._free)

    def of_pairs(self, tile: Tile) -> Tensor:
        """Q_jl of the pairs j <= l, (t, P)."""
        rows, e = self._rows, self._rows.numbers + 1
        products = portable.matmul(tile.by_row, self._of_dense)
        if rows.levels:
            products += portable.levels_sum(tile.codes, self._of_levels)
        terms = products.view(-1, self._pairs, e) * tile.by_row[:, None, :]
        result = portable.total(terms.view(-1, e), 1).view(-1, self._pairs)
        if rows.levels:
            result = result + portable.levels_sum(tile.codes, self._of_same_levels)
        for pair, of_cells in zip(rows.category_pairs, self._of_cells, strict=True):
            result = result + portable.levels_sum(rows.cells(tile, *pair)[:, None].contiguous(), of_cells)
        return result

    def matrices(self, tile: Tile) -> Tensor:
        """Q (t, f, f), symmetric."""
        of_pairs = self.of_pairs(tile).index_select(1, self._pair_of.reshape(-1))
        return of_pairs.view(-1, self._free, self._free)

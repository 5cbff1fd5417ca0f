"""Weighted sums over rows of columns, and of products of two columns, where categories stay codes.

Shapes are those of rows.py. A quantity is a weight of each row, of which there are Q at once: a pair of classes, say.
Of columns: sum_i u_qi x_ia, (Q, d + 1). Of pairs of columns: sum_i u_qi x_ia x_ib, (Q, d + 1, d + 1), in parts: dense
with dense (Q, E), E pairs as pair_sums.py has them; the levels with dense (Q, levels, e); of each two categories the
levels with the levels (Q, l l'). Cost a row: Q (E + c e + c^2 / 2), where one-hot columns took Q d^2 / 2.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.infer.numerics.rows import InferenceRows, Tile
from pipeline.numerics.curvature import pair_sums
from pipeline.numerics.exact import portable

Parts = list[Tensor]


def numbers_a_row(rows: InferenceRows, pairs: int) -> int:
    """What ``of_pairs`` holds of a row, of ``pairs`` quantities."""
    return max(pair_sums.count(rows.numbers + 1), pairs * (rows.numbers + 1) if rows.levels else pairs)


def zero(rows: InferenceRows, quantities: int) -> Tensor:
    """Sums of columns over no rows, (Q, d + 1)."""
    return torch.zeros(quantities, rows.columns + 1, dtype=torch.float64)


def of_columns(rows: InferenceRows, tile: Tile, weights: Tensor, constant: int | None = None) -> Tensor:
    """(Q, d + 1), of weights (Q, t).

    ``constant`` is a category of which all rows of the tile have one level, whose sums are then b's.
    """
    result = zero(rows, len(weights))
    dense = portable.long_matmul(weights, tile.by_row)
    result[:, : rows.numbers], result[:, -1] = dense[:, :-1], dense[:, -1]
    others = [category for category in range(len(rows.levels)) if category != constant]
    if others:
        codes = tile.codes if constant is None else tile.codes[:, others].contiguous()
        by_level = portable.sum_by_code(codes, weights.T.contiguous(), sum(rows.levels))
        result[:, rows.numbers : -1] = by_level.T
    if constant is not None:
        result[:, rows.numbers + int(tile.codes[0, constant])] = result[:, -1]
    return result


def by_owner(rows: InferenceRows, tile: Tile, weights: Tensor, owners: Tensor, count: int) -> Tensor:
    """Sums of columns of each owner's rows, (count, Q, d + 1), of weights (t, Q) and owners (t,) int64 below count."""
    quantities = weights.shape[1]
    result = torch.zeros(count, quantities, rows.columns + 1, dtype=torch.float64)
    codes = owners.to(torch.int32)[:, None].contiguous()
    for quantity, of_rows in enumerate(weights.T):  # one at a time, for memory
        summed = portable.sum_by_code(codes, of_rows[:, None] * tile.by_row, count)
        result[:, quantity, : rows.numbers], result[:, quantity, -1] = summed[:, :-1], summed[:, -1]
    for category, (first, levels) in enumerate(zip(rows.first_level_rows, rows.levels, strict=True)):
        cells = codes * levels + (tile.codes[:, category : category + 1] - first)
        by_cell = portable.sum_by_code(cells.contiguous(), weights.contiguous(), count * levels)
        result[:, :, rows.level_columns(category)] = by_cell.view(count, levels, quantities).transpose(1, 2)
    return result


def of_pairs(rows: InferenceRows, tile: Tile, weights: Tensor) -> Parts:
    """The parts of (Q, d + 1, d + 1), of weights (Q, t)."""
    parts = [pair_sums.sums(weights, tile.x)]
    if rows.levels:
        by_row = weights.T.contiguous()
        products = (by_row[:, :, None] * tile.by_row[:, None, :]).view(len(by_row), -1)
        by_level = portable.sum_by_code(tile.codes, products, sum(rows.levels))
        parts.append(by_level.view(len(by_level), len(weights), -1).transpose(0, 1))
        for one, other in rows.category_pairs:
            cells, count = rows.cells(tile, one, other), rows.levels[one] * rows.levels[other]
            parts.append(portable.sum_by_code(cells[:, None].contiguous(), by_row, count).T)
    return parts


def pair_bounds(rows: InferenceRows, bounds: Tensor) -> Parts:
    """A bound on every entry of the parts, where sum_i |u_qi| is at most ``bounds`` (Q,)."""
    dense = torch.cat([rows.largest[: rows.numbers], rows.largest[-1:]])
    parts = [bounds[:, None] * pair_sums.bounds(dense)]
    if rows.levels:
        parts.append(bounds[:, None, None] * dense)
        parts += [bounds[:, None] for _ in rows.category_pairs]
    return [2 * part for part in parts]


def column_bounds(rows: InferenceRows, bounds: Tensor) -> Tensor:
    """A bound on every entry of the sums of columns, where sum_i |u_qi| is at most ``bounds`` (Q,)."""
    return 2 * bounds[:, None] * rows.largest


def matrix(rows: InferenceRows, parts: Sequence[Tensor], quantity: int) -> Tensor:
    """One quantity's sums of pairs of columns, (d + 1, d + 1), symmetric."""
    d, p = rows.columns, rows.numbers
    result = torch.zeros(d + 1, d + 1, dtype=torch.float64)
    dense = torch.tensor([*range(p), d])
    a, b = torch.triu_indices(p + 1, p + 1)
    result[dense[a], dense[b]] = parts[0][quantity]
    result[dense[b], dense[a]] = parts[0][quantity]
    if rows.levels:
        by_level = parts[1][quantity]
        levels = torch.arange(p, d)
        result[levels[:, None], dense] = by_level
        result[dense[:, None], levels] = by_level.T
        result[levels, levels] = by_level[:, -1]
        for (one, other), cells in zip(rows.category_pairs, parts[2:], strict=True):
            block = cells[quantity].view(rows.levels[one], rows.levels[other])
            result[rows.level_columns(one), rows.level_columns(other)] = block
            result[rows.level_columns(other), rows.level_columns(one)] = block.T
    return result

"""The log-likelihood over all rows in one pass: value, gradient, and the sums that covariances and effects are made of.

Shapes are those of rows.py; theta is that of z. With v_i the rows' weights, p_i their probabilities, r_i = p_i - y_i:

    l(theta) = sum_i v_i ln p_i,y_i                                  g(theta) = sum_i v_i x_i r_i'   (of -l)
    H_jl     = sum_i v_i p_ij (delta_jl - p_il) x_i x_i'             information of classes j and l
    M_jl     = sum_i w_i r_ij r_il x_i x_i'                          outer products of scores, w_i = v_i or v_i^2
    T_jlm    = sum_i v_i p_ij p_il p_im x_i                          what derivatives of mean probabilities are made of

Probabilities add up to 1 and residuals to 0 over the classes, so blocks j = l are minus the sum of the others in their
row, and only j < l are added up. Source: Bishop 2006, eq. 4.109 and 4.110; White 1982 for M.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pipeline.infer.numerics import column_sums
from pipeline.infer.numerics.rows import InferenceRows, Tile
from pipeline.numerics.curvature import pair_sums
from pipeline.numerics.data.block import Block
from pipeline.numerics.exact import portable

Weights = Literal["frequency", "sampling"]

_TRIPLES_AT_ONCE = 1 << 12  # of 29 classes and more: products of so many with the rows of a tile fit the cache


@dataclass(frozen=True)
class Asked:
    """What a pass adds up beside value and gradient."""

    information: bool = False
    scores: bool = False
    columns: bool = False
    thirds: bool = False
    weights: Weights = "frequency"


@dataclass(frozen=True)
class PassSums:
    """What a pass gave; parts are those of column_sums.py, and None where not asked for.

    ``gradient`` (d + 1, k) of minus the log-likelihood; ``information`` and ``scores`` of pairs of classes j < l, the
    former with the sign of products of probabilities; ``columns`` of one quantity, the rows' weights; ``thirds``
    (triples, d + 1), j <= l <= m as itertools.combinations_with_replacement has them.
    """

    log_likelihood: float
    gradient: Tensor
    information: Sequence[Tensor] | None = None
    scores: Sequence[Tensor] | None = None
    columns: Sequence[Tensor] | None = None
    thirds: Tensor | None = None


def triples(classes: int) -> Tensor:
    """(triples, 3) of j <= l <= m."""
    return torch.tensor(list(itertools.combinations_with_replacement(range(classes), 3)))


def pass_over(rows: InferenceRows, theta: Tensor, asked: Asked = Asked()) -> PassSums:
    """One pass over all rows at theta of z."""
    class_pairs = pair_sums.count(rows.classes, 1)
    pairs = class_pairs * (asked.information + asked.scores) + asked.columns
    third = triples(rows.classes) if asked.thirds else torch.zeros(0, 3, dtype=torch.int64)
    at_once = max(column_sums.numbers_a_row(rows, pairs), min(len(third), _TRIPLES_AT_ONCE), rows.classes)

    def partials(block: Block) -> list[Tensor]:
        totals: list[Tensor] = []
        for tile in rows.tiles(block, at_once):
            parts = _of_tile(rows, tile, theta, asked, third)
            if totals:
                for total, part in zip(totals, parts, strict=True):
                    total += part
            else:
                totals = parts
        return totals

    loss, singles, *of_pairs = rows.add(partials, _bounds(rows, theta, asked, class_pairs, len(third)))
    by_quantity = [[part[first:last] for part in of_pairs] for first, last in _ranges(asked, class_pairs)]
    named = iter(by_quantity)
    return PassSums(
        log_likelihood=-float(loss),
        gradient=singles[: rows.classes].T.contiguous(),
        information=next(named) if asked.information else None,
        scores=next(named) if asked.scores else None,
        columns=next(named) if asked.columns else None,
        thirds=singles[rows.classes :] if asked.thirds else None,
    )


def _of_tile(rows: InferenceRows, tile: Tile, theta: Tensor, asked: Asked, third: Tensor) -> list[Tensor]:
    residuals = rows.logits(tile, theta)
    losses = portable.losses_and_residuals_(residuals, tile.labels, 1)
    weights = tile.weights
    r = residuals.T.contiguous()
    p = r.scatter_add(0, tile.labels[None], torch.ones(1, 1, dtype=torch.float64).expand(1, len(weights)))
    singles = [r * weights]
    for some in torch.split(third, _TRIPLES_AT_ONCE) if len(third) else ():
        singles.append(p[some[:, 0]] * p[some[:, 1]] * (p[some[:, 2]] * weights))
    quantities = []
    if asked.information:
        quantities.append(pair_sums.of_classes(p, weights).clone())
    if asked.scores:
        of_scores = weights * weights if asked.weights == "sampling" else weights
        quantities.append(-pair_sums.of_classes(r, of_scores))
    if asked.columns:
        quantities.append(weights[None])
    columns = [column_sums.of_columns(rows, tile, part) for part in singles]
    result = [portable.long_total(losses * weights), torch.cat(columns)]
    if quantities:
        result += column_sums.of_pairs(rows, tile, torch.cat(quantities))
    return result


def _bounds(rows: InferenceRows, theta: Tensor, asked: Asked, class_pairs: int, thirds: int) -> list[Tensor]:
    weight = rows.total_weight
    reach = portable.total(theta.abs() * rows.largest[:, None], 0).max()
    bounds = [2 * weight * (2 * reach + portable.log_of(rows.classes))]
    bounds.append(column_bounds(rows, rows.classes + thirds))
    if asked.information or asked.scores or asked.columns:
        heaviest = rows.heaviest if asked.weights == "sampling" else 1.0
        of_quantities = [weight] * class_pairs * asked.information
        of_quantities += [weight * heaviest] * class_pairs * asked.scores
        of_quantities += [weight] * asked.columns
        bounds += column_sums.pair_bounds(rows, torch.tensor(of_quantities, dtype=torch.float64))
    return bounds


def column_bounds(rows: InferenceRows, quantities: int) -> Tensor:
    """A bound on sums of columns whose rows' weights are at most the rows' own."""
    return column_sums.column_bounds(rows, torch.full((quantities,), rows.total_weight, dtype=torch.float64))


def _ranges(asked: Asked, class_pairs: int) -> list[tuple[int, int]]:
    ranges, first = [], 0
    for size in [class_pairs] * (asked.information + asked.scores) + [1] * asked.columns:
        ranges.append((first, first + size))
        first += size
    return ranges

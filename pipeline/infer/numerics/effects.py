"""Average marginal effects, and their derivatives with respect to theta, for standard errors by the delta method.

Shapes are those of rows.py; theta is of z. With S_jl,x = sum_i v_i p_ij p_il x_i, which T of likelihood.py gives:

    effect of number a on class j    1/V sum_i v_i p_ij (W_ja - sum_m p_im W_ma)
    its derivative by theta_lx       1/V (delta_jl (W_ja S_j,x - sum_m W_ma S_jm,x) - (W_ja + W_la) S_jl,x
                                     + 2 sum_m W_ma T_jlm,x + delta_ax (delta_jl S_j,1 - S_jl,1))

A discrete change, of a level or of a number of two values, is the difference of two mean probabilities, of which each
has the derivative 1/V sum_i v_i p_ij (delta_jl - p_il) x_i at the changed rows.
Source: Cameron and Trivedi 2005, Microeconometrics, 15.2.5 and 15.4.3; Greene 2018, 18.2.3.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.infer.numerics import column_sums, likelihood
from pipeline.infer.numerics.design import Design
from pipeline.infer.numerics.rows import InferenceRows, Tile
from pipeline.numerics.curvature import pair_sums
from pipeline.numerics.data.block import Block
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.roots import square_root

_NUMBERS_AT_ONCE = 1 << 21  # of sums that one pass of discrete changes holds
_TIMES_AS_SMALL = 4  # than for pairs of columns: what a tile makes is made for each setting anew, and fits the cache


@dataclass(frozen=True)
class Effects:
    """``values`` (m, k), one line an effect, and their derivatives (m, k, q)."""

    values: Tensor
    derivatives: Tensor


def of_numbers(design: Design, theta: Tensor, thirds: Tensor, columns: Sequence[int], weight: float) -> Effects:
    """Of the number columns, per unit of z, from T (triples, d + 1) over rows of so much weight."""
    classes = theta.shape[1]
    position = _positions(classes)
    values = torch.zeros(len(columns), classes, dtype=torch.float64)
    derivatives = torch.zeros(len(columns), classes, design.size, dtype=torch.float64)
    by_pair = torch.stack(
        [portable.total(thirds[position[j]].transpose(0, 1).reshape(classes, -1), 0) for j in range(classes)]
    )
    by_pair = by_pair.view(classes, classes, -1)  # S_jl,x
    by_class = torch.stack([portable.total(by_pair[j], 0) for j in range(classes)])  # S_j,x
    for line, a in enumerate(columns):
        w = theta[a]
        mean_w = torch.stack([portable.matmul(w, by_pair[j]) for j in range(classes)])  # sum_m W_ma S_jm,x
        values[line] = (w * by_class[:, -1] - mean_w[:, -1]) / weight
        for j in range(classes):
            of_class = -(w[j] + w)[:, None] * by_pair[j]  # (l, d + 1)
            of_class += 2 * torch.stack([portable.matmul(w, thirds[position[j, label]]) for label in range(classes)])
            of_class[j] += w[j] * by_class[j] - mean_w[j]
            of_class[:, a] -= by_pair[j, :, -1]
            of_class[j, a] += by_class[j, -1]
            derivatives[line, j] = design.vector(of_class.T.contiguous()) / weight
    return Effects(values, derivatives)


def _positions(classes: int) -> Tensor:
    """Where T_jlm stands, (k, k, k)."""
    result = torch.zeros(classes, classes, classes, dtype=torch.int64)
    triples = likelihood.triples(classes)
    for j, m, n in itertools.permutations(triples.T):
        result[j, m, n] = torch.arange(len(triples))
    return result


@dataclass(frozen=True)
class Setting:
    """What all rows are changed to: the number column ``column`` to ``value`` of z, or, None, to level ``column``.

    ``column`` is a row of theta; for a level ``category`` says whose it is.
    """

    column: int
    value: float | None = None
    category: int | None = None


def at_settings(rows: InferenceRows, design: Design, theta: Tensor, settings: Sequence[Setting]) -> Effects:
    """Mean probabilities (settings, k) with all rows changed to each setting, and their derivatives.

    A pass for as many settings as a few megabytes of sums hold.
    """
    pairs = pair_sums.count(rows.classes, 1)
    at_once = max(1, _NUMBERS_AT_ONCE // ((pairs + rows.classes) * (rows.columns + 1)))
    parts = [_at(rows, design, theta, settings[first : first + at_once]) for first in range(0, len(settings), at_once)]
    return Effects(torch.cat([part.values for part in parts]), torch.cat([part.derivatives for part in parts]))


def _at(rows: InferenceRows, design: Design, theta: Tensor, settings: Sequence[Setting]) -> Effects:
    classes = rows.classes
    pairs = pair_sums.count(classes, 1)

    def partials(block: Block) -> list[Tensor]:
        total = torch.zeros(len(settings), pairs + classes, rows.columns + 1, dtype=torch.float64)
        for tile in rows.tiles(block, _TIMES_AS_SMALL * max(pairs + classes, rows.numbers + 1)):
            logits = rows.logits(tile, theta)
            for place, setting in enumerate(settings):
                changed, of_rows = _changed(rows, tile, theta, logits, setting)
                p = portable.softmax_(changed, 1).T.contiguous()
                weights = torch.cat([pair_sums.of_classes(p, tile.weights), p * tile.weights])
                total[place] += column_sums.of_columns(rows, of_rows, weights, setting.category)
        return [total]

    bounds = likelihood.column_bounds(rows, pairs + classes).clone()
    for setting in settings:
        if setting.value is not None:
            bounds[:, setting.column] = torch.maximum(
                bounds[:, setting.column], torch.tensor(2 * rows.total_weight * abs(setting.value), dtype=torch.float64)
            )
    (sums,) = rows.add(partials, [bounds[None]])
    sums = sums / rows.total_weight
    values = sums[:, pairs:, -1]
    first, second = torch.triu_indices(classes, classes, 1)
    derivatives = []
    for of_setting in sums:
        by_pair = torch.zeros(classes, classes, rows.columns + 1, dtype=torch.float64)
        by_pair[first, second] = -of_setting[:pairs]
        by_pair[second, first] = -of_setting[:pairs]
        own = torch.stack([-portable.total(by_pair[j], 0) for j in range(classes)])
        every = torch.arange(classes)
        by_pair[every, every] = own
        derivatives.append(torch.stack([design.vector(by_pair[j].T.contiguous()) for j in range(classes)]))
    return Effects(values.contiguous(), torch.stack(derivatives))


def _changed(rows: InferenceRows, tile: Tile, theta: Tensor, logits: Tensor, setting: Setting) -> tuple[Tensor, Tile]:
    """The logits (t, k), and the tile, of rows changed to the setting."""
    if setting.value is not None:
        x = tile.x.clone()
        x[setting.column] = setting.value
        change = setting.value - tile.x[setting.column]
        return logits + change[:, None] * theta[setting.column], Tile(x, tile.codes, tile.labels, tile.weights)
    assert setting.category is not None
    codes = tile.codes.clone()
    own = tile.codes[:, setting.category].long() + rows.numbers
    codes[:, setting.category] = setting.column - rows.numbers
    return logits + (theta[setting.column] - theta[own]), Tile(tile.x, codes, tile.labels, tile.weights)


def difference(effects: Effects, line: int, base: int) -> Effects:
    """The discrete change from the setting ``base`` to the setting ``line``, of one line."""
    values = effects.values[line] - effects.values[base]
    return Effects(values[None], (effects.derivatives[line] - effects.derivatives[base])[None])


def standard_errors(effects: Effects, covariance: Tensor) -> Tensor:
    """(m, k), by the delta method from the covariance (q, q)."""
    lines, classes, size = effects.derivatives.shape
    flat = effects.derivatives.reshape(lines * classes, size)
    variances = portable.total(portable.matmul(flat, covariance) * flat, 1)
    return square_root(variances.clamp(min=0.0)).view(lines, classes)

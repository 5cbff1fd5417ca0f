"""The rows that move a maximum most, chosen among all rows by threads and workers: case_deletion.py says by what.

Shapes are those of rows.py, design.py and case_deletion.py; theta is of z.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.infer.numerics import case_deletion
from pipeline.infer.numerics import covariance as units_of
from pipeline.infer.numerics.case_deletion import Deletions
from pipeline.infer.numerics.design import Design
from pipeline.infer.numerics.quadratic_forms import QuadraticForms
from pipeline.infer.numerics.rows import InferenceRows
from pipeline.numerics.data.block import row_counts
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.roots import square_root
from pipeline.numerics.exact.sums import in_order
from pipeline.parallel import workers


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
class _Share:
    """What some blocks come to: the largest of their rows, each block's sum of leverages, and S^2 (1,)."""

    largest: Deletions
    leverages: Tensor
    variance: Tensor

    @property
    def tensors(self) -> list[Tensor]:
        return [*self.largest.tensors, self.leverages, self.variance]

    @classmethod
    def of(cls, tensors: Sequence[Tensor]) -> "_Share":
        return cls(Deletions(*tensors[:-2]), *tensors[-2:])


def most_influential(
    rows: InferenceRows,
    design: Design,
    theta: Tensor,
    covariance: Tensor,
    count: int,
    units: tuple[Tensor, Tensor] | None = None,
) -> Influence:
    """The ``count`` rows of largest distance, by one pass over all rows at a maximum.

    ``covariance`` is V: no robust one, Maximum.factor's inverse. ``units`` are the scales and offsets of covariance.py,
    (d + 1,) each, of the columns whose theta is looked at for what moves most: b and its standard error depend on where
    the columns' 0 is. None for z's.

    Memory: ``count`` rows a thread, and a number a block.
    """
    forms = QuadraticForms(rows, design, covariance)
    starts = [0]
    for size in row_counts(rows.blocks):
        starts.append(starts[-1] + size)

    def share(places: range) -> _Share:
        largest, of_blocks = case_deletion.of_no_row(rows, design), torch.zeros(len(places), dtype=torch.float64)
        variance = torch.zeros(1, dtype=torch.float64)
        for line, place in enumerate(places):
            first, leverages = starts[place], []
            for tile in rows.tiles(rows.blocks[place], forms.numbers_a_row):
                of_tile = case_deletion.of_tile(rows, design, theta, forms, tile, first)
                first += len(tile.labels)
                leverages.append(of_tile.leverages)
                variance = torch.maximum(variance, of_tile.logit_variances.max())
                largest = _largest([largest, of_tile], count)
            of_blocks[line] = portable.long_total(torch.cat(leverages))
        return _Share(largest, of_blocks, variance)

    # Threads deal with blocks in turn; no result depends on which has which.
    mine = workers.local_range(len(rows.blocks))
    of_threads = in_order(share, [mine[first :: rows.threads] for first in range(rows.threads)], rows.threads)
    of_workers = workers.all_gather_lists([_joined(of_threads, count).tensors])
    every = _joined([_Share.of(tensors) for tensors in of_workers], count)
    moved, moves = _moves(design, covariance, units, every.largest)
    return Influence(
        positions=every.largest.positions,
        leverages=every.largest.leverages,
        distances=every.largest.distances,
        residuals=every.largest.residuals,
        probabilities=every.largest.probabilities,
        moved=moved,
        moves=moves,
        total_leverage=math.fsum(every.leverages.tolist()),
        spread=math.sqrt(float(every.variance)),
    )


def _largest(parts: Sequence[Deletions], count: int) -> Deletions:
    """By distance, of equal ones the earlier row first: the same rows however they were dealt out."""
    rows = case_deletion.joined(parts)
    rows = rows.take(rows.positions.argsort(stable=True))
    return rows.take(rows.distances.argsort(stable=True, descending=True)[:count])


def _joined(shares: Sequence[_Share], count: int) -> _Share:
    return _Share(
        _largest([share.largest for share in shares], count),
        torch.cat([share.leverages for share in shares]),
        torch.cat([share.variance for share in shares]).amax(0, keepdim=True),
    )


def _moves(
    design: Design, covariance: Tensor, units: tuple[Tensor, Tensor] | None, rows: Deletions
) -> tuple[Tensor, Tensor]:
    """Influence's ``moved`` and ``moves``, of d = V X r~."""
    count, numbers = len(rows.positions), rows.x.shape[1] - 1
    columns = torch.zeros(count, design.shape[0], dtype=torch.float64)
    columns[:, :numbers], columns[:, -1] = rows.x[:, :-1], rows.x[:, -1]
    columns.scatter_(1, rows.codes.long() + numbers, 1.0)
    vectors = rows.changes[:, :, None] * columns[:, design.columns][:, None, :]
    changes = portable.matmul(vectors.flatten(1), covariance)
    if units is not None:
        for line, change in enumerate(changes):
            changes[line] = design.vector(units_of.theta_in_units(design.theta(change), *units))
        covariance = units_of.in_units(covariance, design, *units)
    by_errors = changes / square_root(covariance.diagonal().contiguous())
    places, e = by_errors.abs().argmax(1), len(design.columns)
    moved = torch.stack([design.columns[places % e], design.labels[places // e]], 1)
    largest = by_errors[torch.arange(count), places]
    return moved, torch.where(rows.distances.isinf(), largest.sign() * math.inf, largest)

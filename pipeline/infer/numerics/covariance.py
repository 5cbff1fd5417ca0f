"""Covariances of the free entries of theta: of the model, robust, by cluster; and in other units of the columns.

With A the information (and the penalty's, in it, where there is one), H the information alone and M the sum of outer
products of scores, of rows or of clusters' sums: A^-1 H A^-1, which is H^-1 without a penalty, and A^-1 M A^-1.
Source: White 1982, Maximum likelihood estimation of misspecified models; Liang and Zeger 1986; for a penalty Gray 1992.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.infer.numerics import column_sums, likelihood
from pipeline.infer.numerics.design import Design
from pipeline.infer.numerics.maximum import Factor
from pipeline.infer.numerics.rows import InferenceRows
from pipeline.numerics.data.block import row_weights
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.sums import Grid, scattered_sums

_CLUSTER_BYTES = 1 << 25  # of sums of scores that are held at once


def sandwich(factor: Factor, middle: Tensor) -> Tensor:
    """A^-1 M A^-1, (q, q), symmetric to the last bit."""
    half = factor.solve(factor.solve(middle).T.contiguous())
    return (half + half.T) / 2


def cluster_scores(
    rows: InferenceRows, theta: Tensor, design: Design, clusters: Sequence[Tensor], count: int
) -> Tensor:
    """sum_g s_g s_g', (q, q), s_g the sum of the scores of cluster g's rows; theta of z.

    ``clusters`` holds, for each block, its rows' clusters (n,) int64 in 0 ... ``count`` - 1. One pass for as many
    clusters as fit into 32 MiB; rows of others are not computed.
    """
    classes, columns = rows.classes, rows.columns + 1
    at_once = max(1, _CLUSTER_BYTES // (8 * classes * columns))
    total = torch.zeros(design.size, design.size, dtype=torch.float64)
    grid = Grid(likelihood.column_bounds(rows, classes)[None] + 1e-300)
    for first in range(0, count, at_once):
        size = min(at_once, count - first)
        places = [place for place, ids in enumerate(clusters) if _any_within(ids, first, size)]

        def scatter(place: int, totals: Sequence[Tensor], first: int = first, size: int = size) -> None:
            block = rows.blocks[place]
            within = torch.nonzero((clusters[place] >= first) & (clusters[place] < first + size)).flatten()
            ids = clusters[place][within] - first
            names, owners = torch.unique(ids, return_inverse=True)
            tile = rows.tile(block.part(within))
            residuals = rows.logits(tile, theta)
            portable.losses_and_residuals_(residuals, tile.labels, 1)
            sums = column_sums.by_owner(
                rows, tile, residuals * row_weights(tile.weights, len(within))[:, None], owners, len(names)
            )
            totals[0].index_add_(0, names, grid.quantise(sums))

        (scores,) = scattered_sums(scatter, places, [(size, classes, columns)], [grid], rows.threads)
        chosen = scores[:, :, design.columns][:, design.labels].reshape(size, -1)
        portable.add_matmul(total, chosen.T, chosen)  # a chain over all clusters, however few a round has
    return total


def _any_within(ids: Tensor, first: int, size: int) -> bool:
    return bool(((ids >= first) & (ids < first + size)).any())


def in_units(covariance: Tensor, design: Design, scales: Tensor, offsets: Tensor) -> Tensor:
    """The covariance of theta of columns u, where z = u / scale - offset; scales and offsets (d + 1,).

    W_u = W_z / scale, and b takes up what the offsets make of it.
    """
    classes, e = len(design.labels), len(design.columns)
    result = covariance.clone().view(classes, e, classes, e)
    offset = offsets[design.columns]
    if len(offset) and int(design.columns[-1]) == design.shape[0] - 1:
        for dimension in (1, 3):
            moved = result.movedim(dimension, -1)
            part = portable.total((moved * offset).reshape(-1, e), 1).view(moved.shape[:-1])
            moved[..., -1] -= part
    scale = scales[design.columns]
    result /= scale[:, None, None]
    result /= scale
    result = result.view(design.size, design.size)
    return (result + result.T) / 2


def theta_in_units(theta: Tensor, scales: Tensor, offsets: Tensor) -> Tensor:
    """theta (d + 1, k) of z as that of u; as ``in_units``."""
    result = theta / scales[:, None]
    result[-1] -= portable.total(theta * offsets[:, None], 0)
    return result

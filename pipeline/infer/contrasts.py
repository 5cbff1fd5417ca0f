"""Linear contrasts of classes, in a column's own units: what one row of coefficients.csv says."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from pipeline.dataset.encoder import Encoder
from pipeline.infer.fit import Inference
from pipeline.infer.numerics import covariance
from pipeline.numerics.exact import portable
from pipeline.numerics.exact.roots import square_root


@dataclass(frozen=True)
class Coefficients:
    """theta (d + 1, k) in some units of the columns, and the covariance (q, q) of its free entries in these."""

    theta: Tensor
    covariance: Tensor


def own_units(inference: Inference, encoder: Encoder) -> tuple[Tensor, Tensor]:
    """Scales and offsets (d + 1,), as covariance.py takes them, of the columns as the table has them."""
    scales = torch.ones(inference.rows.columns + 1, dtype=torch.float64)
    shifts = torch.zeros_like(scales)
    for row, number in enumerate(encoder.numbers):
        scales[row], shifts[row] = number.scale, number.shift
    offsets = shifts / scales  # z = (value - shift) / scale - mean
    offsets[: inference.rows.numbers] += inference.rows.means
    return scales, offsets


def in_own_units(inference: Inference, encoder: Encoder) -> Coefficients:
    """Per unit of each number column as the table has it; b at 0 of these."""
    return _in_units(inference, *own_units(inference, encoder))


def encoded_units(inference: Inference) -> tuple[Tensor, Tensor]:
    """Scales and offsets (d + 1,), as covariance.py takes them, of the columns as they are prepared."""
    ones = torch.ones(inference.rows.columns + 1, dtype=torch.float64)
    offsets = torch.zeros_like(ones)
    offsets[: inference.rows.numbers] = inference.rows.means
    return ones, offsets


def as_encoded(inference: Inference) -> Coefficients:
    """Per unit of the columns as they are prepared."""
    return _in_units(inference, *encoded_units(inference))


def per_deviation(inference: Inference) -> Coefficients:
    """Per standard deviation of each number column over the training rows; b at their means."""
    rows, gram = inference.rows, inference.gram
    scales = torch.ones(rows.columns + 1, dtype=torch.float64)
    means = gram[-1, : rows.numbers] / rows.total_weight
    variances = gram.diagonal()[: rows.numbers] / rows.total_weight - means * means
    scales[: rows.numbers] = torch.where(variances > 0, square_root(variances.clamp(min=0.0)), 1.0)
    offsets = torch.zeros_like(scales)
    if rows.intercept:
        offsets[: rows.numbers] = -means
    return _in_units(inference, 1 / scales, offsets)


def _in_units(inference: Inference, scales: Tensor, offsets: Tensor) -> Coefficients:
    return Coefficients(
        covariance.theta_in_units(inference.maximum.theta, scales, offsets),
        covariance.in_units(inference.covariance, inference.design, scales, offsets),
    )


def class_pairs(inference: Inference) -> list[tuple[int, int]]:
    """(class, class that it is compared with): all against the reference, then all other pairs."""
    classes, reference = inference.rows.classes, inference.reference
    others = [label for label in range(classes) if label != reference]
    return [(label, reference) for label in others] + [(b, a) for a, b in combinations(others, 2)]


def differences(
    inference: Inference, coefficients: Coefficients, pairs: Sequence[tuple[int, int]]
) -> tuple[Tensor, Tensor]:
    """theta_row,j - theta_row,l of each pair (j, l) and free row, (pairs, e), and the standard errors, (pairs, e)."""
    design = inference.design
    e, position = len(design.columns), {int(label): place for place, label in enumerate(design.labels)}
    blocks = coefficients.covariance.view(len(position), e, len(position), e).diagonal(dim1=1, dim2=3)  # (k, k, e)
    values, variances = [], []
    for label, other in pairs:
        values.append(coefficients.theta[design.columns, label] - coefficients.theta[design.columns, other])
        zero = torch.zeros(e, dtype=torch.float64)
        own, of_other, both = zero, zero, zero
        if label in position:
            own = blocks[position[label], position[label]]
        if other in position:
            of_other = blocks[position[other], position[other]]
        if label in position and other in position:
            both = blocks[position[label], position[other]]
        variances.append(own + of_other - 2 * both)
    return torch.stack(values), square_root(torch.stack(variances).clamp(min=0.0))


def quadratic_form(vector: Tensor, matrix: Tensor) -> float | None:
    """v' M^-1 v; None where M has no inverse."""
    lower, failed = portable.cholesky(matrix)
    if bool(failed):
        return None
    return portable.dot(vector, portable.cholesky_solve(vector[:, None], lower)[:, 0])

"""Sums over pairs of classes and columns, against einsum in float64."""

import pytest
import torch

from pipeline.numerics.curvature import pair_sums

ROWS = 50


def _probabilities(classes: int) -> torch.Tensor:
    scores = torch.randn(classes, ROWS, generator=torch.Generator().manual_seed(classes), dtype=torch.float64)
    return torch.softmax(scores, 0)


def _columns(count: int) -> torch.Tensor:
    return torch.randn(count, ROWS, generator=torch.Generator().manual_seed(count), dtype=torch.float64)


WEIGHTS = torch.linspace(0.5, 2.0, ROWS, dtype=torch.float64)


@pytest.mark.parametrize("classes", [1, 2, 3, 6])
@pytest.mark.parametrize("columns", [1, 2, 60])
def test_the_matrix_is_the_hessian(classes: int, columns: int) -> None:
    """sum v (diag(p) - p p') (x) x x', by one product of all pairs and by a product for each; 1e-12 is rounding."""
    p, x = _probabilities(classes), _columns(columns)
    curvature = torch.diag_embed(p.T) - p.T[:, :, None] * p.T[:, None, :]
    expected = torch.einsum("t,tij,at,bt->iajb", WEIGHTS, curvature, x, x).reshape(classes * columns, -1)
    summed = pair_sums.matrix(pair_sums.sums(pair_sums.of_classes(p, WEIGHTS), x), classes, columns)
    torch.testing.assert_close(summed, expected, rtol=1e-12, atol=1e-12)


def test_blocks_of_one_column_are_columns_of_the_matrix() -> None:
    """With levels in front: each level's blocks are those that it has alone."""
    p, x = _probabilities(4), _columns(3)
    with_one = (pair_sums.of_classes(p, WEIGHTS) @ x.T).repeat(2, 1, 1)
    with_one[1] *= 2
    summed = pair_sums.blocks(with_one, 4)
    curvature = torch.diag_embed(p.T) - p.T[:, :, None] * p.T[:, None, :]
    expected = torch.einsum("t,tij,at->ija", WEIGHTS, curvature, x)
    torch.testing.assert_close(summed, torch.stack([expected, 2 * expected]), rtol=1e-12, atol=1e-12)


def test_bounds_hold_every_product() -> None:
    """In the order of the sums."""
    x = _columns(5)
    largest = torch.stack([(x[a] * x[b]).abs().max() for a in range(5) for b in range(a, 5)])
    assert bool((largest <= pair_sums.bounds(x.abs().amax(1))).all())

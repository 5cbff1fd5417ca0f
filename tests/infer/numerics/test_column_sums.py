"""Weighted sums of columns and of pairs of columns, against einsum over one-hot columns; 1e-12 is rounding."""

import numpy as np
import pytest
import torch

from pipeline.infer.numerics import column_sums
from pipeline.infer.numerics.rows import InferenceRows, Tile
from tests.infer.numerics.tables import TABLES, Dense, rows_of

CLOSE = {"rtol": 1e-12, "atol": 1e-10}


def _weights(count: int, quantities: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(quantities, count))


def _one_tile(name: str) -> tuple[InferenceRows, Tile, np.ndarray]:
    rows = rows_of(TABLES[name], size=1000)
    return rows, rows.tile(rows.blocks[0]), Dense.of(TABLES[name], rows).z


@pytest.mark.parametrize("name", TABLES)
def test_sums_of_columns_are_those_of_one_hot_columns(name: str) -> None:
    """Numbers, levels, and b's column last."""
    rows, tile, z = _one_tile(name)
    u = _weights(len(z))
    np.testing.assert_allclose(column_sums.of_columns(rows, tile, torch.tensor(u)), u @ z, **CLOSE)


@pytest.mark.parametrize("quantities", [1, 6])
@pytest.mark.parametrize("name", TABLES)
def test_sums_of_pairs_are_those_of_one_hot_columns(name: str, quantities: int) -> None:
    """Each quantity's parts make one symmetric matrix."""
    rows, tile, z = _one_tile(name)
    u = _weights(len(z), quantities)
    parts = column_sums.of_pairs(rows, tile, torch.tensor(u))
    for quantity in range(quantities):
        matrix = column_sums.matrix(rows, parts, quantity)
        np.testing.assert_allclose(matrix, z.T @ (u[quantity][:, None] * z), **CLOSE)
        assert torch.equal(matrix, matrix.T)


@pytest.mark.parametrize("name", TABLES)
def test_sums_by_owner_are_those_of_its_rows(name: str) -> None:
    """An owner without rows has zeros."""
    rows, tile, z = _one_tile(name)
    u, owners = _weights(len(z)), np.random.default_rng(1).integers(0, 5, len(z))
    owners[owners == 3] = 4
    summed = column_sums.by_owner(rows, tile, torch.tensor(u.T.copy()), torch.tensor(owners), 5)
    np.testing.assert_allclose(summed, np.einsum("ig,qi,ia->gqa", np.eye(5)[owners], u, z), **CLOSE)


@pytest.mark.parametrize("name", TABLES)
def test_bounds_hold_every_entry(name: str) -> None:
    """Where no weight exceeds the row's share of the bound, whatever its sign."""
    rows, tile, _ = _one_tile(name)
    u = torch.tensor(_weights(len(tile.labels))).abs()
    parts, bounds = column_sums.of_pairs(rows, tile, u), column_sums.pair_bounds(rows, u.sum(1))
    for part, bound in zip(parts, bounds, strict=True):
        assert bool((part.abs() <= bound).all())
    assert bool((column_sums.of_columns(rows, tile, u).abs() <= column_sums.column_bounds(rows, u.sum(1))).all())

"""Orthonormal rows and the shares that give the matrix back, of rows that are independent, nearly or not at all."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.numerics.data import orthonormal

EPS = 2.0**-52


def _check(x: np.ndarray) -> np.ndarray:
    """Check V' and R' of X; returns which rows of V' are not 0."""
    basis, shares = (part.numpy() for part in orthonormal.rows(torch.from_numpy(x)))
    lengths = np.linalg.norm(x, axis=1)
    present = basis.any(axis=1)
    products = basis @ basis.T
    assert np.abs(products - np.diag(present)).max() <= 32 * EPS
    assert (np.linalg.norm(shares @ basis - x, axis=1) <= 32 * EPS * lengths).all()
    return present


def _near(rows: int, columns: int, angle: float, seed: int = 0) -> np.ndarray:
    """Rows that all lie within an angle of one direction."""
    random = np.random.default_rng(seed)
    return random.normal(size=columns) + angle * random.normal(size=(rows, columns))


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (3, 7), (64, 200), (65, 200), (200, 401)])
def test_independent_rows(shape: tuple[int, int]) -> None:
    """Each row joins in its turn: R' is the triangle of LAPACK's factor, its diagonal made positive."""
    x = np.random.default_rng(1).normal(size=shape)
    assert _check(x).all()
    expected = np.linalg.qr(x.T).R.T
    expected = expected * np.sign(expected.diagonal())
    shares = orthonormal.rows(torch.from_numpy(x))[1].numpy()
    np.testing.assert_allclose(shares, expected, atol=1e-12 * np.abs(expected).max())


def test_rows_as_many_as_directions() -> None:
    """Some wait for others to join: R' is no triangle then."""
    assert _check(np.random.default_rng(1).normal(size=(130, 130))).all()


@pytest.mark.parametrize("angle", [1e-1, 1e-2, 1e-4, 1e-7, 1e-10, 1e-13])
def test_nearly_dependent_rows(angle: float) -> None:
    """However near, what is left of a row after two turns is orthogonal to the others."""
    assert _check(_near(150, 320, angle)).all()


@pytest.mark.parametrize("first", [0, 50, 64, 100])
def test_dependent_rows_have_no_part(first: int) -> None:
    """Equal rows, multiples, rows of 0 and sums of others, in the first group and beyond."""
    random = np.random.default_rng(2)
    x = random.normal(size=(140, 300))
    x[first + 2], x[first + 5], x[first + 9] = x[first], -3 * x[first + 1], 0.0
    x[first + 20 : first + 24] = 0.0
    present = _check(x)
    gone = [first + 2, first + 5, first + 9, *range(first + 20, first + 24)]
    assert np.flatnonzero(~present).tolist() == gone
    x[first + 30] = x[first : first + 10].sum(0)  # rounded, so a direction may be left in it
    _check(x)


def test_no_more_rows_than_there_are_directions() -> None:
    """Numbers that are whole leave nothing."""
    x = np.random.default_rng(3).integers(-2, 3, size=(90, 12)).astype(np.float64)
    assert _check(x).sum() == 12


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), lowest=st.integers(-140, 0), highest=st.integers(0, 37))
def test_rows_of_any_size(seed: int, lowest: int, highest: int) -> None:
    """As float32 has them: products of the smallest are far above what float64 loses."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(70, 150)) * 2.0 ** random.integers(lowest, 3 * highest + 1, size=(70, 1))
    assert _check(x).all()

"""The minimum of a quadratic with an l1 penalty: its condition of optimality, and scikit-learn's Lasso."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from sklearn.linear_model import Lasso

from pipeline.numerics.solvers.l1_quadratic import least_subgradient, minimise


@given(size=st.integers(1, 30), free=st.integers(0, 3), l1=st.sampled_from([1e-3, 0.1, 3.0]), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=60)
def test_the_subgradient_vanishes_at_the_end(size: int, free: int, l1: float, seed: int) -> None:
    """From any start, with curvature of condition 1e6; what the tolerance asks for is reached."""
    random = np.random.default_rng(seed)
    basis = np.linalg.qr(random.normal(size=(size, size)))[0]
    curvature = torch.tensor(basis * np.logspace(0, -6, size) @ basis.T)
    start = torch.tensor(random.normal(size=size) * (random.random(size) < 0.5))
    gradient, penalty = torch.tensor(random.normal(size=size)), torch.full((size,), l1, dtype=torch.float64)
    penalty[:free] = 0.0
    minimum = minimise(start, gradient, curvature, penalty, 1e-8)
    slope = least_subgradient(minimum, gradient + curvature @ (minimum - start), penalty)
    # Values reach 1e6 where the curvature is 1e-6: their products round at 1e-10.
    assert float(slope.abs().max()) <= 1e-8


def test_it_is_the_lasso() -> None:
    """mean squared error / 2 + l1: the same zeros, and coefficients to 1e-8."""
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 20))
    y = x[:, :5].sum(1) + random.normal(size=60)
    expected = Lasso(alpha=0.2, fit_intercept=False, tol=1e-14, max_iter=100_000).fit(x, y).coef_
    zero, penalty = torch.zeros(20, dtype=torch.float64), torch.full((20,), 0.2, dtype=torch.float64)
    minimum = minimise(zero, torch.tensor(-x.T @ y / 60), torch.tensor(x.T @ x / 60), penalty, 1e-14)
    np.testing.assert_array_equal(minimum == 0, expected == 0)
    np.testing.assert_allclose(minimum, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    ("value", "gradient", "expected"), [(0.0, 0.5, 0.0), (0.0, -3.0, -2.0), (2.0, 0.5, 1.5), (-2.0, 0.5, -0.5)]
)
def test_the_least_subgradient_by_hand(value: float, gradient: float, expected: float) -> None:
    """With l1 = 1: at 0 whatever of the gradient is above 1, elsewhere gradient plus sign."""
    minimum = least_subgradient(torch.tensor(value), torch.tensor(gradient), 1.0)
    assert float(minimum) == expected


def test_curvature_of_one_row_is_no_obstacle() -> None:
    """x x' of numbers around 1,000 has rank 1, and rounding makes it indefinite; only the row's largest entry stays."""
    random = np.random.default_rng(0)
    row = torch.tensor(1e3 * random.normal(size=20))
    zero, penalty = torch.zeros(20, dtype=torch.float64), torch.full((20,), 1e-3, dtype=torch.float64)
    minimum = minimise(zero, -row, torch.outer(row, row), penalty, 1e-12)
    largest = int(row.abs().argmax())
    assert torch.nonzero(minimum).flatten().tolist() == [largest]
    assert float(minimum[largest]) == pytest.approx(
        (1 - 1e-3 / abs(float(row[largest]))) / float(row[largest]), rel=1e-9
    )


def test_units_of_variables_do_not_matter() -> None:
    """Variables in units from 1e-12 to 1e12, penalties with them: the answer of equal units, to rounding."""
    random = np.random.default_rng(1)
    x = random.normal(size=(60, 20))
    curvature, gradient = torch.tensor(x.T @ x / 60), torch.tensor(-x.T @ (x[:, 0] + random.normal(size=60)) / 60)
    zero, penalty = torch.zeros(20, dtype=torch.float64), torch.full((20,), 0.1, dtype=torch.float64)
    units = torch.logspace(-12, 12, 20, dtype=torch.float64)
    expected = minimise(zero, gradient, curvature, penalty, 1e-12)
    minimum = minimise(zero, gradient * units, curvature * units * units[:, None], penalty * units, 1e-12)
    torch.testing.assert_close(minimum * units, expected, rtol=1e-9, atol=1e-12)
    assert 0 < int((expected != 0).sum()) < 20

"""The minimum of a quadratic of few rows with an l1 penalty, by an active set: its condition of optimality."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from pipeline.numerics.curvature.row_space import RowCurvature
from pipeline.numerics.data.layout import Rows
from pipeline.numerics.objective.packed import PackedObjective
from pipeline.numerics.solvers import active_set, l1_quadratic
from tests.problems import synthetic


@pytest.mark.slow
@given(
    columns=st.integers(1, 30),
    classes=st.integers(2, 6),
    intercept=st.booleans(),
    l1=st.sampled_from([1e-4, 1e-2, 0.3]),
    seed=st.integers(0, 1000),
)
@settings(deadline=None, max_examples=20)
def test_the_subgradient_vanishes_at_the_end(columns: int, classes: int, intercept: bool, l1: float, seed: int) -> None:
    """From any start, with more variables than rows or fewer: the tolerance is reached, 1 % for rounding."""
    objective = PackedObjective(
        Rows(synthetic(12, columns, (), classes, seed).blocks(), (), classes, 1, intercept), 0.0
    )
    generator = torch.Generator().manual_seed(seed)
    theta = torch.randn(columns + 1, classes, generator=generator, dtype=torch.float64)
    theta[:-1] *= torch.rand(columns, classes, generator=generator) < 0.3
    theta[-1] *= intercept
    curvature = RowCurvature(objective, theta, torch.arange(columns), 1e-10)
    start, gradient = theta.flatten(), objective.loss_gradient(theta, torch.float64).gradient.flatten()
    penalty = torch.full_like(start, l1)
    penalty[-classes:] = 0.0
    if not intercept:
        gradient[-classes:] = 0.0
    roots, tolerance = curvature.roots, 1e-7

    def slope(values: torch.Tensor) -> torch.Tensor:
        change = curvature.product((values - start) * roots) * roots
        return l1_quadratic.least_subgradient(values, gradient + change, penalty) / roots

    minimum = active_set.minimise(start, gradient, curvature, penalty, tolerance)
    assert float(slope(minimum).abs().max()) <= 1.01 * tolerance

"""Conjugate gradients on quadratics whose answer is known."""

import torch

from pipeline.numerics.data.centring import Preconditioner
from pipeline.numerics.data.theta import centred
from pipeline.numerics.solvers.conjugate_gradients import bias_direction, direction, newton_step


class _Plain:
    def solve(self, gradient: torch.Tensor) -> torch.Tensor:
        return gradient


class _Exact:
    def __init__(self, matrix: torch.Tensor) -> None:
        self._matrix = matrix

    def solve(self, gradient: torch.Tensor) -> torch.Tensor:
        return torch.linalg.solve(self._matrix, gradient)


def _quadratic() -> tuple[torch.Tensor, torch.Tensor]:
    """A (6, 6) with eigenvalues from 0.1, the same for all of 3 classes, and a gradient (6, 3) that adds up to 0."""
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    gradient = centred(torch.randn(6, 3, generator=generator, dtype=torch.float64))
    return root @ root.T + 0.1 * torch.eye(6, dtype=torch.float64), gradient


def _solve(factor: Preconditioner, objective: float) -> tuple[torch.Tensor, int]:
    matrix, gradient = _quadratic()
    return direction(gradient, lambda along: matrix @ along, factor, objective)


def test_a_close_answer_is_newtons_direction() -> None:
    """Without a scaling, in no more products than there are unknowns; the residual is 1e-7 of the gradient."""
    matrix, gradient = _quadratic()
    solution, products = _solve(_Plain(), 1e15)
    torch.testing.assert_close(matrix @ solution, -gradient, rtol=0, atol=1e-6)
    assert products <= gradient.numel()


def test_an_exact_factor_takes_one_product() -> None:
    """The first direction is Newton's."""
    matrix, gradient = _quadratic()
    solution, products = _solve(_Exact(matrix), 1e15)
    torch.testing.assert_close(matrix @ solution, -gradient, rtol=0, atol=1e-12)
    assert products == 1


def test_far_from_the_optimum_a_rough_answer_goes_down() -> None:
    """Fewer products than the close one takes, and a negative slope."""
    _, gradient = _quadratic()
    solution, products = _solve(_Plain(), 1e-3)
    assert products < _solve(_Plain(), 1e15)[1]
    assert float((solution * gradient).sum()) < 0


def test_without_curvature_it_is_the_factors_direction() -> None:
    """A Hessian of 0, as rounding leaves where all probabilities are 0 or 1."""
    _, gradient = _quadratic()
    solution, products = direction(gradient, torch.zeros_like, _Plain(), 1.0)
    torch.testing.assert_close(solution, -gradient, rtol=0, atol=1e-15)
    assert products == 1


def test_a_bias_direction_leaves_a_thousandth_of_the_gradient() -> None:
    """As a share of each class's own weight, be it ever so rare; on diag(p) - mean p p' of 300 classes."""
    generator = torch.Generator().manual_seed(1)
    rarer = 8 * torch.rand(300, generator=generator, dtype=torch.float64)
    scores = torch.randn(2000, 300, generator=generator, dtype=torch.float64) - rarer
    probabilities = torch.softmax(scores, 1)
    shares = probabilities.mean(0)
    hessian = torch.diag(shares) - probabilities.T @ probabilities / 2000
    gradient = shares * torch.randn(300, generator=generator, dtype=torch.float64)
    gradient -= shares * gradient.sum()
    solution, products = bias_direction(gradient, lambda along: hessian @ along, shares)
    left = (gradient + hessian @ solution).abs() / shares
    assert float(left.max()) <= 1.001e-3 * float((gradient.abs() / shares).max())
    assert products < 20


def _hidden() -> tuple[torch.Tensor, torch.Tensor]:
    """diag(1, ..., 1, 1e-12) for each of 2 classes; the gradient along the last is 1e-9, its decrement 1e-6."""
    matrix = torch.diag(torch.tensor([1.0] * 5 + [1e-12], dtype=torch.float64))
    gradient = torch.full((6, 2), 1e-8, dtype=torch.float64) * torch.tensor([1.0, -1.0])
    gradient[-1] *= 0.1
    return matrix, gradient


def test_a_newton_steps_decrement_is_that_of_the_curvature_and_not_of_a_ridge() -> None:
    """A preconditioner that takes the last eigenvalue for 1e-6 sees 1e-12 of the decrement of 2e-6."""
    matrix, gradient = _hidden()
    ridged = _Exact(matrix + 1e-6 * torch.eye(6, dtype=torch.float64))
    step = newton_step(gradient, lambda along: matrix @ along, ridged, goal=1e-8)
    assert step is not None
    assert float((gradient * ridged.solve(gradient)).sum()) < 1e-11
    assert abs(step.decrement - 2e-6) <= 1e-2 * 2e-6


def test_a_newton_step_of_an_indefinite_preconditioner_is_none() -> None:
    """Rounding can leave a negative eigenvalue in a stand-in for the Hessian: nothing is claimed then."""
    matrix, gradient = _hidden()
    assert newton_step(gradient, lambda along: matrix @ along, _Exact(-matrix), goal=1e-8) is None


def test_a_newton_step_without_curvature_has_no_end() -> None:
    """A gradient along which nothing curves: the decrement is infinite, not 0."""
    _, gradient = _quadratic()
    step = newton_step(gradient, torch.zeros_like, _Plain(), goal=1e-8)
    assert step is not None
    assert step.decrement == float("inf")


def test_a_newton_step_from_the_optimum_is_none_at_all() -> None:
    """A gradient of 0."""
    matrix, _ = _quadratic()
    step = newton_step(torch.zeros(6, 3, dtype=torch.float64), lambda along: matrix @ along, _Plain(), goal=1e-8)
    assert step is not None
    assert step.decrement == 0.0
    assert not step.direction.any()

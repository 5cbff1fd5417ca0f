"""The packed objective against autograd on one-hot columns, in both layouts and both precisions."""

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch.nn import functional

from pipeline.numerics.data.layout import Rows
from pipeline.numerics.objective.packed import PackedObjective
from tests.problems import Problem, synthetic

L2 = 0.3


def _objective(problem: Problem, threads: int = 1, size: int = 64, intercept: bool = True) -> PackedObjective:
    rows = Rows(problem.blocks(size), problem.levels, problem.classes, threads, intercept)
    return PackedObjective(rows, L2)


def _theta(problem: Problem, seed: int, scale: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(problem.columns + 1, problem.classes, generator=generator, dtype=torch.float64) * scale


def _value(problem: Problem, theta: torch.Tensor) -> torch.Tensor:
    """f by PyTorch's cross_entropy on one-hot columns, float64."""
    scores = torch.tensor(problem.dense) @ theta[:-1] + theta[-1]
    losses = functional.cross_entropy(scores, torch.tensor(problem.labels), reduction="none")
    weights = torch.ones_like(losses) if problem.weights is None else torch.tensor(problem.weights)
    return (losses * weights).sum() / weights.sum() + L2 / 2 * theta[:-1].square().sum()


def _problem(levels: tuple[int, ...], classes: int, weighted: bool, numbers: int = 3) -> Problem:
    problem = synthetic(200, numbers, levels, classes)
    weights = np.random.default_rng(1).random(200) + 0.1 if weighted else None
    return replace(problem, weights=weights)


PROBLEMS = pytest.mark.parametrize(
    "problem",
    [
        _problem((), 2, False),
        _problem((), 5, True),
        _problem((4,), 3, False),
        _problem((3, 7), 9, True),
        _problem((5, 2), 8, True),
        _problem((5, 40), 7, True, numbers=70),
    ],
    ids=["numbers", "weighted", "category", "categories", "eight classes", "wide"],
)


@PROBLEMS
@pytest.mark.parametrize(("precision", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 2e-6)])
def test_value_and_gradient_are_those_of_autograd(problem: Problem, precision: torch.dtype, tolerance: float) -> None:
    """Within the rounding of the kernels' precision."""
    theta = _theta(problem, 3)
    variable = theta.clone().requires_grad_()
    expected = _value(problem, variable)
    expected.backward()
    point = _objective(problem).loss_gradient(theta, precision)
    assert point.objective == pytest.approx(expected.item(), rel=tolerance)
    torch.testing.assert_close(point.gradient, variable.grad, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("levels", "classes"), [((), 2), ((), 5), ((4,), 9)])
def test_certain_rows_keep_the_digits_of_cost_gradient_and_curvature(levels: tuple[int, ...], classes: int) -> None:
    """Where every 1 - p is below 1e-16, all three are sums of the other classes' exponentials."""
    problem = synthetic(50, 3, levels, classes)
    theta = 40 * _theta(problem, 6)
    scores = problem.dense @ theta[:-1].numpy() + theta[-1].numpy()
    clear = np.diff(np.sort(scores, axis=1)[:, -2:])[:, 0] > 40
    problem, scores = replace(problem.take(clear), labels=scores.argmax(1)[clear]), scores[clear]
    objective = PackedObjective(Rows(problem.blocks(), levels, classes, 1), 0.0)
    point = objective.loss_gradient(theta, torch.float64, statistics=True)
    rows = np.arange(len(scores))
    others = np.exp(scores - scores[rows, problem.labels][:, None])
    others[rows, problem.labels] = 0.0
    residuals = others.copy()
    residuals[rows, problem.labels] = -others.sum(1)
    assert len(rows) > 5
    assert point.cost == pytest.approx(others.sum() / len(rows), rel=1e-11)
    assert point.statistics is not None
    expected = torch.tensor(np.hstack([problem.dense, np.ones((len(rows), 1))]).T @ residuals / len(rows))
    torch.testing.assert_close(point.gradient, expected, rtol=1e-11, atol=1e-11 * float(expected.abs().max()))
    curvature = point.statistics.bias_curvature
    assert curvature is not None
    assert float(curvature.diagonal().sum()) == pytest.approx(2 * others.sum() / len(rows), rel=1e-11)


@PROBLEMS
@pytest.mark.parametrize(("precision", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 5e-6)])
def test_hessian_times_vector_is_that_of_autograd(problem: Problem, precision: torch.dtype, tolerance: float) -> None:
    """The directional derivative of the gradient, within rounding."""
    theta, direction = _theta(problem, 4), _theta(problem, 5)
    _, expected = torch.autograd.functional.hvp(lambda t: _value(problem, t), theta, direction)
    ours = _objective(problem).hessian_product(theta, precision)(direction)
    torch.testing.assert_close(ours, expected, rtol=0, atol=tolerance * 10)


@PROBLEMS
def test_the_curvature_of_the_bias_is_its_block_of_the_hessian(problem: Problem) -> None:
    """Column by column, from Hessian-vector products."""
    theta, objective = _theta(problem, 6), _objective(problem)
    point = objective.loss_gradient(theta, torch.float64, statistics=True)
    for k in range(problem.classes):
        direction = torch.zeros_like(theta)
        direction[-1, k] = 1.0
        column = objective.hessian_product(theta, torch.float64)(direction)[-1]
        torch.testing.assert_close(point.statistics.bias_curvature[k], column, rtol=0, atol=1e-14)


@PROBLEMS
def test_label_means_are_the_classes_parts_of_every_column(problem: Problem) -> None:
    """mean (x, 1) y', with the rows' weights."""
    weights = np.ones(200) if problem.weights is None else problem.weights
    x = np.hstack([problem.dense, np.ones((200, 1))]) * (weights / weights.sum())[:, None]
    expected = x.T @ np.eye(problem.classes)[problem.labels]
    objective = _objective(problem)
    statistics = objective.loss_gradient(objective.rows.zero(), torch.float64, statistics=True).statistics
    torch.testing.assert_close(statistics.label_means, torch.tensor(expected), rtol=0, atol=1e-14)
    torch.testing.assert_close(objective.label_means(), torch.tensor(expected), rtol=0, atol=1e-14)


@PROBLEMS
def test_a_block_alone_is_summed_as_many_are(problem: Problem) -> None:
    """Without a grid, to rounding; and NaN in theta is an OverflowError in both."""
    theta = _theta(problem, 7)
    alone, many = (_objective(problem, size=size).loss_gradient(theta, torch.float64) for size in (200, 16))
    torch.testing.assert_close(alone.gradient, many.gradient, rtol=0, atol=1e-14)
    assert alone.objective == pytest.approx(many.objective, rel=1e-14)
    for size in (200, 16):
        with pytest.raises(OverflowError):
            _objective(problem, size=size).loss_gradient(torch.full_like(theta, torch.nan), torch.float64)


@pytest.mark.slow
@PROBLEMS
@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_threads_do_not_change_a_bit(problem: Problem, precision: torch.dtype) -> None:
    """One, two, three and eight threads give the same gradient, cost and curvature."""

    def bits(threads: int) -> bytes:
        objective, theta = _objective(problem, threads, size=16), _theta(problem, 1)
        point = objective.loss_gradient(theta, precision, statistics=True)
        product = objective.hessian_product(theta, precision)(theta)
        statistics = (point.statistics.bias_curvature, point.statistics.label_means)
        parts = (point.gradient, torch.tensor(point.objective), *statistics, product)
        return b"".join(part.contiguous().numpy().tobytes() for part in parts)

    assert {bits(threads) for threads in (2, 3, 8)} == {bits(1)}


@given(
    rows=st.integers(1, 40),
    numbers=st.integers(0, 3),
    levels=st.lists(st.sampled_from([1, 2, 5, 60]), max_size=2).map(tuple),
    classes=st.integers(2, 9),
    scale=st.sampled_from([0.0, 1.0, 1e4]),
    seed=st.integers(0, 1000),
)
@settings(deadline=None, max_examples=60)
def test_any_shape_and_logits_of_ten_thousand_are_those_of_autograd(
    rows: int, numbers: int, levels: tuple[int, ...], classes: int, scale: float, seed: int
) -> None:
    """Finite, and cross_entropy's value in float64; in float32 to the rounding of a logit of that size."""
    if numbers + len(levels) == 0:
        numbers = 1
    random = np.random.default_rng(seed)
    codes = np.stack([random.integers(count, size=rows) for count in levels], 1) if levels else np.zeros((rows, 0), int)
    labels = np.append(random.integers(classes, size=rows - 1), classes - 1)
    problem = Problem(random.normal(size=(rows, numbers)).astype(np.float32), codes, labels, levels)
    theta = _theta(problem, seed, scale)
    expected = _value(problem, theta).item()
    objective = _objective(problem)
    point = objective.loss_gradient(theta, torch.float64)
    assert point.objective == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert bool(torch.isfinite(point.gradient).all())
    single = objective.loss_gradient(theta, torch.float32)
    assert single.cost == pytest.approx(point.cost, rel=1e-4, abs=1e-6 * (1 + 10 * scale))


def test_without_an_intercept_the_bias_has_no_gradient_and_no_curvature() -> None:
    """b's row of gradient and Hessian-vector product is 0."""
    problem = synthetic(100)
    objective, theta = _objective(problem, intercept=False), _theta(problem, 2)
    theta[-1] = 0.0
    assert not objective.loss_gradient(theta, torch.float64).gradient[-1].any()
    assert not objective.hessian_product(theta, torch.float64)(theta)[-1].any()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused(value: float) -> None:
    """When the rows are packed, before anything is computed."""
    problem = synthetic(20)
    problem.numbers[3, 1] = value
    with pytest.raises(OverflowError):
        _objective(problem)


@PROBLEMS
def test_a_hessian_that_keeps_no_probabilities_gives_the_same_bits(problem: Problem) -> None:
    """Those of all blocks, of some, or of none are computed anew in the second product."""
    theta, objective = _theta(problem, 8), _objective(problem, size=16)

    def second(memory: int) -> torch.Tensor:
        product = objective.hessian_product(theta, torch.float32, memory)
        product(theta)
        return product(theta)

    for memory in (0, 200 * 4):
        assert torch.equal(second(memory), second(1 << 30))


def test_many_classes_have_no_matrix_of_their_own() -> None:
    """Beyond 256 classes the bias's (k, k) Hessian is not added up; what else a certificate needs is."""
    for classes in (256, 257):
        problem = synthetic(600, 2, (), classes)
        statistics = _objective(problem).loss_gradient(_theta(problem, 9), torch.float64, statistics=True).statistics
        assert (statistics.bias_curvature is None) == (classes > 256)
        assert statistics.label_means.shape == (3, classes)

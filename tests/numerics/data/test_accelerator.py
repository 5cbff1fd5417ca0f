"""Passes on a device beside the processor: joined pieces, integers, rows that stay or are streamed.

Most of it is tested with the processor in the role of the device. What only a GPU shows is skipped where there is none;
that no kernel mixes tensors of two devices is seen without one, on torch's device that has no memory.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.numerics.data import accelerator
from pipeline.numerics.data.accelerator import Accelerator
from pipeline.numerics.data.block import Parameters
from pipeline.numerics.data.layout import PackedBlock, Rows
from pipeline.numerics.exact import sums
from pipeline.numerics.objective import products, softmax
from pipeline.numerics.objective.packed import PackedObjective
from pipeline.numerics.objective.plain import PlainObjective
from pipeline.numerics.solvers import loop
from pipeline.train import solvers
from pipeline.train.params import TrainParams
from tests.problems import Problem, synthetic

DEVICE = torch.device("cpu:0")  # not equal to torch.device("cpu"), and yet the processor
STAYS, STREAMED = Accelerator(DEVICE, 1 << 40), Accelerator(DEVICE, 0)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")


def _problem(levels: tuple[int, ...], classes: int, weighted: bool = False) -> Problem:
    problem = synthetic(3000, 4, levels, classes)
    return replace(problem, weights=np.linspace(0.5, 2.0, 3000)) if weighted else problem


PROBLEMS = pytest.mark.parametrize(
    "problem",
    [_problem((), 2), _problem((), 5, True), _problem((4,), 3), _problem((3, 7), 9, True), _problem((3, 60), 2)],
    ids=["two classes", "weighted", "category", "categories", "many levels"],
)


def _rows(problem: Problem, gpu: Accelerator | None, intercept: bool = True) -> Rows:
    return Rows(problem.blocks(500), problem.levels, problem.classes, 2, intercept, accelerator=gpu)


def _theta(problem: Problem) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(problem.columns + 1, problem.classes, generator=generator, dtype=torch.float64)


def _seen(rows: Rows, theta: torch.Tensor, precision: torch.dtype) -> list[torch.Tensor]:
    objective = PackedObjective(rows, 0.01)
    point = objective.loss_gradient(theta, precision, statistics=True)
    assert point.statistics is not None
    product = objective.hessian_product(theta, precision)
    first, again = product(theta), product(theta)
    assert torch.equal(first, again)
    cost = torch.tensor(point.cost, dtype=torch.float64)
    return [cost, point.gradient, point.statistics.bias_curvature, point.statistics.label_means, first]


@pytest.mark.slow
@PROBLEMS
@pytest.mark.parametrize(("precision", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 5e-5)])
@pytest.mark.parametrize("intercept", [True, False])
def test_a_pass_gives_what_the_processor_gives(
    problem: Problem, precision: torch.dtype, tolerance: float, intercept: bool
) -> None:
    """Value, gradient, curvature and means, within the rounding of the kernels' precision."""
    theta = _theta(problem)
    there, here = (_seen(_rows(problem, gpu, intercept), theta, precision) for gpu in (STAYS, None))
    for ours, expected in zip(there, here, strict=True):
        torch.testing.assert_close(ours, expected, rtol=tolerance, atol=tolerance)


@PROBLEMS
def test_streamed_rows_give_the_bytes_of_rows_that_stay(problem: Problem) -> None:
    """What fits on the device decides no bit."""
    staying, streamed = (_rows(problem, gpu) for gpu in (STAYS, STREAMED))
    assert (staying.stays, streamed.stays) == (True, False)
    both = [_seen(rows, _theta(problem), torch.float32) for rows in (staying, streamed)]
    assert all(torch.equal(a, b) for a, b in zip(*both, strict=True))


@pytest.mark.parametrize("levels", [(), (3, 7), (3, 60)])
def test_the_objective_of_sgd_is_the_same_there(levels: tuple[int, ...]) -> None:
    """Cost and gradients of joined blocks with integer scatter-adds, within rounding."""
    problem = _problem(levels, 3, True)
    theta = _theta(problem)
    parameters = Parameters(theta[:-1].T.contiguous(), theta[-1].clone())
    blocks = problem.blocks(500)
    here = PlainObjective(blocks, problem.columns, 0.1, 2, torch.float64)
    there = PlainObjective(STAYS.placed(blocks), problem.columns, 0.1, 1, torch.float64, device=DEVICE)
    ours, expected = there.loss_gradient(parameters), here.loss_gradient(parameters)
    assert ours.cost == pytest.approx(expected.cost, rel=1e-13)
    torch.testing.assert_close(ours.weights_gradient, expected.weights_gradient, rtol=0, atol=1e-13)
    torch.testing.assert_close(ours.bias_gradient, expected.bias_gradient, rtol=0, atol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["newton", "lbfgs", "auto"])
@pytest.mark.parametrize("levels", [(), (3, 7), (3, 60)])
def test_training_ends_at_the_optimum_of_the_processor(solver: str, levels: tuple[int, ...]) -> None:
    """Proven on both sides."""
    problem = _problem(levels, 4)
    ends = []
    for gpu in (STAYS, None):
        params = TrainParams(solver=solver, seed=0, epochs=200, snapshot_every=1, l2=1e-3, tolerance=1e-10)
        method = solvers.CertifiedSolver(params, replace(problem.data(size=500), accelerator=gpu))
        result = loop.run(method, params.epochs, lambda *_: None)
        assert method.outcome(result.parameters, result.epochs).bound <= 1e-10
        ends.append(result.parameters.weights)
    torch.testing.assert_close(*ends, rtol=0, atol=1e-4)  # f within 1e-10, l2 1e-3: W within sqrt(2e-10 / 1e-3)


def test_pieces_are_neighbouring_blocks_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as fit into a piece; the rows are those of the table."""
    monkeypatch.setattr(accelerator, "_ROWS_AT_ONCE", 1200)
    problem = _problem((3,), 2, True)
    pieces = STAYS.placed(problem.blocks(500))
    assert [len(piece.labels) for piece in pieces] == [1000, 1000, 1000]
    assert np.array_equal(torch.cat([piece.numbers for piece in pieces]), problem.numbers)
    assert np.array_equal(torch.cat([piece.weights for piece in pieces]), problem.weights)


def test_sums_by_code_are_the_same_in_any_order() -> None:
    """Integers: permuted rows give the same bytes, which are those of exact sums within the grid."""
    random = np.random.default_rng(0)
    codes, values = random.integers(0, 5, (1000, 2)), random.standard_normal((1000, 3)) * 10.0 ** random.integers(-8, 8)
    order = random.permutation(1000)
    expected = np.zeros((5, 3))
    for column in codes.T:
        np.add.at(expected, column, values)
    gpu = [
        sums.sums_by_code(torch.tensor(codes[rows]), torch.tensor(values[rows]), 5) for rows in (np.arange(1000), order)
    ]
    assert torch.equal(*gpu)
    np.testing.assert_allclose(gpu[0], expected, rtol=1e-12)


def test_cpu_is_no_accelerator_and_auto_takes_what_there_is() -> None:
    """auto never fails."""
    assert accelerator.find("cpu") is None
    assert (accelerator.find("auto") is not None) == torch.cuda.is_available()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_a_device_is_refused() -> None:
    """It was asked for by name."""
    with pytest.raises(RuntimeError, match="no CUDA device"):
        accelerator.find("cuda")


@PROBLEMS
def test_no_kernel_mixes_devices(problem: Problem) -> None:
    """With rows on torch's device without memory every product stays there; mixing would be an error."""
    rows = _rows(problem, None)
    block, device = rows.packed[0], torch.device("meta")
    rows.accelerator = Accelerator(device, 1 << 40)
    weights = None if block.weights is None else block.weights.to(device)
    moved = PackedBlock(
        numbers=block.numbers.to(device),
        columns=block.columns.to(device),
        codes=block.codes.to(device),
        labels=block.labels.to(device),
        weights=weights,
    )
    for precision in (torch.float32, torch.float64):
        values = products.operands(rows, _theta(problem), precision)
        scores = products.logits(moved, values, precision)
        change = softmax.change_of_probabilities(rows, softmax.curvature_weights(rows, scores), scores.clone())
        assert scores.device == change.device == device
        if not rows.row_major:  # sums_by_code looks at values, which are not there
            assert products.transposed_product(rows, moved, change).device == device
    losses, residuals = softmax.losses_and_residuals(rows, scores, moved.labels)
    assert losses.device == residuals.device == device


@needs_gpu
@PROBLEMS
def test_a_gpu_gives_what_the_processor_gives(problem: Problem) -> None:
    """The same bits twice, and the processor's numbers within the rounding of float64."""
    gpu = accelerator.find("cuda")
    there, again, here = (_seen(_rows(problem, chosen), _theta(problem), torch.float64) for chosen in (gpu, gpu, None))
    for first, second, expected in zip(there, again, here, strict=True):
        assert torch.equal(first, second)
        torch.testing.assert_close(first, expected, rtol=1e-12, atol=1e-12)

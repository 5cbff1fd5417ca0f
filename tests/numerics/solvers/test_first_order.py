"""sgd and adam against the same optimisers of torch.optim on torch's own cross_entropy."""

import math
from itertools import repeat

import pytest
import torch
import torch.nn.functional as F

from pipeline.numerics.data.block import Block, Parameters
from pipeline.numerics.objective.plain import PlainObjective
from pipeline.numerics.solvers import adam, first_order, schedules, sgd

ROWS, COLUMNS, CLASSES = 60, 4, 3


def _rows(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randn(ROWS, COLUMNS, generator=generator)
    return numbers, torch.randint(CLASSES, (ROWS,), generator=generator)


def _blocks(sizes: list[int]) -> list[Block]:
    numbers, labels = _rows()
    codes = torch.empty(ROWS, 0, dtype=torch.int64)
    parts = zip(numbers.split(sizes), codes.split(sizes), labels.split(sizes), strict=True)
    return [Block(*part) for part in parts]


def _objective(blocks, l2: float = 0.0) -> PlainObjective:
    return PlainObjective(blocks, COLUMNS, l2, 1, torch.float64)


def _start() -> Parameters:
    torch.manual_seed(3)
    linear = torch.nn.Linear(COLUMNS, CLASSES)
    return Parameters(linear.weight.detach().double(), linear.bias.detach().double())


def _reference(make_optimizer, epochs: int, l2: float) -> torch.Tensor:
    """The plain PyTorch loop of every tutorial, in float64, with the penalty in the loss."""
    numbers, labels = _rows()
    start = _start()
    weights, bias = start.weights.requires_grad_(), start.bias.requires_grad_()
    optimizer = make_optimizer([weights, bias])
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = F.cross_entropy(numbers.double() @ weights.T + bias, labels) + l2 / 2 * weights.square().sum()
        loss.backward()
        optimizer.step()
    return weights.detach()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda v: (sgd.Sgd(0.0), 0.2), lambda v: torch.optim.SGD(v, lr=0.2)),
        (lambda v: (sgd.Sgd(0.9), 0.1), lambda v: torch.optim.SGD(v, lr=0.1, momentum=0.9)),
        (lambda v: (adam.Adam(v), 0.05), lambda v: torch.optim.Adam(v, lr=0.05)),
    ],
    ids=["sgd", "momentum", "adam"],
)
@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_full_batch_training_is_the_plain_pytorch_loop(ours, theirs, l2: float) -> None:
    """Fifty epochs end where autograd's end, to float64's rounding grown over fifty steps."""
    objective = _objective(_blocks([25, 25, 10]), l2)
    start = _start()
    update, lr = ours([start.weights, start.bias])
    method = first_order.FirstOrder(start, first_order.full_batch(objective), update, repeat(lr))
    for _ in range(50):
        method.run_epoch()
    torch.testing.assert_close(method.parameters.weights, _reference(theirs, 50, l2), rtol=0, atol=1e-11)


def _mini_batch_run(sizes: list[int], batch_size: int, seed: int) -> torch.Tensor:
    blocks = _blocks(sizes)
    batches = first_order.mini_batches(blocks, batch_size, torch.Generator().manual_seed(seed), _objective)
    method = first_order.FirstOrder(_start(), batches, sgd.Sgd(0.0), repeat(0.1))
    for _ in range(3):
        method.run_epoch()
    return method.parameters.weights


def test_mini_batches_do_not_depend_on_how_rows_lie_in_blocks() -> None:
    """The order is drawn over all rows: other blocks give the same bits, another seed gives others."""
    expected = _mini_batch_run([60], 16, seed=1)
    assert torch.equal(_mini_batch_run([20, 20, 20], 16, seed=1), expected)
    assert not torch.equal(_mini_batch_run([60], 16, seed=2), expected)


def test_an_epoch_of_mini_batches_takes_every_row_once() -> None:
    """The batches' rows are the table's rows, in a new order each epoch, and their shares add up to 1."""
    numbers, _ = _rows()
    seen: list[Block] = []

    def remember(blocks) -> PlainObjective:
        seen.extend(blocks)
        return _objective(blocks)

    batches = first_order.mini_batches(_blocks([32, 28]), 7, torch.Generator().manual_seed(0), remember)
    shares = [share for _, share in batches()]
    rows = torch.cat([block.numbers for block in seen])
    assert math.fsum(shares) == pytest.approx(1, rel=1e-15)
    assert len(shares) == math.ceil(ROWS / 7)
    assert torch.equal(rows.sort(0).values, numbers.sort(0).values)


def test_the_learning_rate_follows_the_schedule() -> None:
    """Each epoch reports the rate that it used."""
    method = first_order.FirstOrder(
        _start(),
        first_order.full_batch(_objective(_blocks([60]))),
        sgd.Sgd(0.0),
        schedules.rates("step", 0.8, epochs=5, every=2, factor=0.5),
    )
    assert [method.run_epoch().lr for _ in range(5)] == [0.8, 0.8, 0.4, 0.4, 0.2]

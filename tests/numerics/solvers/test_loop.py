"""The loop, with real methods on small problems."""

import math
from itertools import repeat

import pytest
import torch

from pipeline.numerics.data.block import Block, Parameters
from pipeline.numerics.objective.plain import PlainObjective
from pipeline.numerics.solvers import first_order, loop, sgd
from pipeline.numerics.solvers.status import Status


def _objective(rows: int = 40, seed: int = 0, l2: float = 0.0) -> PlainObjective:
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randn(rows, 3, generator=generator)
    labels = (numbers.sum(1) > 0).long() + (numbers[:, 0] > 1).long()
    block = Block(numbers, torch.empty(rows, 0, dtype=torch.int64), labels)
    return PlainObjective([block], 3, l2, 1, torch.float64)


def _zero() -> Parameters:
    return Parameters(torch.zeros(3, 3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64))


def _method(objective: PlainObjective, lr: float) -> first_order.FirstOrder:
    return first_order.FirstOrder(_zero(), first_order.full_batch(objective), sgd.Sgd(0.0), repeat(lr))


def _ignore(record: loop.Record, parameters: Parameters) -> None:
    """No one watches."""


def test_the_loop_runs_the_epochs_asked_for() -> None:
    """The cost of the records falls, and the first one is that of the start: log 3 for zero weights."""
    records: list[loop.Record] = []
    result = loop.run(_method(_objective(), 0.1), 20, lambda record, _: records.append(record))
    costs = [record.epoch.cost for record in records]
    assert (result.status, result.epochs, result.best_epoch) == (Status.EPOCHS_DONE, 20, None)
    assert costs[0] == pytest.approx(math.log(3), rel=1e-15)
    assert costs == sorted(costs, reverse=True)


def test_divergence_is_a_status_with_the_epoch() -> None:
    """A learning rate without bounds leaves the numbers: a status, not a NaN that trains on."""
    result = loop.run(_method(_objective(l2=1.0), 1e200), 100, _ignore)
    assert result.status is Status.DIVERGED
    assert 0 < result.epochs < 100


def test_early_stopping_keeps_the_best_parameters() -> None:
    """Held-out rows with other labels get worse while training fits: the loop stops and goes back to the best epoch."""
    held_out = _objective(rows=30, seed=5)
    costs: list[float] = []

    def watched(parameters: Parameters) -> float:
        # The distance from a point on the way makes the minimum certain; the cost of real rows decides ties.
        costs.append(held_out.loss(parameters) + 10 * abs(float(parameters.weights.norm()) - 0.5))
        return costs[-1]

    rule = loop.EarlyStopping(patience=5, minimum_drop=0.0)
    result = loop.run(_method(_objective(), 0.1), 500, _ignore, watched, rule)
    assert result.status is Status.STOPPED_EARLY
    assert result.best_epoch == costs.index(min(costs))
    assert result.epochs == result.best_epoch + 5
    assert watched(result.parameters) == min(costs)

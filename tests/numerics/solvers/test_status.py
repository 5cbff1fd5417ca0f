"""How a training ends: every status is reached by some training."""

from functools import partial

import numpy as np
import pytest
import torch

from pipeline.numerics.data.block import Parameters
from pipeline.numerics.objective.plain import PlainObjective
from pipeline.numerics.solvers import loop
from pipeline.numerics.solvers.status import Status
from pipeline.train import baselines, solvers
from pipeline.train.params import TrainParams
from tests.problems import Problem, numbers_only, synthetic

PROBLEM = synthetic(300, 3, (), 3)
SEPARABLE = numbers_only(np.linspace(-1, 1, 40)[:, None], (np.linspace(-1, 1, 40) > 0).astype(int))
NO_STEPS = {"solver": "newton", "epochs": 300}


def _status(problem: Problem, early_stopping: loop.EarlyStopping | None = None, **settings: object) -> Status:
    chosen = {"solver": "sgd", "lr": 0.5, "seed": 0, "epochs": 20, "snapshot_every": 1} | settings
    params, data = TrainParams(**chosen), problem.data()
    objective = partial(
        PlainObjective, columns=problem.columns, l2=params.l2, threads=1, precision=torch.float64, intercept=True
    )
    start = Parameters(
        torch.zeros(problem.classes, problem.columns, dtype=torch.float64), torch.zeros(problem.classes).double()
    )
    method = solvers.make(params, data, start, objective)
    held_out = objective(problem.take(np.arange(0, 300, 7)).blocks()).loss if early_stopping else None
    result = loop.run(method, params.epochs, lambda *_: None, held_out, early_stopping)
    if result.status is Status.DIVERGED:
        return result.status
    outcome = method.outcome(result.parameters, result.epochs)
    totals = np.bincount(problem.labels).astype(float)
    return baselines.judge(result.status, outcome.final, outcome.start, totals, params.intercept).status


REACHED = {
    Status.EPOCHS_DONE: lambda: _status(PROBLEM),
    Status.STOPPED_EARLY: lambda: _status(PROBLEM, loop.EarlyStopping(2, 0.1), epochs=500),
    Status.WORSE_THAN_BASELINE: lambda: _status(PROBLEM, lr=1e4),
    Status.DIVERGED: lambda: _status(PROBLEM, lr=1e300),
    Status.CONVERGED: lambda: _status(PROBLEM, **NO_STEPS, lr=None, l2=0.01),
    Status.CONVERGED_UNPROVEN: lambda: _status(PROBLEM, **NO_STEPS, lr=None),
    Status.NOT_CONVERGED: lambda: _status(PROBLEM, solver="lbfgs", lr=None, epochs=1, l2=1e-4),
    Status.STALLED: lambda: _status(PROBLEM, **NO_STEPS, lr=None, l2=1e-3, tolerance=1e-40),
    Status.SEPARABLE: lambda: _status(SEPARABLE, **NO_STEPS, lr=None),
}


@pytest.mark.parametrize("status", list(Status), ids=lambda status: status.value)
def test_every_status_is_reached(status: Status) -> None:
    """By the training that its meaning speaks of; a new status without one fails here."""
    assert REACHED[status]() is status

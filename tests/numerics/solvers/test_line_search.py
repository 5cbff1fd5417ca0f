"""Trials along a direction, shorter and shorter."""

import itertools

import pytest
import torch

from pipeline.numerics.data.layout import Rows
from pipeline.numerics.objective.packed import PackedObjective
from pipeline.numerics.solvers import line_search
from tests.problems import synthetic


def _objective() -> PackedObjective:
    problem = synthetic(300, 3, (4,), 3)
    return PackedObjective(Rows(problem.blocks(), problem.levels, problem.classes, 1), 0.1)


def test_trials_begin_with_the_whole_step_and_end_before_the_shortest() -> None:
    """Each is a tenth to a half of the one before, at the point that it says, with the rise of f there."""
    objective = _objective()
    point = objective.loss_gradient(objective.rows.zero(), torch.float64)
    direction = -1000 * point.gradient
    slope = float((point.gradient * direction).sum())
    trials = list(line_search.backtracking(objective, point, direction, slope, 1e-3))
    steps = [trial.step for trial in trials]
    assert steps[0] == 1.0
    assert min(steps) >= 1e-3
    assert all(0.1 <= later / earlier <= 0.5 for earlier, later in itertools.pairwise(steps))
    for trial in trials:
        assert torch.equal(trial.point.theta, trial.step * direction)
        assert trial.rise == trial.point.objective - point.objective


def test_the_second_trial_is_at_the_minimum_of_the_parabola() -> None:
    """Of the one with the value and slope at the point and the value at the first trial."""
    objective = _objective()
    point = objective.loss_gradient(objective.rows.zero(), torch.float64)
    direction = -20 * point.gradient
    slope = float((point.gradient * direction).sum())
    first, second, *_ = line_search.backtracking(objective, point, direction, slope, 1e-3)
    curvature = 2 * (first.rise - slope)
    assert second.step == pytest.approx(min(0.5, max(0.1, -slope / curvature)))

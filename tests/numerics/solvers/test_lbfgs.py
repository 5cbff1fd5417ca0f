"""L-BFGS beside a cheap scaling."""

import numpy as np

from pipeline.numerics.solvers import auto
from tests.problems import Problem, solve, standardised


def test_steps_from_a_diagonal_have_the_right_length_at_once() -> None:
    """Groups of 30 flags that are set together: a diagonal is several times too small, but few steps are shortened."""
    random = np.random.default_rng(0)
    rows, columns, levels, classes = 600, 600, (5, 46), 7
    alone, groups = random.random((rows, columns)) < 0.02, random.random((rows, columns // 30)) < 0.02
    flags = standardised((alone | groups.repeat(30, 1)).astype(np.float64))
    codes = np.stack([random.integers(count, size=rows) for count in levels], 1)
    scores = flags[:, :40] @ random.normal(size=(40, classes)) * 0.3
    problem = Problem(flags, codes, (scores + random.gumbel(size=scores.shape)).argmax(1), levels)
    sizes = auto.Sizes(rows, columns + sum(levels), classes, levels)
    assert auto.choose("auto", sizes, memory=0).preconditioner == "diagonal"
    solved = solve(problem, solver="auto", l2=1e-2, tolerance=1e-8)
    assert solved.outcome.bound is not None
    assert solved.outcome.bound <= 1e-8 * solved.objective
    assert solved.result.epochs > 50
    assert solved.outcome.passes <= 1.2 * solved.result.epochs

"""Tables as they come, means far above deviations and columns of any size, are trained to the proven optimum."""

from functools import cache

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_wine

from pipeline.numerics.solvers.status import Status
from tests.problems import Problem, numbers_only, solve

TOLERANCE = 1e-8


def _labels(x: np.ndarray, random: np.random.Generator, classes: int) -> np.ndarray:
    """Drawn from a softmax regression on the standardised columns."""
    z = (x - x.mean(0)) / np.maximum(x.std(0), 1e-12)
    return (z @ random.normal(size=(x.shape[1], classes)) + random.gumbel(size=(len(x), classes))).argmax(1)


def _stamps() -> Problem:
    """Seconds since 1970, years, pascals, and a column of small numbers."""
    random = np.random.default_rng(0)
    t = random.normal(size=(2000, 4))
    x = np.stack([1.6e9 + 1e7 * t[:, 0], 2013 + np.rint(t[:, 1]), 101_300 + 500 * t[:, 2], 1e-3 * t[:, 3]], 1)
    x = x.astype(np.float32)
    return numbers_only(x, _labels(x.astype(np.float64), random, 3))


def _timetable(levels: tuple[int, ...]) -> Problem:
    """As flights: a constant year, time = 100 hour + minute, a distance."""
    random = np.random.default_rng(1)
    hour, minute = random.integers(5, 24, 3000), random.integers(0, 60, 3000)
    x = np.stack([np.full(3000, 2013), 100 * hour + minute, hour, minute, random.gamma(2, 500, 3000)], 1)
    labels = _labels(x.astype(np.float64), random, 4)
    codes = np.stack([(labels + random.integers(0, count, 3000)) % count for count in levels] or [labels[:0]], 1)
    return Problem(x.astype(np.float32), codes.reshape(3000, len(levels)).astype(np.int64), labels, levels)


def _scikit(load: object) -> Problem:
    loaded = load()  # type: ignore[operator]
    return numbers_only(loaded.data, loaded.target)


TABLES = {
    "stamps": _stamps,
    "timetable": lambda: _timetable(()),
    "timetable with categories": lambda: _timetable((3, 12)),
    "wine": lambda: _scikit(load_wine),
    "breast cancer": lambda: _scikit(load_breast_cancer),
}


@cache
def _optimum(name: str, l2: float) -> float:
    """f* by Newton's method on standardised columns u, in float64: x = m + s u, so that W = W' / s and b is free."""
    problem = TABLES[name]()
    x, k, n = problem.dense, problem.classes, len(problem.labels)
    size = np.where(x.std(0) > 0, x.std(0), 1)
    u = np.hstack([(x - x.mean(0)) / size, np.ones((n, 1))])
    penalty = np.append(l2 / size**2, 0)[:, None]
    y = np.eye(k)[problem.labels]

    def value(theta: np.ndarray) -> tuple[float, np.ndarray]:
        z = u @ theta
        z -= z.max(1, keepdims=True)
        total = np.exp(z).sum(1, keepdims=True)
        return float((np.log(total) - (z * y).sum(1, keepdims=True)).mean() + (penalty * theta**2).sum() / 2), (
            np.exp(z) / total
        )

    theta = np.zeros((u.shape[1], k))
    here, p = value(theta)
    for _ in range(100):
        gradient = u.T @ (p - y) / n + penalty * theta
        hessian = np.zeros((k, len(theta), k, len(theta)))
        for i in range(k):
            for j in range(i, k):
                block = (u * (p[:, i] * ((i == j) - p[:, j]))[:, None]).T @ u / n
                hessian[i, :, j], hessian[j, :, i] = block, block.T
            hessian[i, :, i] += np.diag(penalty[:, 0])
        step = np.linalg.lstsq(hessian.reshape(theta.size, -1), gradient.T.reshape(-1), rcond=1e-15)[0]
        step = step.reshape(k, -1).T
        decrement, length = float((step * gradient).sum()), 1.0
        while length > 1e-4 and value(theta - length * step)[0] > here - 1e-4 * length * decrement:
            length /= 2
        if length <= 1e-4 or decrement < 1e-14:
            break
        theta = theta - length * step
        here, p = value(theta)
    return here


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["auto", "newton", "lbfgs"])
@pytest.mark.parametrize("l2", [1e-2, 1e-4])
@pytest.mark.parametrize("name", list(TABLES))
def test_raw_columns_are_trained_to_the_proven_optimum(name: str, l2: float, solver: str) -> None:
    """Within the tolerance of the optimum that Newton's method finds on standardised columns, and proven to be."""
    solved = solve(TABLES[name](), solver=solver, l2=l2, tolerance=TOLERANCE)
    assert solved.result.status is Status.CONVERGED
    assert solved.outcome.bound is not None
    assert solved.outcome.bound <= TOLERANCE * solved.objective
    best = _optimum(name, l2)
    assert -1e-12 * best <= solved.objective - best <= solved.outcome.bound + 1e-12 * best


@pytest.mark.parametrize("name", ["stamps", "timetable"])
def test_raw_columns_without_a_penalty(name: str) -> None:
    """As low as with next to none: the curvature tells where the optimum is, though nothing is proven."""
    solved = solve(TABLES[name](), solver="auto", l2=0.0, tolerance=TOLERANCE)
    assert solved.result.status is Status.CONVERGED_UNPROVEN
    assert solved.objective <= _optimum(name, 1e-12) * (1 + TOLERANCE)

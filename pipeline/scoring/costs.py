"""Decisions by expected costs: of the classes, or of none, the one that costs least on average.

n rows, k classes, p (n, k) the probabilities that are shown. C (k, k) holds what it costs to decide for class d (its
column) where class a (its row) is true, so that deciding for d is expected to cost sum_a p_a C_ad.
Sources: Elkan 2001, "The foundations of cost-sensitive learning"; Chow 1970, "On optimum recognition error and reject
tradeoff" (no decision).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.products import add_product

NO_DECISION = -1

# Of what anyone may ask for, so that no product or quotient overflows.
MOST_COST, LEAST_THRESHOLD = 1e100, 1e-100


@dataclass(frozen=True)
class Policy:
    """How a class is decided for: by least expected cost, or by the largest p / t of the thresholds (k,), if any.

    Rows whose least expected cost is above ``abstain`` get no decision. Thresholds are costs, too: missing class a
    costs 1 / t_a, and of these costs the expected one is least where p / t is largest.
    """

    costs: NDArray[np.float64]
    thresholds: NDArray[np.float64] | None = None
    abstain: float | None = None

    def expected(self, p: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expected cost (n, k) of deciding for each class."""
        result = np.zeros((len(p), self.costs.shape[1]))
        add_product(result, p, self.costs)
        return result

    def decide(self, p: NDArray[np.float64]) -> NDArray[np.int64]:
        """Class indices (n,), the first of equals, NO_DECISION for none."""
        if self.thresholds is not None:
            likely: NDArray[np.int64] = (p / self.thresholds).argmax(axis=1)
            return likely
        expected = self.expected(p)
        decided: NDArray[np.int64] = expected.argmin(axis=1)
        if self.abstain is not None:
            decided[expected.min(axis=1) > self.abstain] = NO_DECISION
        return decided


def zero_one(classes: int) -> NDArray[np.float64]:
    """Costs (k, k) of 1 for every wrong class: the expected one is the probability of being wrong."""
    return 1 - np.eye(classes)


def missing(costs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Costs (k, k) of deciding for any other class, which depend on the true one alone, (k,)."""
    result: NDArray[np.float64] = costs[:, np.newaxis] * zero_one(len(costs))
    return result

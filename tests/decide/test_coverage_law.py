"""The law of covered rows, counted over every split of a few rows."""

from itertools import combinations
from math import comb

import numpy as np
import pytest

from pipeline.decide.quantiles import quantile
from tests.decide.coverage_law import interval_of_share, law


@pytest.mark.parametrize(("n", "m"), [(1, 3), (4, 3), (5, 6), (9, 2), (11, 4)])
@pytest.mark.parametrize("level", [0.5, 0.7, 0.9])
def test_every_split_together_has_the_law(n: int, m: int, level: float) -> None:
    """Whatever the scores are: quantiles of all choices of n of n + m rows, and how many of the others they cover."""
    score = np.random.default_rng(n).random(n + m)
    counts = np.zeros(m + 1)
    for chosen in combinations(range(n + m), n):
        value = quantile(score[list(chosen)], np.ones(n), level)
        others = np.delete(score, chosen)
        counts[m if value is None else np.count_nonzero(others <= value)] += 1
    # 1e-12: of scipy's logarithms of gamma functions.
    assert np.allclose(counts / comb(n + m, n), law(n, m, level), rtol=0, atol=1e-12)


@pytest.mark.parametrize("last", [(9, 10), (8, 11)])
def test_the_interval_leaves_the_tails_that_it_says(last: tuple[int, int]) -> None:
    """Sums of 20,000 draws of the law lie beyond either end as often as that, but for four deviations of chance."""
    draws, tail = [(40, 30), (25, 50), last], 0.025
    rows = 80 + last[1]
    random = np.random.default_rng(0)
    sums = sum(random.choice(m + 1, size=20_000, p=law(n, m, 0.9)) for n, m in draws)
    low, high = interval_of_share(draws, 0.9, tail)
    most = tail + 4 * np.sqrt(tail / 20_000)
    assert np.mean(sums < rows * low - 0.5) <= most
    assert np.mean(sums > rows * high + 0.5) <= most
    # It is no wider than that: one row nearer leaves more.
    assert np.mean(sums <= rows * low + 0.5) >= 2 * tail - most
    assert np.mean(sums >= rows * high - 0.5) >= 2 * tail - most

"""Relations between problems whose optima are known from one another, as scikit-learn's and statsmodels' suites have.

What test_methods.py has is not repeated: rows twice, a weight of 2 or 0, permutations, [X, X] / 2 with a penalty.
"""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.problems import Problem, solve, synthetic

# f's curvature in W is at least l2, so |W - W*| <= sqrt(2 * bound / l2): 1e-6 for a bound of 5e-16 and l2 = 1e-3.
WEIGHTS = 1e-6


def _weighted(problem: Problem, seed: int = 1) -> Problem:
    """Some rows weigh 0, others up to 4."""
    weights = np.random.default_rng(seed).choice([0.0, 0.5, 1.0, 4.0], len(problem.labels))
    return replace(problem, weights=weights)


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("l1", [0.0, 4e-3])
def test_scikit_learns_c_is_as_params_yaml_says(classes: int, weighted: bool, l1: float) -> None:
    """C = 1 / (V * (l1 + l2)), V the sum of weights; with two classes, where it has one vector for two, l2/2 for l2."""
    problem, l2 = synthetic(300, 3, (3,), classes, seed=classes), 2e-2
    problem = _weighted(problem) if weighted else problem
    total = len(problem.labels) if problem.weights is None else problem.weights.sum()
    theirs = l2 / 2 if classes == 2 else l2
    reference = LogisticRegression(
        C=1 / (total * (l1 + theirs)),
        l1_ratio=l1 / (l1 + theirs),
        solver="saga" if l1 else "newton-cholesky",
        tol=1e-9 if l1 else 1e-12,
        max_iter=100_000,
        random_state=0,
    ).fit(problem.dense, problem.labels, problem.weights)
    ours = solve(problem, l1=l1, l2=l2).weights
    found = ours[1:] - ours[:1] if classes == 2 else ours
    # saga stops by the change of W in an epoch, of which it makes hundreds.
    np.testing.assert_allclose(found, reference.coef_, rtol=0, atol=2e-5 if l1 else WEIGHTS)

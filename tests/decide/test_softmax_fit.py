"""Vector and matrix scaling against scipy and scikit-learn, and their bound."""

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from pipeline.decide import softmax_fit
from pipeline.scoring.probabilities import softmax
from tests.decide.rows import Rows, drawn, joined, log_loss
from tests.libraries import not_compiled


def objective(rows: Rows, weights: np.ndarray, bias: np.ndarray, l2: float) -> float:
    """F of the module's docstring, for a vector or a matrix."""
    log_p, labels, row_weights = joined(rows)
    k = len(bias)
    is_matrix = weights.ndim == 2
    scaled = log_p @ weights.T + bias if is_matrix else weights * log_p + bias
    away = ((weights - (np.eye(k) if is_matrix else 1)) ** 2).sum() + (bias**2).sum()
    return log_loss(scaled, labels, row_weights) + l2 / 2 * away


@pytest.mark.parametrize("method", ["vector", "matrix"])
@pytest.mark.parametrize(("k", "l2"), [(2, 1e-3), (4, 1e-1), (3, 1e-8)])
def test_it_has_the_least_objective_and_the_bound_holds(method: str, k: int, l2: float) -> None:
    """scipy's BFGS finds no lower one, of rows that are weighted and lie in blocks."""
    rows = drawn(5, 1_500, k, 0.5, weighted=True, pieces=3)
    fitted = softmax_fit.fit(rows, k, l2, method)
    scaling = fitted.scaling
    start = np.concatenate([np.ravel(np.eye(k) if method == "matrix" else np.ones(k)), np.zeros(k)])
    found = minimize(
        lambda theta: objective(rows, theta[:-k].reshape(scaling.weights.shape), theta[-k:], l2),
        start,
        options={"gtol": 1e-7},
    )
    own = objective(rows, scaling.weights, scaling.bias, l2)
    assert 0 <= fitted.bound <= 1e-11
    # Of 1,500 rounded losses.
    assert own <= found.fun + fitted.bound + 1e-13
    # BFGS with differences as gradients comes within 1e-8 of the minimum.
    assert own == pytest.approx(found.fun, abs=1e-8)


def test_matrix_scaling_is_logistic_regression_on_log_probabilities() -> None:
    """With hardly a penalty, the probabilities of scikit-learn's without one."""
    rows = drawn(6, 4_000, 3, 0.6)
    log_p, labels, _ = joined(rows)
    reference = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(log_p, labels)
    fitted = softmax_fit.fit(rows, 3, 1e-9, "matrix")
    own = softmax(fitted.scaling.of_log_probabilities(log_p))
    # lbfgs stops at a gradient of 1e-10 or where its objective no longer falls, 1e-8 of it.
    assert own == pytest.approx(reference.predict_proba(log_p), abs=1e-4)


@pytest.mark.parametrize("method", ["vector", "matrix"])
def test_a_strong_penalty_leaves_the_probabilities_as_they_are(method: str) -> None:
    """W goes to the identity and b to 0, by no more than gradient over penalty."""
    fitted = softmax_fit.fit(drawn(7, 300, 3, 0.3), 3, 1e6, method)
    identity = np.eye(3) if method == "matrix" else np.ones(3)
    assert fitted.scaling.weights == pytest.approx(identity, abs=1e-4)
    assert fitted.scaling.bias == pytest.approx(np.zeros(3), abs=1e-4)


def test_a_hessian_of_a_part_of_the_rows_comes_to_the_same_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound does not ask where the steps came from."""
    rows = drawn(8, 6_000, 4, 0.5, pieces=2)
    whole = softmax_fit.fit(rows, 4, 1e-3, "matrix")
    monkeypatch.setattr(softmax_fit, "_MOST_PRODUCTS", 6_000 * 20**2 // 10)
    part = softmax_fit.fit(rows, 4, 1e-3, "matrix")
    assert max(part.bound, whole.bound) <= 1e-12
    # ||theta - theta*||^2 <= 2 bound / l2.
    assert part.scaling.weights == pytest.approx(whole.scaling.weights, abs=2 * np.sqrt(2e-12 / 1e-3))


@pytest.mark.parametrize("method", ["vector", "matrix"])
def test_bits_are_the_same_without_a_compiler(method: str) -> None:
    """Every operation is one of the portable ones."""
    rows = drawn(9, 400, 3, 0.5, pieces=2)
    compiled = softmax_fit.fit(rows, 3, 1e-3, method)
    with not_compiled():
        reference = softmax_fit.fit(rows, 3, 1e-3, method)
    assert compiled.scaling.weights.tobytes() == reference.scaling.weights.tobytes()
    assert compiled.scaling.bias.tobytes() == reference.scaling.bias.tobytes()
    assert compiled.bound == reference.bound


@pytest.mark.slow
def test_thirty_classes_have_a_matrix() -> None:
    """930 numbers of 10,000 rows, within the bound."""
    assert softmax_fit.fit(drawn(10, 10_000, 30, 0.5), 30, 1e-3, "matrix").bound <= 1e-12

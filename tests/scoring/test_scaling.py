"""Scaling of logits by hand, and what it does not depend on."""

import numpy as np
import pytest

from pipeline.scoring.probabilities import log_softmax, softmax
from pipeline.scoring.scaling import Scaling, log_probabilities

GENERATOR = np.random.default_rng(0)
K = 4
SCALINGS = [
    Scaling("temperature", np.array(0.7), np.zeros(K)),
    Scaling("vector", GENERATOR.uniform(0.1, 2, K), GENERATOR.normal(size=K)),
    Scaling("matrix", GENERATOR.normal(size=(K, K)), GENERATOR.normal(size=K)),
]
EACH = pytest.mark.parametrize("scaling", SCALINGS, ids=lambda scaling: scaling.method)
LOGITS = 3 * GENERATOR.normal(size=(50, K))


@EACH
def test_it_is_the_formula(scaling: Scaling) -> None:
    """W log p + b, with W a number, a diagonal or a matrix."""
    full = {0: scaling.weights * np.eye(K), 1: np.diag(np.ravel(scaling.weights)), 2: scaling.weights}
    expected = log_softmax(LOGITS) @ full[scaling.weights.ndim].T + scaling.bias
    # Sums of 4 products, in another order.
    assert scaling.logits(LOGITS) == pytest.approx(expected, rel=1e-12, abs=1e-13)


@EACH
def test_a_constant_added_to_a_rows_logits_changes_no_probability(scaling: Scaling) -> None:
    """It is of log p, which such a constant leaves as it is but for rounding."""
    shifted = LOGITS + 10 * GENERATOR.normal(size=(50, 1))
    assert softmax(scaling.logits(shifted)) == pytest.approx(softmax(scaling.logits(LOGITS)), abs=1e-13)


@EACH
def test_a_row_stands_alone(scaling: Scaling) -> None:
    """Its bits are the same whatever rows lie around it."""
    alone = np.concatenate([scaling.logits(row[np.newaxis]) for row in LOGITS])
    assert alone.tobytes() == scaling.logits(LOGITS).tobytes()


@pytest.mark.parametrize(
    "scaling",
    [
        Scaling("temperature", np.array(1.0), np.zeros(K)),
        Scaling("vector", np.ones(K), np.zeros(K)),
        Scaling("matrix", np.eye(K), np.zeros(K)),
    ],
    ids=lambda scaling: scaling.method,
)
def test_the_identity_leaves_probabilities_as_they_are(scaling: Scaling) -> None:
    """But for rounding."""
    assert softmax(scaling.logits(LOGITS)) == pytest.approx(softmax(LOGITS), abs=1e-15)


@EACH
def test_logits_beyond_float64_still_give_numbers(scaling: Scaling) -> None:
    """log p is then no less than -1e200."""
    extreme = np.array([[1.7e308, -1.7e308, 0.0, 1.0]])
    with np.errstate(over="ignore"):
        assert log_probabilities(extreme).min() == -1e200
        assert np.isfinite(scaling.logits(extreme)).all()

"""The temperature against scipy and scikit-learn, its bound, and the rows that have none."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from pipeline.decide import temperature
from pipeline.decide.optimum import NoFitError
from tests.decide.rows import drawn, joined, log_loss, rows_of
from tests.libraries import not_compiled


@pytest.mark.parametrize("sharpness", [0.02, 0.4, 1.0, 3.0, 20.0])
@pytest.mark.parametrize("k", [2, 5])
def test_it_has_the_least_log_loss_and_the_bound_holds(sharpness: float, k: int) -> None:
    """scipy's minimum of the same function is no lower than the bound allows, whatever the scale."""
    rows = drawn(1, 2_000, k, sharpness, weighted=True)
    fitted = temperature.fit(rows, k)
    log_p, labels, weights = joined(rows)
    best = minimize_scalar(
        lambda s: log_loss(s * log_p, labels, weights), bounds=(1e-6, 1e3), method="bounded", options={"xatol": 1e-12}
    )
    own = log_loss(float(fitted.scaling.weights) * log_p, labels, weights)
    assert 0 <= fitted.bound <= 1e-11
    # Of 2,000 rounded losses below 10.
    assert own <= best.fun + fitted.bound + 1e-13
    # A minimum of curvature c is flat over sqrt(rounding / c).
    assert float(fitted.scaling.weights) == pytest.approx(best.x, rel=1e-5)


@pytest.mark.parametrize("seed", range(30))
def test_the_bound_is_small_wherever_the_scale_lies(seed: int) -> None:
    """Above 1 as below, of few rows as of many; the slope changes its sign within a millionth of s."""
    generator = np.random.default_rng(seed)
    n, k = int(generator.integers(20, 300)), int(generator.integers(2, 6))
    rows = drawn(seed, n, k, float(10 ** generator.uniform(-0.5, 1)))
    try:
        fitted = temperature.fit(rows, k)
    except NoFitError:
        return
    log_p, labels, weights = joined(rows)
    s = float(fitted.scaling.weights)
    assert fitted.bound <= 1e-12
    for other in (s * (1 - 1e-3), s * (1 + 1e-3)):
        # Of 300 rounded losses.
        assert log_loss(s * log_p, labels, weights) <= log_loss(other * log_p, labels, weights) + 1e-14


def test_it_is_the_inverse_of_scikit_learns_temperature() -> None:
    """Of a frozen classifier, whose decision function scikit-learn scales; it stops at its own tolerance."""
    generator = np.random.default_rng(2)
    x, noise = generator.normal(size=(3_000, 4)), generator.normal(size=(3_000, 3))
    y = np.argmax(x[:, :3] + noise, axis=1)
    model = LogisticRegression(C=1e4).fit(5 * x[:60], y[:60])
    calibrated = CalibratedClassifierCV(FrozenEstimator(model), method="temperature").fit(5 * x[60:], y[60:])
    beta = calibrated.calibrated_classifiers_[0].calibrators[0].beta_
    fitted = temperature.fit(rows_of(model.decision_function(5 * x[60:]), y[60:], np.ones(2_940)), 3)
    # scikit-learn's bounded search stops at 64 roundings of ln s, but its losses are flat over the root of a rounding.
    assert float(fitted.scaling.weights) == pytest.approx(beta, rel=1e-5)


def test_the_true_scale_is_recovered() -> None:
    """Classes drawn with 0.4 times the logits; 20,000 rows tell it within 3 %, three standard errors."""
    assert float(temperature.fit(drawn(3, 20_000, 4, 0.4), 4).scaling.weights) == pytest.approx(0.4, rel=0.03)


def test_a_weight_is_that_many_rows_and_blocks_do_not_matter() -> None:
    """The same scale, but for the order of additions; in the same blocks without a compiler the same bits."""
    rows = drawn(4, 500, 3, 0.7, weighted=True, pieces=3)
    logits, labels, weights = (
        np.concatenate([getattr(block, name) for block in rows.blocks]) for name in ("logits", "labels", "weights")
    )
    times = weights.astype(int)
    repeated = rows_of(np.repeat(logits, times, axis=0), np.repeat(labels, times), np.ones(times.sum()))
    scales = [float(temperature.fit(each, 3).scaling.weights) for each in (rows, repeated)]
    # f' is rounded at 1e-16 of its terms; the curvature is above 0.1.
    assert scales[0] == pytest.approx(scales[1], rel=1e-12)
    with not_compiled():
        assert float(temperature.fit(rows, 3).scaling.weights) == scales[0]


def test_rows_that_are_all_right_have_no_scale() -> None:
    """The loss falls for ever."""
    logits = np.eye(3)[[0, 1, 2] * 5]
    with pytest.raises(NoFitError, match="no scale is large enough"):
        temperature.fit(rows_of(logits, np.array([0, 1, 2] * 5), np.ones(15)), 3)


def test_rows_that_are_mostly_wrong_have_no_scale() -> None:
    """Equal probabilities would be better than any scale above 0."""
    logits = np.eye(3)[[0, 1, 2] * 5]
    with pytest.raises(NoFitError, match="no more probable"):
        temperature.fit(rows_of(logits, np.array([1, 2, 0] * 5), np.ones(15)), 3)


def test_one_wrong_row_in_many_has_a_finite_scale() -> None:
    """Far from 1, and still within the bound."""
    logits = 1e-4 * np.eye(2)[[0, 1] * 500]
    labels = np.array([0, 1] * 500)
    labels[0] = 1
    fitted = temperature.fit(rows_of(logits, labels, np.ones(1_000)), 2)
    # Of 1,000 rows with a margin of 1e-4 one is wrong: ln(999) = 1e-4 s.
    assert float(fitted.scaling.weights) == pytest.approx(np.log(999) / 1e-4, rel=1e-6)
    assert fitted.bound <= 1e-12

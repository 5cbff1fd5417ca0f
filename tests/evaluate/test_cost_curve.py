"""Points of the cost curve against a search over all thresholds."""

import numpy as np
import pytest

from pipeline.evaluate.cost_curve import NO_CURVE, cost_curve_lines
from pipeline.evaluate.metrics import Predictions


def rows(seed: int, n: int, k: int = 2) -> Predictions:
    """Rounded probabilities, so that many are equal, and classes drawn with them."""
    generator = np.random.default_rng(seed)
    p = generator.dirichlet(np.full(k, 0.7), n).round(1)
    p[:, -1] = 1 - p[:, :-1].sum(axis=1)
    labels = (generator.random(n) < 0.2 + 0.6 * p[:, -1]).astype(int)
    return Predictions(
        labels,
        p.argmax(axis=1),
        p,
        np.zeros(n),
        generator.integers(1, 4, n).astype(float),
        np.arange(n).astype(np.uint64),
    )


def test_each_point_is_the_cost_of_its_rule() -> None:
    """The threshold that the two costs ask for; the best of all; without a model one class."""
    predictions = rows(0, 300)
    lines = cost_curve_lines(predictions)
    assert len(lines) == 153
    p, second, weights = predictions.probabilities[:, 1], predictions.labels == 1, predictions.weights
    share = np.average(second, weights=weights)
    for x, cost, rule in lines:
        missed_cost, false_cost = x / share, (1 - x) / (1 - share)

        def cost_of(threshold: float, missed_cost: float = missed_cost, false_cost: float = false_cost) -> float:
            decided = p > threshold
            return float(
                np.average(missed_cost * (second & ~decided) + false_cost * (~second & decided), weights=weights)
            )

        if rule == "by costs":
            expected = cost_of(false_cost / (missed_cost + false_cost))
        elif rule == "best threshold":
            expected = min(cost_of(threshold) for threshold in [-1.0, *p])
        else:
            expected = min(cost_of(-1.0), cost_of(1.0))
        # Sums of 300 rounded numbers; probabilities of one digit lie on no threshold but by 1e-16, told apart below.
        if rule != "by costs" or np.abs(p - false_cost / (missed_cost + false_cost)).min() > 1e-9:
            assert cost == pytest.approx(expected, abs=1e-12), (x, rule)
    assert {rule for *_, rule in lines} == {"by costs", "best threshold", "without a model"}


def test_the_best_threshold_costs_least() -> None:
    """No more than the one by costs, nor than no model."""
    by_rule = {rule: [cost for _, cost, name in cost_curve_lines(rows(1, 100)) if name == rule] for rule in RULES}
    for rule in RULES:
        assert (np.array(by_rule["best threshold"]) <= np.array(by_rule[rule]) + 1e-12).all()


RULES = ("by costs", "best threshold", "without a model")


def test_other_numbers_of_classes_have_one_line() -> None:
    """DVC needs one; so has a split of one class."""
    assert cost_curve_lines(rows(2, 50, 3)) == NO_CURVE
    one = rows(3, 20)
    one.labels[:] = 1
    assert cost_curve_lines(one) == NO_CURVE

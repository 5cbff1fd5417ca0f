"""Decisions by expected costs against a plain loop, and how costs, thresholds and Chow's rule agree."""

import numpy as np
import pytest

from pipeline.scoring.costs import NO_DECISION, Policy, missing, zero_one

GENERATOR = np.random.default_rng(0)
P = GENERATOR.dirichlet(np.full(3, 0.5), 500)


def test_the_class_of_least_expected_cost_is_decided_for() -> None:
    """The expected cost of each class, added up one by one."""
    costs = GENERATOR.uniform(0, 5, (3, 3))
    expected = [[sum(p[a] * costs[a, d] for a in range(3)) for d in range(3)] for p in P]
    policy = Policy(costs)
    # Three products of numbers below 5.
    assert policy.expected(P) == pytest.approx(np.array(expected), abs=1e-14)
    assert policy.decide(P).tolist() == np.argmin(expected, axis=1).tolist()


def test_equal_costs_are_for_the_most_probable_class_and_ties_for_the_first() -> None:
    """0 for right and 1 for wrong is argmax."""
    assert np.array_equal(Policy(zero_one(3)).decide(P), P.argmax(axis=1))
    assert Policy(zero_one(2)).decide(np.array([[0.5, 0.5]])).tolist() == [0]
    assert Policy(zero_one(2), np.array([0.25, 0.75])).decide(np.array([[0.25, 0.75]])).tolist() == [0]


def test_a_constant_added_to_the_costs_of_an_actual_class_changes_no_decision() -> None:
    """It is paid whatever is decided, which is how a gain becomes a cost."""
    costs = GENERATOR.uniform(0, 5, (3, 3))
    shifted = costs + np.array([[1.0], [0.0], [7.0]])
    assert np.array_equal(Policy(costs).decide(P), Policy(shifted).decide(P))


def test_thresholds_are_the_costs_of_missing_a_class() -> None:
    """Largest p / t is least expected cost of 1 / t for missing the class; with two classes it is p above t."""
    thresholds = np.array([0.2, 0.3, 0.6])
    assert np.array_equal(
        Policy(missing(1 / thresholds), thresholds).decide(P), Policy(missing(1 / thresholds)).decide(P)
    )
    two = P[:, :2] / P[:, :2].sum(axis=1, keepdims=True)
    decided = Policy(zero_one(2), np.array([0.7, 0.3])).decide(two)
    assert np.array_equal(decided == 1, two[:, 1] > 0.3)


def test_no_decision_is_taken_where_every_class_costs_more() -> None:
    """With costs of 0 and 1 it is Chow's rule: where the largest probability is below 1 less the cost."""
    decided = Policy(zero_one(3), None, 0.25).decide(P)
    assert np.array_equal(decided == NO_DECISION, P.max(axis=1) < 0.75)
    assert NO_DECISION not in Policy(zero_one(3), None, 1.0).decide(P)
    assert set(Policy(zero_one(3) + 0.5, None, 0.0).decide(P)) == {NO_DECISION}

"""The records of decisions in metrics.json against plain sums."""

import numpy as np
import pytest

from pipeline.evaluate.decisions import decision_records
from pipeline.evaluate.metrics import Predictions
from pipeline.resampling.mean_difference import mean_difference
from pipeline.scoring.costs import NO_DECISION, Policy, zero_one
from pipeline.scoring.decision import Decision

COSTS = np.array([[0.0, 5.0, 1.0], [1.0, 0.0, 1.0], [3.0, 1.0, 0.0]])


def rows(seed: int, n: int) -> Predictions:
    """Classes drawn with the probabilities, and weights of 0 to 3."""
    generator = np.random.default_rng(seed)
    p = generator.dirichlet(np.full(3, 0.7), n)
    labels = np.array([generator.choice(3, p=row) for row in p])
    weights = generator.integers(1, 4, n).astype(float)
    return Predictions(
        labels, p.argmax(axis=1), p, np.log(p[np.arange(n), labels]), weights, np.arange(n).astype(np.uint64)
    )


@pytest.mark.parametrize("abstain", [None, 0.4])
def test_costs_are_those_of_each_row(abstain: float | None) -> None:
    """What was expected, what came, and how surely deciding by costs is cheaper."""
    train, test = rows(1, 50), rows(2, 400)
    policy = Policy(COSTS, None, abstain)
    records = decision_records({"train": train, "test": test}, Decision(policy=policy))
    assert [record["policy"] for record in records] == ["decided", "most probable", "commonest class"]
    commonest = np.bincount(train.labels, train.weights).argmax()
    decided = policy.decide(test.probabilities)
    assert (NO_DECISION in decided) == (abstain is not None)
    realised = {}
    for record, classes in zip(records, (decided, test.predicted, np.full(400, commonest)), strict=True):
        both = [
            (abstain, abstain) if d == NO_DECISION else (COSTS[y, d], sum(p * COSTS[:, d]))
            for p, y, d in zip(test.probabilities, test.labels, classes, strict=True)
        ]
        cost, expected = np.array(both, dtype=float).T
        realised[record["policy"]] = cost
        assert record["split"] == "test"
        # Sums of 400 rounded costs.
        assert record["realised_cost"] == pytest.approx(np.average(cost, weights=test.weights), rel=1e-13)
        assert record["expected_cost"] == pytest.approx(np.average(expected, weights=test.weights), rel=1e-13)
        assert record["no_decision"] == pytest.approx(np.average(classes == NO_DECISION, weights=test.weights))
    assert records[0]["difference"] is None
    for record in records[1:]:
        paired = mean_difference(test.units, test.weights, realised["decided"], realised[record["policy"]])
        assert (record["difference"], record["low"], record["high"]) == (paired.difference, paired.low, paired.high)
    # Classes are drawn with the probabilities, so that deciding by them is cheaper: the rows show it.
    assert records[2]["low"] > 0


def test_without_costs_there_is_no_record() -> None:
    """Nothing is decided."""
    assert decision_records({"train": rows(1, 5)}, Decision()) == []


def test_the_most_held_out_split_is_judged() -> None:
    """Train where nothing else is there."""
    policy = Decision(policy=Policy(zero_one(3), None, 0.3))
    assert {record["split"] for record in decision_records({"train": rows(1, 9)}, policy)} == {"train"}

"""What decisions by costs come to on rows whose class is known, beside deciding without costs."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.shard import most_held_out
from pipeline.evaluate.metrics import Predictions
from pipeline.resampling.mean_difference import mean_difference
from pipeline.scoring.costs import NO_DECISION, Policy
from pipeline.scoring.decision import Decision


def decision_records(splits: Mapping[str, Predictions], decision: Decision) -> list[dict[str, Any]]:
    """The list ``decisions`` of metrics.json, of the most held-out split; none where nothing is decided.

    Of each way to decide: the mean cost that the probabilities expect and the one that came, the latter's difference
    from that of the first way, ``decided``, with its paired 95 % interval, and the share of rows without a decision.
    ``commonest class`` is that of the training rows.
    """
    if decision.policy is None:
        return []
    split = most_held_out(splits)
    rows, policy = splits[split], decision.policy
    train = splits["train"]
    commonest = np.bincount(train.labels, train.weights, minlength=len(policy.costs)).argmax()
    ways = {
        "decided": policy.decide(rows.probabilities),
        "most probable": rows.predicted,
        "commonest class": np.full(len(rows.labels), commonest),
    }
    expected = policy.expected(rows.probabilities)
    costs = {name: _realised(policy, rows.labels, decided) for name, decided in ways.items()}
    records = []
    for name, decided in ways.items():
        record = {
            "split": split,
            "policy": name,
            "expected_cost": _mean(_chosen(policy, expected, decided), rows.weights),
            "realised_cost": _mean(costs[name], rows.weights),
            "no_decision": _mean(decided == NO_DECISION, rows.weights),
            "difference": None,
            "low": None,
            "high": None,
        }
        if name != "decided":
            paired = mean_difference(rows.units, rows.weights, costs["decided"], costs[name])
            record |= {"difference": paired.difference, "low": paired.low, "high": paired.high}
        records.append(record)
    return records


def realised_costs(predictions: Predictions, decision: Decision) -> NDArray[np.float64] | None:
    """What each row's decision cost, (n,); None where nothing is decided."""
    policy = decision.policy
    if policy is None:
        return None
    return _realised(policy, predictions.labels, policy.decide(predictions.probabilities))


def _realised(
    policy: Policy, labels: NDArray[np.integer[Any]], decided: NDArray[np.integer[Any]]
) -> NDArray[np.float64]:
    return _chosen(policy, policy.costs[labels], decided)


def _chosen(policy: Policy, costs: NDArray[np.float64], decided: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """The cost (n,) of what was decided, of the costs (n, k) of each class."""
    chosen: NDArray[np.float64] = costs[np.arange(len(costs)), decided]
    if policy.abstain is not None:
        chosen[decided == NO_DECISION] = policy.abstain
    return chosen


def _mean(values: NDArray[Any], weights: NDArray[np.float64]) -> float:
    return math.fsum((weights * values).tolist()) / math.fsum(weights.tolist())

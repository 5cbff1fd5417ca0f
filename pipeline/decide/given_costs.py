"""Costs and thresholds as params.yaml gives them: what can be checked before the classes are known, and then."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.columns import Class
from pipeline.errors import UserError, listed, quoted
from pipeline.scoring.costs import LEAST_THRESHOLD, MOST_COST, zero_one

# Of a threshold below 2^-53 the other one rounds to 1.
_BELOW_1 = np.nextafter(1.0, 0.0)

_FORMS = "{actual: {decided: cost}}, {actual: cost} or a list of k lists of k costs"


def require_costs(given: Any) -> None:
    """Raises: ValueError unless these are costs, of whatever classes."""
    if given is None:
        return
    if not isinstance(given, dict | list) or not given:
        raise ValueError(f"null, {_FORMS}, got {quoted(given)}")
    _require_class_names(given)
    rows = given.items() if isinstance(given, dict) else enumerate(given, 1)
    for name, row in rows:
        place = f"row {name}" if isinstance(given, list) else f"actual {quoted(name)}"
        if isinstance(given, dict) and not isinstance(row, dict):
            _require_cost(place, row)
            continue
        if not isinstance(row, dict if isinstance(given, dict) else list):
            raise ValueError(f"{_FORMS}, got {quoted(row)} for {place}")
        _require_class_names(row)
        for cost in row.values() if isinstance(row, dict) else row:
            _require_cost(place, cost)
    if isinstance(given, list) and any(len(row) != len(given) for row in given):
        raise ValueError(f"as many costs in each row as there are rows, {len(given)}, got {_lengths(given)}")


def _require_class_names(given: Any) -> None:
    """Raises: ValueError where a key of a mapping is of a type that no class has, as YAML's dates and null are."""
    for name in given if isinstance(given, dict) else ():
        if not isinstance(name, str | int):
            raise ValueError(
                f"classes, which are text, integers or booleans, got {quoted(name)}; text that YAML reads as something "
                "else stands in quotes"
            )


def _require_cost(place: str, cost: Any) -> None:
    if not _is_number(cost) or not cost <= MOST_COST:
        raise ValueError(f"numbers from 0 to {MOST_COST:g}, got {quoted(cost)} for {place}")
    if cost < 0:
        raise ValueError(
            f"costs >= 0, got {quoted(cost)} for {place}, a gain; add {quoted(-cost)} to every cost of that actual "
            "class, which leaves every choice between classes as it is"
        )


def require_thresholds(given: Any) -> None:
    """Raises: ValueError unless these are thresholds, of whatever classes."""
    if given is None:
        return
    if not isinstance(given, dict) or not given:
        raise ValueError(f"null or {{class: t}}, got {quoted(given)}")
    _require_class_names(given)
    for name, threshold in given.items():
        if not _is_number(threshold) or not LEAST_THRESHOLD <= threshold < 1:
            raise ValueError(f"0 < t < 1, got {quoted(threshold)} for class {quoted(name)}")


def cost_matrix(given: Any, classes: Sequence[Class]) -> NDArray[np.float64]:
    """Checked costs as (k, k), true classes as rows. Raises: UserError for an unknown class, or another k."""
    if isinstance(given, list):
        if len(given) != len(classes):
            raise UserError(
                f"params.yaml: decide.costs: expected {len(classes)} rows of as many costs, for the classes "
                f"{listed(classes)} in this order, got {_lengths(given)}"
            )
        return np.array(given, dtype=np.float64)
    costs = zero_one(len(classes))
    for actual, row in _by_class("costs", given, classes):
        if isinstance(row, Mapping):
            for decided, cost in _by_class("costs", row, classes):
                costs[actual, decided] = cost
        else:
            costs[actual] *= row
    return costs


def threshold_of_each(given: Mapping[Any, float], classes: Sequence[Class]) -> NDArray[np.float64]:
    """Checked thresholds as (k,). Raises: UserError for an unknown class, or one that has none."""
    thresholds = np.full(len(classes), np.nan)
    for place, threshold in _by_class("thresholds", given, classes):
        thresholds[place] = threshold
    without = np.isnan(thresholds)
    if len(classes) == 2 and without.sum() == 1:
        thresholds[without] = np.minimum(1 - thresholds[~without], _BELOW_1)
    elif without.any():
        unnamed = [label for label, absent in zip(classes, without, strict=True) if absent]
        raise UserError(
            f"params.yaml: decide.thresholds: expected one for each of the classes {listed(classes)}, got none for "
            f"{listed(unnamed)}"
        )
    return thresholds


def _by_class(param: str, given: Mapping[Any, Any], classes: Sequence[Class]) -> Iterator[tuple[int, Any]]:
    """(class index, value) by class; a class has the type that the table gives it: 1 is neither '1' nor true."""
    places = {(type(label), label): place for place, label in enumerate(classes)}
    for name, value in given.items():
        if (type(name), name) not in places:
            raise UserError(
                f"params.yaml: decide.{param}: expected classes ({listed(classes, write=quoted)}), got {quoted(name)}"
            )
        yield places[type(name), name], value


def _is_number(value: Any) -> bool:
    # Compared, not converted: an integer of YAML may be beyond float64.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf


def _lengths(rows: Sequence[Sequence[Any]]) -> str:
    return f"{len(rows)} of {listed([len(row) for row in rows])}"

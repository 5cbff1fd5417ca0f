"""Metrics, sweeps and schemas of other makes: read, or refused in one sentence that names the file."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.results.reports import parse_column_types, parse_metrics, parse_sweep
from tests.results.refusals import refusal
from tests.test_forgeries import NEVER, TOKENS, Place, at, json_type, places_of

METRICS: dict[str, Any] = {
    "train": {"rows": 8, "log_loss": 0.25, "roc_auc_ovr": None},
    "test": {"rows": 2, "log_loss": 0.5},
    "baseline": [{"split": "train", "log_loss": 1.0, "accuracy": 0.5}],
    "per_class": [{"split": "train", "class": "a", "f1": 0.5, "support": 3}],
    "intervals": [
        {"split": "test", "metric": "log_loss", "low": 0.25, "high": 0.75},
        {"split": "test", "class": "a", "metric": "f1", "low": 0.25, "high": 0.75},
    ],
}
LINE: dict[str, Any] = {
    "l2": 0.1,
    "log_loss": 0.5,
    "standard_error": 0.1,
    "training_log_loss": 0.4,
    "passes": 3,
    "relative_bound": 0.0,
    "status": "converged",
    "folds": [{"log_loss": 0.5}],
}
SWEEP: dict[str, Any] = {
    "chosen_l2": 0.1,
    "lowest_l2": 0.1,
    "rule": "lowest",
    "sweep": {"folds": 5},
    "lines": [LINE, LINE | {"l2": 0.01}],
}
SCHEMA: dict[str, Any] = {"columns": [{"name": "x", "kind": "number", "minimum": 0}], "rows": 3}

DOCUMENTS: dict[str, tuple[Callable[[bytes, object], object], dict[str, Any]]] = {
    "metrics.json": (parse_metrics, METRICS),
    "sweep.json": (parse_sweep, SWEEP),
    "schema.json": (parse_column_types, SCHEMA),
}

# Places that nobody reads: anything may stand there.
UNREAD: dict[str, list[Place]] = {
    "metrics.json": [],
    "sweep.json": [],
    "schema.json": [("rows",), ("columns", 0, "minimum")],
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_as_stages_write_them_are_read(name: str) -> None:
    """What is there is there afterwards."""
    read, document = DOCUMENTS[name]
    result = read(json.dumps(document).encode(), name)
    assert result == ({"x": "number"} if name == "schema.json" else document)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_field_takes_another_type(name: str) -> None:
    """Every field that is read, in turn; texts that are no JSON are refused anywhere."""
    read, document = DOCUMENTS[name]
    for place, value in places_of(document):
        others = [token for token in TOKENS if json_type(json.loads(token)) != json_type(value)]
        if place[-2:-1] in (("train",), ("test",), ("baseline",)) or place[-1:] in (("f1",), ("support",)):
            others = [token for token in others if token not in ("null", "-1", "1.5")]
        if place[-2:] in (("log_loss",), ("accuracy",)) or place[-1:] in (("log_loss",), ("accuracy",)):
            others = [token for token in others if token != "null"]
        if place[-1:] == ("class",):
            others = ["null", "1.5", "[]", "{}"]
        if place in UNREAD[name]:
            others = []
        for token in [*others, *NEVER] if place else ["[]", "3", *NEVER]:
            forged = json.loads(json.dumps({"all": document}))
            way = ("all", *place)
            at(forged, way[:-1])[way[-1]] = "@token@"
            text = json.dumps(forged["all"]).replace('"@token@"', token)
            refusal(read, text.encode(), name)


CHOICES = {
    "a choice that was not tried": {"chosen_l2": 0.5},
    "no line": {"lines": []},
    "an l2 twice": {"lines": [LINE, LINE]},
    "a line of l2 0": {"lines": [LINE | {"l2": 0}, LINE]},
    "a line without folds": {"lines": [LINE | {"folds": []}]},
}


@pytest.mark.parametrize("forgery", CHOICES)
def test_a_sweep_that_contradicts_itself_is_refused(forgery: str) -> None:
    """Its choice is one of its lines, and each line stands for another l2."""
    refusal(parse_sweep, json.dumps(SWEEP | CHOICES[forgery]).encode(), "sweep.json")

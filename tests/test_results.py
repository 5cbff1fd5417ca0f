"""Metrics, sweeps, histories and snapshots of other makes: read, or refused in one sentence that names the file."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from pipeline import results
from pipeline.errors import UserError
from tests.test_forgeries import NEVER, TOKENS, Place, at, json_type, places_of

METRICS: dict[str, Any] = {
    "train": {"rows": 8, "log_loss": 0.25, "roc_auc_ovr": None},
    "test": {"rows": 2, "log_loss": 0.5},
    "baseline": [{"split": "train", "log_loss": 1.0, "accuracy": 0.5}],
    "per_class": [{"split": "train", "class": "a", "f1": 0.5, "support": 3}],
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
HISTORY = "epoch,cost\n0,1.5\n1,0.5\n"

DOCUMENTS: dict[str, tuple[Callable[[bytes, object], object], dict[str, Any]]] = {
    "metrics.json": (results.metrics, METRICS),
    "sweep.json": (results.sweep, SWEEP),
    "schema.json": (results.column_types, SCHEMA),
}

# Places that nobody reads: anything may stand there.
UNREAD: dict[str, list[Place]] = {
    "metrics.json": [],
    "sweep.json": [],
    "schema.json": [("rows",), ("columns", 0, "minimum")],
}


def refusal(read: Callable[[bytes, object], object], content: bytes, place: str) -> str:
    """The sentence with which reading ends."""
    with pytest.raises(UserError) as caught:
        read(content, place)
    message = str(caught.value)
    assert message.startswith(place), message
    assert len(message) < 700, message
    assert "dvc repro" in message
    return message


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
    refusal(results.sweep, json.dumps(SWEEP | CHOICES[forgery]).encode(), "sweep.json")


HISTORIES = {
    "nothing": "",
    "a header alone": "epoch,cost\n",
    "no cost": "epoch\n1\n",
    "a name twice": "epoch,cost,cost\n1,2,3\n",
    "a text": "epoch,cost\n0,x\n",
    "a cell too few": "epoch,cost\n0\n",
    "a cell too many": "epoch,cost\n0,1,2\n",
    "no epoch": "epoch,cost\nnan,1\n",
    "an endless epoch": "epoch,cost\ninf,1\n",
    "half an epoch": "epoch,cost\n0.5,1\n",
    "an epoch below 0": "epoch,cost\n-1,1\n",
    "an epoch past int64": "epoch,cost\n1e300,1\n",
    "an epoch twice": "epoch,cost\n1,1\n1,1\n",
    "a quote that never closes": 'epoch,cost\n0,"1\n',
    "a cell of a mebibyte": f"epoch,cost\n0,{'9' * 2**20}x\n",
    "bytes 0": "epoch,cost\n0,\0\n",
}


def test_a_history_is_read_by_columns() -> None:
    """Numbers come as float64."""
    assert results.history(HISTORY.encode(), "history.csv") == {"epoch": [0.0, 1.0], "cost": [1.5, 0.5]}


@pytest.mark.parametrize("forgery", HISTORIES)
def test_a_history_that_train_does_not_write_is_refused(forgery: str) -> None:
    """With the line, where one is wrong."""
    refusal(results.history, HISTORIES[forgery].encode(), "history.csv")
    refusal(results.history, b"\xff" + HISTORIES[forgery].encode(), "history.csv")


def snapshots(**changes: Any) -> bytes:
    """Two snapshots of two classes and three features, but for the changes; None leaves a tensor out."""
    tensors = {"epoch": np.array([-1, 4]), "W": np.zeros((2, 2, 3)), "b": np.zeros((2, 2))} | changes
    return safetensors.numpy.save({name: value for name, value in tensors.items() if value is not None})


SNAPSHOTS = {
    "nothing": b"",
    "no W": snapshots(W=None),
    "one tensor more": snapshots(more=np.zeros(1)),
    "another model's W": snapshots(W=np.zeros((2, 2, 4))),
    "float32": snapshots(W=np.zeros((2, 2, 3), dtype=np.float32)),
    "NaN": snapshots(b=np.full((2, 2), np.nan)),
    "no snapshot": snapshots(epoch=np.zeros(0, dtype=np.int64), W=np.zeros((0, 2, 3)), b=np.zeros((0, 2))),
    "an epoch as a number": snapshots(epoch=np.array(3)),
    "epochs of float64": snapshots(epoch=np.array([-1.0, 4.0])),
    "epochs that fall": snapshots(epoch=np.array([4, -1])),
    "an epoch past float64": snapshots(epoch=np.array([-1, 2**62])),
}


def test_snapshots_are_read() -> None:
    """As they were saved."""
    assert results.snapshots(snapshots(), "s", (2, 3))["epoch"].tolist() == [-1, 4]


@pytest.mark.parametrize("forgery", SNAPSHOTS)
def test_snapshots_that_train_does_not_write_are_refused(forgery: str) -> None:
    """Of other tensors, types, shapes or values than the model's."""
    refusal(lambda content, place: results.snapshots(content, place, (2, 3)), SNAPSHOTS[forgery], "snapshots")

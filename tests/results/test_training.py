"""Histories and snapshots of other makes: read, or refused in one sentence that names the file."""

from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from pipeline.results.training import parse_history, parse_snapshots
from tests.results.refusals import refusal

HISTORY = "epoch,cost\n0,1.5\n1,0.5\n"

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
    assert parse_history(HISTORY.encode(), "history.csv") == {"epoch": [0.0, 1.0], "cost": [1.5, 0.5]}


@pytest.mark.parametrize("forgery", HISTORIES)
def test_a_history_that_train_does_not_write_is_refused(forgery: str) -> None:
    """With the line, where one is wrong."""
    refusal(parse_history, HISTORIES[forgery].encode(), "history.csv")
    refusal(parse_history, b"\xff" + HISTORIES[forgery].encode(), "history.csv")


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
    assert parse_snapshots(snapshots(), "s", (2, 3))["epoch"].tolist() == [-1, 4]


@pytest.mark.parametrize("forgery", SNAPSHOTS)
def test_snapshots_that_train_does_not_write_are_refused(forgery: str) -> None:
    """Of other tensors, types, shapes or values than the model's."""
    refusal(lambda content, place: parse_snapshots(content, place, (2, 3)), SNAPSHOTS[forgery], "snapshots")

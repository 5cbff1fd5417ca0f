"""The course of a training, records of its epochs and snapshots of W and b: as files, and as a state to go on from."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.numpy
import torch
from torch import Tensor

from pipeline import files
from pipeline.numerics.data.block import Parameters
from pipeline.numerics.solvers.loop import Epoch, IterativeSolver, Record

BEFORE_THE_FIRST_STEP = -1


class History:
    """The records so far, and the snapshots with their epochs."""

    def __init__(self, start: Parameters, snapshot_every: int) -> None:
        """The first snapshot is ``start``; then every ``snapshot_every`` epochs."""
        self._snapshot_every = snapshot_every
        self.records: list[Record] = []
        self._snapshots: list[tuple[int, Parameters]] = [(BEFORE_THE_FIRST_STEP, start.copy())]

    def record(self, record: Record, solver: IterativeSolver) -> None:
        """Remember an epoch, and the solver's parameters when the epoch is one for a snapshot."""
        self.records.append(record)
        if record.number % self._snapshot_every == 0:
            self._snapshots.append((record.number, solver.parameters.copy()))

    def csv(self) -> str:
        """One line an epoch."""
        rows = [row(record) for record in self.records]
        return files.csv_text([rows[0], *(line.values() for line in rows)])

    def snapshots(self) -> bytes:
        """``epoch`` (s,) int64, W (s, k, d) and b (s, k) float64, as safetensors."""
        epochs, weights, biases = self._stacked()
        named = {"epoch": epochs.numpy(), "W": weights.numpy(), "b": biases.numpy()}
        return safetensors.numpy.save(named)

    def _stacked(self) -> tuple[Tensor, Tensor, Tensor]:
        epochs, points = zip(*self._snapshots, strict=True)
        weights = torch.stack([point.weights for point in points])
        return torch.tensor(epochs), weights, torch.stack([point.bias for point in points])

    @property
    def state(self) -> dict[str, Tensor]:
        """All of it; setting it gives the history that it was taken from."""
        table = np.array([_numbers(record) for record in self.records], dtype=np.float64)
        names = ("snapshot epochs", "snapshot W", "snapshot b")
        return {"records": torch.from_numpy(table)} | dict(zip(names, self._stacked(), strict=True))

    @state.setter
    def state(self, saved: Mapping[str, Tensor]) -> None:
        self.records = [_record(numbers) for numbers in saved["records"].tolist()]
        epochs, weights, biases = (saved[f"snapshot {name}"] for name in ("epochs", "W", "b"))
        points = [Parameters(w.clone(), b.clone()) for w, b in zip(weights, biases, strict=True)]
        self._snapshots = list(zip(epochs.tolist(), points, strict=True))


def row(record: Record) -> dict[str, Any]:
    """A record as the line of history.csv that it becomes."""
    held_out = {} if record.validation_cost is None else {"validation_cost": record.validation_cost}
    epoch = record.epoch
    return {
        "epoch": record.number,
        "cost": epoch.cost,
        **held_out,
        "gradient_norm": epoch.gradient_norm,
        **({} if epoch.lr is None else {"lr": epoch.lr}),
        **({} if epoch.passes is None else {"passes": epoch.passes}),
    }


def _numbers(record: Record) -> list[float]:
    """A record as float64 numbers, NaN for what it does not have."""
    epoch = record.epoch
    optional = (epoch.lr, epoch.passes, record.validation_cost)
    return [record.number, epoch.cost, epoch.gradient_norm, *(math.nan if x is None else x for x in optional)]


def _record(numbers: list[float]) -> Record:
    number, cost, gradient_norm, *optional = numbers
    lr, passes, validation_cost = (None if math.isnan(x) else x for x in optional)
    epoch = Epoch(cost, gradient_norm, lr, None if passes is None else int(passes))
    return Record(int(number), epoch, validation_cost)

"""A training as it happens: short ones become a run when they end, long ones before, so that one can look on."""

from pathlib import Path
from typing import Any

from pipeline.tracking import curves, join, outs, runs
from pipeline.tracking.store import Store


class Mirrored:
    """The run of one training; ``run_id`` is None until there is one. Times are in ms since 1970.

    A short training is only heard of when it has ended well: a kill leaves nothing behind. A long one sends its epochs
    meanwhile; its run names the process that writes it, so that a later start can tell when it was abandoned.
    """

    def __init__(self, store: Store, params: dict[str, Any], paths: dict[str, Path], started: int) -> None:
        self._store = store
        self._paths = paths
        self._started = started
        self._origin = runs.Origin.here(params, outs.read_data(paths["prepared"], params))
        self._epochs: set[int] = set()
        self.run_id: str | None = None

    def epochs(self, records: list[dict[str, Any]], time: int) -> None:
        """Add epochs of a training that still runs."""
        if self.run_id is None:
            self.run_id = runs.create(self._store, self._origin, self._started, {join.OWNER_TAG: join.owner()})
        self._store.client.log_batch(self.run_id, metrics=curves.records(records, time))
        self._epochs.update(int(record["epoch"]) for record in records)

    def finished(self, time: int) -> str:
        """Add what the training left, close the run, and return its id."""
        training = outs.read_training(self._paths["models"])
        if self.run_id is None:
            self.run_id = runs.create(self._store, self._origin, self._started, {})
        runs.fill(self._store, self.run_id, self._origin, training, time, self._epochs)
        join.copy_evaluation(self._store, self.run_id, training.model.key, time)
        runs.close(self._store, self.run_id, "FINISHED", time)
        return self.run_id

    def stopped(self, status: str, time: int) -> None:
        """Close the run, if there is one, as FAILED or KILLED."""
        if self.run_id is not None:
            runs.close(self._store, self.run_id, status, time)

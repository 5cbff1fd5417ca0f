"""The run of one training: created at its end, or while it runs if it is long."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import RunStatus, RunTag

from pipeline.tracking.client.run_context import RunContext
from pipeline.tracking.client.tags import CHECKPOINT_TAG, COPIED_TAG, IDENTITY_TAG, OWNER_TAG, RESUMED_TAG
from pipeline.tracking.runs import curves, outputs, run_writer
from pipeline.tracking.runs.logged_model import LoggedAs
from pipeline.tracking.store import search
from pipeline.tracking.store.store import Store


@dataclass(frozen=True)
class Started:
    """A stage that began: ``identity`` is its own, ``params`` the whole params document, ``time`` in ms since 1970.

    ``paths`` names the folders prepared, models and, for evaluate, reports.
    """

    identity: str
    params: dict[str, Any]
    context: RunContext
    paths: dict[str, Path]
    time: int

    @classmethod
    def of(cls, event: dict[str, Any]) -> "Started":
        """Read a ``start`` event."""
        return cls(
            identity=event["identity"],
            params=event["params"],
            context=RunContext.from_json(event["circumstances"]),
            paths={name: Path(path) for name, path in event["paths"].items()},
            time=event["time"],
        )

    def marks(self) -> dict[str, str]:
        """Tags of a run that is made for this stage by this process: who to ask whether it still goes on."""
        return {OWNER_TAG: search.owner(), IDENTITY_TAG: self.identity}

    def origin(self) -> run_writer.Origin:
        """The origin of the stage's run."""
        return run_writer.Origin(self.params, outputs.read_data(self.paths["prepared"], self.params), self.context)


class Mirrored:
    """The run of one training; ``run_id`` is None until there is one. Times are in ms since 1970.

    A short training is only heard of when it has ended well: a kill leaves nothing behind. A long one sends its epochs
    meanwhile; its run names the process that writes it, so that a later start can tell when it was abandoned, and the
    ``checkpoint`` of the training, so that a later process that goes on from there goes on in this run too.
    """

    def __init__(self, store: Store, started: Started) -> None:
        self._store = store
        self._started = started
        self._origin = started.origin()
        self._epochs: set[int] = set()
        self.run_id: str | None = None
        self.checkpoint = ""

    def go_on(self) -> None:
        """Take the run up that an earlier process of this training left, if there is one; its epochs are kept."""
        left = search.stopped(self._store, self.checkpoint)
        if left is None:
            return
        self.run_id = str(left.info.run_id)
        self._epochs.update(curves.recorded(self._store, self.run_id))
        times = 1 + int(left.data.tags.get(RESUMED_TAG, 0))
        tags = [RunTag(name, value) for name, value in (self._own_tags() | {RESUMED_TAG: str(times)}).items()]
        self._store.client.log_batch(self.run_id, tags=tags)
        self._store.client.update_run(self.run_id, RunStatus.to_string(RunStatus.RUNNING))

    def epochs(self, records: Sequence[dict[str, Any]], time: int) -> None:
        """Add epochs of a training that still runs."""
        fresh = [record for record in records if int(record["epoch"]) not in self._epochs]
        self._store.client.log_batch(self._run(), metrics=curves.records(fresh, time))
        self._epochs.update(int(record["epoch"]) for record in fresh)

    def finished(self, time: int, records: Sequence[dict[str, Any]] = ()) -> str:
        """Add the latest records and what the training left, close the run, and return its id."""
        training = outputs.read_training(self._started.paths["models"])
        run_id = self._run()
        late = {int(record["epoch"]) for record in records}
        logged = run_writer.fill(self._store, run_id, self._origin, training, time, self._epochs | late)
        if records:
            self.epochs(records, time)
        self._copy_evaluation(run_id, training.model.key, time, logged)
        run_writer.close(self._store, run_id, "FINISHED", time)
        return run_id

    def _copy_evaluation(self, run_id: str, key: str, time: int, logged: LoggedAs | None) -> None:
        """Give the run the metrics of an earlier one of the same model."""
        evaluation = search.twins_evaluation(self._store, run_id, key, time)
        if evaluation is None:
            return
        twin, metrics = evaluation
        metrics = logged.hang(metrics, self._origin.data) if logged else metrics
        self._store.client.log_batch(run_id, metrics=metrics, tags=[RunTag(COPIED_TAG, twin)])

    def stopped(self, status: str, time: int) -> None:
        """Close the run, if there is one, as FAILED or KILLED."""
        if self.run_id is not None:
            run_writer.close(self._store, self.run_id, status, time)

    def _run(self) -> str:
        if self.run_id is None:
            self.run_id = run_writer.create(self._store, self._origin, self._started.time, self._own_tags())
        return self.run_id

    def _own_tags(self) -> dict[str, str]:
        return self._started.marks() | ({CHECKPOINT_TAG: self.checkpoint} if self.checkpoint else {})

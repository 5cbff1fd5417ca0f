"""Runs of any store, looked up through MLflow."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from mlflow.entities import Run

from pipeline.tracking.client import location
from pipeline.tracking.store import search
from pipeline.tracking.store.database import LOCAL_UI, RunView
from pipeline.tracking.store.failures import as_user_errors
from pipeline.tracking.store.store import open_store


class Served:
    """The runs of a store, newest first; ``page`` is the server's address, if there is one."""

    def __init__(self, root: Path, experiment: str) -> None:
        """Open the store, with the experiment of the project.

        Raises: UserError if it cannot be used; so do the methods.
        """
        with as_user_errors():
            self._store = open_store(root, experiment)
        uri = self._store.uri
        self.page = location.masked(uri.rstrip("/")) if uri.startswith(("http://", "https://")) else LOCAL_UI

    def tagged(self, tag: str, value: str) -> list[RunView]:
        """Runs that have a tag with this value."""
        with as_user_errors():
            return [_view(run) for run in search.tagged(self._store, tag, value)]

    def starting_with(self, text: str) -> list[RunView]:
        """Runs whose id begins with a text of hexadecimal digits."""
        with as_user_errors():
            return [_view(run) for run in search.starting_with(self._store, text)]

    def files(self, run: RunView, names: Iterable[str]) -> dict[str, bytes]:
        """The named files at the root of the run's artifacts, as far as they are there."""
        client = self._store.client
        with as_user_errors(), tempfile.TemporaryDirectory() as folder:
            there = {info.path for info in client.list_artifacts(run.run_id)}
            paths = {name: client.download_artifacts(run.run_id, name, folder) for name in names if name in there}
            return {name: Path(path).read_bytes() for name, path in paths.items()}


def _view(run: Run) -> RunView:
    return RunView(
        run_id=run.info.run_id,
        experiment_id=run.info.experiment_id,
        name=run.info.run_name,
        status=run.info.status,
        artifacts=run.info.artifact_uri,
        metrics=dict(run.data.metrics),
        params=dict(run.data.params),
        tags=dict(run.data.tags),
    )

"""Reads runs for a person who asks: from the database file itself, else through MLflow, which takes seconds to load."""

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from pipeline.tracking.client import location
from pipeline.tracking.client.params import timeout_s
from pipeline.tracking.store.database import Database, RunView


class Runs(Protocol):
    """The runs of an experiment, newest first; ``page`` is the address at which the UI shows them."""

    page: str

    def tagged(self, tag: str, value: str) -> list[RunView]:
        """Runs that have a tag with this value."""

    def starting_with(self, text: str) -> list[RunView]:
        """Runs whose id begins with a text of hexadecimal digits."""

    def files(self, run: RunView, names: Iterable[str]) -> dict[str, bytes]:
        """The named files at the root of the run's artifacts, as far as they are there."""


def opened(root: Path, experiment: str) -> Runs:
    """The runs of an experiment of the project at ``root``.

    Raises: UserError if the store cannot be used; so do the methods.
    """
    path = location.sqlite_file(location.tracking_uri(root))
    if path is not None:
        database = Database(path, experiment, timeout_s(root))
        if database.is_readable():
            return database
    from pipeline.tracking.store.served import Served

    return Served(root, experiment)

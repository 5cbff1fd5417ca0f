"""Reads runs for a person who asks: from the database file itself, else through MLflow, which takes seconds to load."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pipeline.tracking.client import location
from pipeline.tracking.client.params import timeout_s
from pipeline.tracking.store.database import Database

if TYPE_CHECKING:
    from pipeline.tracking.store.served import Served

Runs: TypeAlias = "Database | Served"


def opened(root: Path, experiment: str) -> Runs:
    """The runs of the project at ``root``, whose experiment is ``experiment``, and of all others in its store.

    Raises: UserError if the store cannot be used; so do the methods.
    """
    path = location.sqlite_file(location.tracking_uri(root))
    if path is not None:
        database = Database(path, timeout_s(root))
        if database.is_readable():
            return database
    from pipeline.tracking.store.served import Served

    return Served(root, experiment)

"""Mends the places of artifacts after the project's folder was moved: MLflow keeps them as absolute paths."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from filelock import FileLock, Timeout

from pipeline.errors import UserError
from pipeline.tracking.client import database_lock, location
from pipeline.tracking.client.params import timeout_s

# Where MLflow keeps the place of an artifact.
_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def main(root: Path) -> str:
    """Let every local place below a folder ``mlartifacts`` lie below the one of ``root``; returns what was done.

    All in one transaction, under the lock of the store's first use.
    Raises: UserError if there is no SQLite database to mend, or another process holds it.
    """
    uri = location.tracking_uri(root)
    path = location.sqlite_file(uri)
    if path is None or not path.is_file():
        raise UserError(
            f"{location.masked(uri)}: expected an SQLite database that is there; a server keeps its own places, and "
            "`mlflow.db` has to be moved together with the folder `mlartifacts`"
        )
    target = location.artifact_location(uri, root) or ""
    patience = timeout_s(root)
    try:
        with (
            FileLock(f"{path}.lock", timeout=patience),
            closing(sqlite3.connect(path, timeout=patience)) as connection,
            connection,
        ):
            changed = sum(_mend(connection, table, column, target) for table, column in _PLACES)
    except (sqlite3.OperationalError, Timeout) as error:
        if isinstance(error, Timeout) or database_lock.means_held(error):
            raise UserError(database_lock.sentence(path, patience)) from None
        raise
    return f"{changed:,} places of artifacts now lie below {target}"


def _mend(connection: sqlite3.Connection, table: str, column: str, target: str) -> int:
    """Change one column; returns how many of its values changed."""
    if column not in {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}:
        return 0
    known = connection.execute(f"SELECT rowid, {column} FROM {table} WHERE {column} IS NOT NULL")
    changes = [(moved, row) for row, place in known if (moved := _moved(place, target)) != place]
    connection.executemany(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", changes)
    return len(changes)


def _moved(place: str, target: str) -> str:
    """The place below ``target``, if it is a local one below a folder of that name."""
    match = re.fullmatch(rf"(?:file://)?/.*?/{location.ARTIFACTS_FOLDER}(/.*)?", place)
    return target + (match[1] or "") if match else place

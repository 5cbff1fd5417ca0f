"""MLflow's database file, read as it is: questions about a few runs need not wait until MLflow is loaded.

Only a file of the schema that the installed MLflow works with is read, and never written.
"""

import math
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pipeline.errors import UserError
from pipeline.tracking.client import database_lock
from pipeline.tracking.store import schema_dump

# More runs than these of one model are repeats of each other.
MOST_RUNS = 20

# Where `python -m pipeline ui` serves a store that has no server of its own.
LOCAL_UI = "http://127.0.0.1:5000"

# What a process that was killed within a transaction leaves: SQLite takes it back where it may write, and only there.
_UNFINISHED = (sqlite3.SQLITE_READONLY_ROLLBACK, sqlite3.SQLITE_READONLY_RECOVERY)

_RUNS = """
SELECT run_uuid, runs.experiment_id, runs.name, status, artifact_uri
FROM runs JOIN experiments USING (experiment_id)
WHERE runs.lifecycle_stage = 'active' AND experiments.lifecycle_stage = 'active' AND {}
ORDER BY start_time DESC, run_uuid LIMIT ?
"""


@dataclass(frozen=True)
class RunView:
    """A run as it can be seen: its status, its last metrics, its params and tags, and where its files lie."""

    run_id: str
    experiment_id: str
    name: str
    status: str
    artifacts: str
    metrics: dict[str, float]
    params: dict[str, str]
    tags: dict[str, str]


class Database:
    """The runs in a database file, of all experiments, newest first."""

    page = LOCAL_UI

    def __init__(self, path: Path, patience: float) -> None:
        """Nothing is opened yet; ``is_readable`` tells whether it can be.

        A database that another process holds is waited for, ``patience`` seconds at most; then each method raises
        UserError.
        """
        self._path = path
        self._patience = patience

    def is_readable(self) -> bool:
        """Whether the file has the known schema, and all runs keep their files on this machine."""
        try:
            return version(self._path, self._patience) == schema_dump.revision() and self._is_local()
        except sqlite3.DatabaseError:
            return False

    def tagged(self, tag: str, value: str) -> list[RunView]:
        """Runs that have a tag with this value."""
        condition = "run_uuid IN (SELECT run_uuid FROM tags WHERE key = ? AND value = ?)"
        return self._runs_where(condition, (tag, value))

    def starting_with(self, text: str) -> list[RunView]:
        """Runs whose id begins with a text of hexadecimal digits."""
        return self._runs_where("run_uuid LIKE ? || '%'", (text,))

    def files(self, run: RunView, names: Iterable[str]) -> dict[str, bytes]:
        """The named files at the root of the run's artifacts, as far as they are there."""
        folder = Path(url2pathname(urlsplit(run.artifacts).path))
        return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}

    def _is_local(self) -> bool:
        places = self._answer("SELECT artifact_location FROM experiments WHERE lifecycle_stage = 'active'", ())
        return all(urlsplit(place).scheme in ("", "file") for (place,) in places)

    def _runs_where(self, condition: str, value: tuple[str, ...]) -> list[RunView]:
        return [self._view(*row) for row in self._answer(_RUNS.format(condition), (*value, MOST_RUNS))]

    def _view(self, run_id: str, experiment: int, name: str, status: str, artifacts: str) -> RunView:
        numbers = self._answer("SELECT key, value, is_nan FROM latest_metrics WHERE run_uuid = ?", (run_id,))
        metrics = {key: math.nan if is_nan else value for key, value, is_nan in numbers}
        params, tags = (
            dict(self._answer(f"SELECT key, value FROM {table} WHERE run_uuid = ?", (run_id,)))
            for table in ("params", "tags")
        )
        return RunView(run_id, str(experiment), name, status, artifacts, metrics, params, tags)

    def _answer(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return answer(self._path, query, values, self._patience)


def version(path: Path, patience: float) -> str:
    """The version of the schema, as Alembic keeps it; waits for ``patience`` seconds at most.

    Raises: sqlite3.DatabaseError if the file is not MLflow's; UserError if another process holds it.
    """
    rows = answer(path, "SELECT version_num FROM alembic_version", (), patience)
    return str(rows[0][0]) if rows else "none"


def answer(path: Path, query: str, values: tuple[Any, ...], patience: float) -> list[tuple[Any, ...]]:
    """The rows that a query gives.

    Raises: sqlite3.DatabaseError as ``version`` does; UserError if another process holds the file for longer.
    """
    for mode in ("ro", "rw"):
        address = f"{path.absolute().as_uri()}?mode={mode}"
        try:
            with closing(sqlite3.connect(address, uri=True, timeout=patience)) as connection:
                return connection.execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            if database_lock.means_held(error):
                raise UserError(database_lock.sentence(path, patience)) from None
            if mode == "rw" or error.sqlite_errorcode not in _UNFINISHED:
                raise
    raise AssertionError("each mode answers or raises")

"""The MLflow store, opened: made safely at first use, with an experiment whose files have a lasting place."""

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import sqlalchemy
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pipeline.errors import UserError, quoted, shortened
from pipeline.tracking.client import experiment_view, location
from pipeline.tracking.client.params import timeout_s
from pipeline.tracking.store import database, schema_dump

# A migration takes 1 to 7 seconds, as busy as the disk is; whoever comes second waits for it.
_FIRST_USE_SECONDS = 60


# A file of another kind, and a database without MLflow's tables; of every other error the file is not to blame.
_NOT_MLFLOWS = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)

# How long a session waits for a database that another process holds.
_patience_ms = 60_000


@dataclass(frozen=True)
class Store:
    """An open store and the experiment that runs go into; ``uri`` may hold a password, ``location.masked`` hides it."""

    client: MlflowClient
    experiment: str
    experiment_id: str
    uri: str


def open_store(root: Path, experiment: str) -> Store:
    """Open the store of the project at ``root``; make database and experiment if they are not there.

    A database file that another process holds is waited for, as long as ``tracking.timeout_s`` says.
    Raises: UserError if the database cannot be written, is of another MLflow or held, or the experiment was deleted;
    MlflowException, and what the database's driver raises, if the store cannot be reached.
    """
    # Alembic tells every one of MLflow's 69 migrations.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    uri = location.tracking_uri(root)
    artifacts = location.artifact_location(uri, root)
    path = location.sqlite_file(uri)
    patience = timeout_s(root)
    if path is not None:
        _refuse_read_only(path)
        if not _is_complete(path):
            _make_database(path, artifacts or str(root))
        _wait_for_locks(patience)
        _refuse_other_version(path, patience)
    elif location.is_database(uri):
        _refuse_other_server(uri)
    client = MlflowClient(tracking_uri=uri)
    return Store(client, experiment, _experiment_id(client, experiment, artifacts), uri)


def _is_complete(path: Path) -> bool:
    """Whether the database is complete: it gets its name only when it is. An empty file is no database."""
    return path.exists() and path.stat().st_size > 0


def _refuse_read_only(path: Path) -> None:
    """Raise UserError if SQLite could not write: MLflow would retry for more than a minute before it says so."""
    existing = path.parent
    while not existing.exists():
        existing = existing.parent
    blocked = next((place for place in (existing, path) if place.exists() and not os.access(place, os.W_OK)), None)
    if blocked:
        raise UserError(f"{blocked}: expected to be able to write MLflow's database here; change its permissions")


def _wait_for_locks(seconds: float) -> None:
    """Let every session of MLflow wait for a database that another process holds, from now on in this process.

    MLflow itself waits for 20 s, whatever is asked of it: the first statement of each of its sessions says so.
    """
    global _patience_ms
    _patience_ms = round(seconds * 1000)
    if not sqlalchemy.event.contains(sqlalchemy.Engine, "before_cursor_execute", _patient):
        sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", _patient, retval=True)


def _patient(
    _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
) -> tuple[str, Any]:
    if statement.startswith("PRAGMA busy_timeout"):
        statement = f"PRAGMA busy_timeout = {_patience_ms}"
    return statement, parameters


def _refuse_other_version(path: Path, patience: float) -> None:
    """Raise UserError for a database of another MLflow: one of an older would be migrated without being asked."""
    try:
        schema = database.version(path, patience)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode in _NOT_MLFLOWS:
            raise UserError(f"{path}: expected MLflow's database, got something else ({error}); move it away") from None
        raise UserError(
            f"{path}: expected MLflow's database, which cannot be read now ({error}); mend the disk, or its permissions"
        ) from None
    _refuse_schema(schema, str(path), location.sqlite_uri(path))


def _refuse_other_server(uri: str) -> None:
    """Raise UserError for a server's database of another MLflow; an empty one is left to MLflow to fill.

    Asked once: MLflow itself would try ten times, for two minutes, before it says that the server is away.
    """
    from mlflow.store.db import utils

    connecting: Any = utils.create_sqlalchemy_engine  # MLflow's functions have no types
    engine = connecting(uri)
    try:
        with engine.connect() as connection:
            if not sqlalchemy.inspect(connection).has_table("alembic_version"):
                return
            schema = connection.execute(sqlalchemy.text("SELECT version_num FROM alembic_version")).scalar()
    finally:
        engine.dispose()
    _refuse_schema(str(schema), location.masked(uri), location.masked(uri))


def _refuse_schema(schema: str, place: str, uri: str) -> None:
    expected = schema_dump.revision()
    if schema != expected:
        raise UserError(
            f"{place}: expected schema {expected} of MLflow {mlflow.__version__}, got {shortened(schema)}; if an older "
            f"MLflow made it, keep a copy and call `mlflow db upgrade {uri}`; if a newer one did, install that one"
        )


def _make_database(path: Path, artifacts: str) -> None:
    """Build the database under a temporary name, one process at a time, and rename it when it is complete.

    MLflow's own first use takes no lock: of two processes one fails, and a kill leaves half a schema for ever.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    Path(f"{path}.lock").touch()  # a folder that takes no files, such as /proc, would be waited for
    with FileLock(f"{path}.lock", timeout=_FIRST_USE_SECONDS):
        if _is_complete(path):
            return
        unfinished = path.with_name(f"{path.name}.part")
        for leftover in (unfinished, unfinished.with_name(f"{unfinished.name}-journal")):
            leftover.unlink(missing_ok=True)
        if schema_dump.is_current():
            schema_dump.load(unfinished, {"Default": f"{artifacts}/0"})  # MLflow's own, of id 0
        else:
            with _unsynced():
                _migrate(unfinished, artifacts)
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(path)


def _migrate(path: Path, artifacts: str) -> None:
    from mlflow.store.tracking import sqlalchemy_store

    # The constructor runs MLflow's migrations and makes the experiment "Default" with files below ``artifacts``.
    make: Any = sqlalchemy_store.SqlAlchemyStore  # its functions have no types
    make(location.sqlite_uri(path), artifacts).engine.dispose()


@contextmanager
def _unsynced() -> Iterator[None]:
    """Let SQLite skip its syncs: until it is renamed, no one needs the file, and it is synced as a whole before."""

    def relax(connection: Any, _: Any) -> None:
        with closing(connection.cursor()) as cursor:
            cursor.execute("PRAGMA synchronous = OFF")

    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", relax)
    try:
        yield
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "connect", relax)


def _experiment_id(client: MlflowClient, name: str, artifacts: str | None) -> str:
    existing = client.get_experiment_by_name(name)
    if existing is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifacts, tags=experiment_view.tags()))
        except MlflowException:
            # Another process may have made it in between; if none has, the error is a real one.
            existing = client.get_experiment_by_name(name)
            if existing is None:
                raise
    if existing.lifecycle_stage == "deleted":
        raise UserError(
            f"params.yaml: tracking.experiment: expected an active MLflow experiment, got {quoted(name)}, which was "
            f"deleted; `mlflow experiments restore --experiment-id {existing.experiment_id}` brings it back"
        )
    return str(existing.experiment_id)

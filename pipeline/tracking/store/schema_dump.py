"""MLflow's database as its first use leaves it, kept as SQL: loading it takes a hundredth of MLflow's 69 migrations.

`python -m pipeline.tracking.store.schema_dump` writes it anew for the MLflow that is installed. A dump of another
version is never loaded.
"""

import sqlite3
import tempfile
import time
from contextlib import closing
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from pipeline import files

_FILE = Path(__file__).with_name("schema_dump.sql")


def revision() -> str:
    """The schema that the installed MLflow works with, as Alembic names it; the dump tells without MLflow."""
    if is_current():
        return _header()[1]
    from mlflow.store.db import utils

    latest: Any = utils._get_latest_schema_revision  # it has no types; MLflow has no public name for it
    return str(latest())


def is_current() -> bool:
    """Whether the dump is that of the installed MLflow."""
    return _header()[0] == metadata.version("mlflow")


def load(path: Path, experiments: dict[str, str]) -> None:
    """Make the database in a file that is not there yet; ``experiments`` are places of artifacts by name, in order."""
    now = time.time_ns() // 1_000_000
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(_FILE.read_text(encoding="utf-8"))
        connection.executemany(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, "
            "last_update_time) VALUES (?, ?, ?, 'active', ?, ?)",
            [(number, name, place, now, now) for number, (name, place) in enumerate(experiments.items())],
        )
        connection.commit()


def dump() -> str:
    """The SQL of a database that MLflow has just migrated."""
    from mlflow.store.db import utils

    tools: Any = utils
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        engine = tools.create_sqlalchemy_engine(f"sqlite:///{path}")
        tools._initialize_tables(engine)
        engine.dispose()
        with closing(sqlite3.connect(path)) as connection:
            lines = "\n".join(connection.iterdump())
    return f"-- mlflow {metadata.version('mlflow')} schema {tools._get_latest_schema_revision()}\n{lines}\n"


@cache
def _header() -> tuple[str, str]:
    """MLflow's version and its schema, as the first line of the dump says."""
    with _FILE.open(encoding="utf-8") as file:
        _, _, version, _, schema = file.readline().split()
    return version, schema


if __name__ == "__main__":
    files.write_text(_FILE, dump())

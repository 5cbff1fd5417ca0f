"""An SQLite file that another process holds: a transaction that is open for long, as of a database browser."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_held(path: Path) -> bool:
    """Whether another process holds the database so that it cannot be written just now."""
    if not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(path, timeout=0)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
    except sqlite3.Error as error:
        return means_held(error)
    return False


def means_held(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, is SQLite's word for a database that another process holds."""
    return any(
        isinstance(link, sqlite3.OperationalError) and (getattr(link, "sqlite_errorcode", 0) & 0xFF) in _BUSY
        for link in chain(error)
    )


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from, the root last."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def sentence(path: Path, seconds: float) -> str:
    """The message about a database that is held, after a wait of so many seconds."""
    return (
        f"{path}: another process holds this database, and did not let go of it within {seconds:g} s "
        "(tracking.timeout_s); close it there (a database browser, an open transaction), or wait, and try again"
    )

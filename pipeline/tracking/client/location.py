"""The places of MLflow's runs and files: one SQLite file at the project's root, or those in the environment."""

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pipeline import credentials
from pipeline.errors import UserError, shortened

DATABASE_FILE = "mlflow.db"
ARTIFACTS_FOLDER = "mlartifacts"

_SQLITE = "sqlite:///"


def tracking_uri(root: Path) -> str:
    """MLFLOW_TRACKING_URI, else SQLite at the project's root.

    A relative SQLite path counts from the root: the current folder may be a temporary one that DVC removes.
    Raises: UserError if it is no address.
    """
    given = os.environ.get("MLFLOW_TRACKING_URI")
    if not given:
        return sqlite_uri(root / DATABASE_FILE)
    try:
        urlsplit(given)
    except ValueError as error:
        place = shortened(credentials.masked(given))
        raise UserError(f"MLFLOW_TRACKING_URI: expected the address of a store, got {place}: {error}") from None
    path = sqlite_file(given)
    return sqlite_uri(root / path) if path else given


def artifact_location(uri: str, root: Path) -> str | None:
    """The place of a new experiment's files; None leaves it to the server behind ``uri``.

    Absolute, because MLflow would otherwise take the current folder of whoever makes the experiment, for ever.
    """
    if urlsplit(uri).scheme in ("http", "https"):
        return None
    given = os.environ.get("MLFLOW_DEFAULT_ARTIFACT_ROOT")
    if given:
        return given
    folder = root / ARTIFACTS_FOLDER
    plain = str(folder)
    # MLflow decodes a path as if it were a URI: one in which that changes something is given as a URI, and so is one
    # with a drive, which looks like a scheme.
    return folder.as_uri() if folder.drive or unquote(plain) != plain or "?" in plain or "#" in plain else plain


def sqlite_uri(path: Path) -> str:
    """The address of a database file, with escapes only where SQLAlchemy would read the path as something else."""
    return _SQLITE + path.as_posix().replace("%", "%25").replace("?", "%3F")


def sqlite_file(uri: str) -> Path | None:
    """The database file of an SQLite address; None for every other store, and for one in memory."""
    if not uri.startswith(_SQLITE):
        return None
    name = uri.removeprefix(_SQLITE).partition("?")[0]
    return Path(unquote(name)) if name and name != ":memory:" else None


def is_database(uri: str) -> bool:
    """Whether an address is that of a database server, such as ``postgresql://`` or ``mysql+pymysql://``."""
    return urlsplit(uri).scheme.partition("+")[0] in ("postgresql", "mysql", "mssql")


def masked(uri: str) -> str:
    """The address, or any text with addresses in it, without user names, passwords and other secrets."""
    known = os.environ.get("MLFLOW_TRACKING_URI", "")
    return credentials.masked(uri.replace(known, credentials.masked(known)) if known else uri)

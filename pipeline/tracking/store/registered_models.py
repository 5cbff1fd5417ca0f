"""A version of a registered model by its alias, and the files of its model.

A database file on this machine is read as it is. Every other store is asked through MLflow, in a process of its own
(``StoreProcess``), which also fetches files that lie elsewhere.
"""

import os
import sqlite3
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pipeline.errors import UserError, quoted
from pipeline.output_files import DECISION_FILE, METADATA_FILE, RANGES_FILE, WEIGHTS_FILE
from pipeline.tracking.client import location
from pipeline.tracking.client.params import timeout_s
from pipeline.tracking.client.query import StoreProcess
from pipeline.tracking.store import database, schema_dump

# A LoggedModel has the files of `train` and `decide` among its artifacts; a run has them at its root.
MODEL_FILES = (METADATA_FILE, WEIGHTS_FILE, DECISION_FILE, RANGES_FILE)
_FOLDERS = ("artifacts", "")

_BY_ALIAS = """
SELECT version, source, storage_location
FROM registered_model_aliases JOIN model_versions USING (workspace, name, version)
WHERE workspace = 'default' AND name = ? AND alias = ?
"""


@dataclass(frozen=True)
class RegisteredVersion:
    """A version of a registered model; ``artifacts`` is the address of the folder with its model, without secrets."""

    name: str
    version: str
    artifacts: str


class Registry:
    """The registered models of a project's store. Each method raises UserError if the store cannot be reached."""

    def __init__(self, root: Path, experiment: str) -> None:
        """Nothing is opened yet; ``experiment`` is the MLflow experiment of the project at ``root``."""
        self._root = root
        self._process = StoreProcess(root, experiment)

    def __enter__(self) -> "Registry":
        """The process that asks MLflow, if one is needed, starts with the first question."""
        return self

    def __exit__(self, *error: object) -> None:
        """End it."""
        self._process.__exit__(*error)

    def by_alias(self, name: str, alias: str) -> RegisteredVersion:
        """The version of the model ``name`` that an alias names. Raises: UserError if there is none."""
        path = self._database()
        if path is None:
            answer = self._process.version_by_alias(name, alias)
            version = RegisteredVersion(name, answer["version"], answer["artifacts"]) if answer else None
        else:
            try:
                version = _in_database(path, name, alias, timeout_s(self._root))
            except sqlite3.DatabaseError as error:
                raise _unreadable(path, error) from None
        if version is None:
            raise UserError(
                f"expected a version of the registered model {quoted(name)} with the alias {quoted(alias)}, got none; "
                "register one in MLflow, and give it the alias"
            )
        return version

    def files(self, version: RegisteredVersion) -> Mapping[str, bytes]:
        """The files of its model by name, as far as it has them."""
        folder = _local_folder(version.artifacts)
        if folder is not None:
            return _read(folder)
        with tempfile.TemporaryDirectory() as copy:
            self._process.fetch_version(version.name, version.version, Path(copy))
            return _read(Path(copy))

    def _database(self) -> Path | None:
        """The database file, where it can be read without MLflow."""
        path = location.sqlite_file(location.tracking_uri(self._root))
        if path is None or os.environ.get("MLFLOW_REGISTRY_URI"):
            return None
        if not path.exists():
            raise UserError(f"{path}: no such file: there is no MLflow store yet; `dvc repro` makes one")
        try:
            known = database.version(path, timeout_s(self._root)) == schema_dump.revision()
        except sqlite3.DatabaseError as error:
            raise _unreadable(path, error) from None
        return path if known else None


def _unreadable(path: Path, error: sqlite3.DatabaseError) -> UserError:
    return UserError(f"{path}: expected a database of MLflow: {error}")


def _in_database(path: Path, name: str, alias: str, patience: float) -> RegisteredVersion | None:
    rows = database.answer(path, _BY_ALIAS, (name, alias), patience)
    if not rows:
        return None
    version, source, stored = rows[0]
    return RegisteredVersion(name, str(version), _artifacts(path, stored or source, patience))


def _artifacts(path: Path, source: str, patience: float) -> str:
    """The address of a folder of artifacts, from the address by which a version was registered."""
    parts = urlsplit(source)
    if parts.scheme == "runs":
        run, _, below = parts.path.lstrip("/").partition("/")
        rows = database.answer(path, "SELECT artifact_uri FROM runs WHERE run_uuid = ?", (run,), patience)
        return f"{rows[0][0]}/{below}".rstrip("/") if rows else source
    if parts.scheme == "models":
        query = "SELECT artifact_location FROM logged_models WHERE model_id = ?"
        rows = database.answer(path, query, (parts.path.lstrip("/"),), patience)
        return str(rows[0][0]) if rows else source
    return source


def _local_folder(address: str) -> Path | None:
    """The folder of an address on this machine; None for any other."""
    parts = urlsplit(address)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return Path(address) if not parts.scheme or len(parts.scheme) == 1 else None  # a drive looks like a scheme


def _read(folder: Path) -> dict[str, bytes]:
    for place in (folder / below for below in _FOLDERS):
        if (place / METADATA_FILE).is_file():
            return {name: (place / name).read_bytes() for name in MODEL_FILES if (place / name).is_file()}
    raise UserError(
        f"{folder}: expected {METADATA_FILE} in it or in its folder {_FOLDERS[0]}, got neither; `mlflow gc` may have "
        "removed it: register another version"
    )

"""The dump of an empty database: exactly what the installed MLflow makes."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline.tracking.store import schema_dump, store


def lines(sql: str) -> list[str]:
    """The lines of a text in SQL, sorted: MLflow's migrations write the constraints of a table in any order."""
    return sorted(line.strip().rstrip(",").rstrip() for line in sql.splitlines())


@pytest.mark.slow
def test_dump_is_what_mlflow_makes() -> None:
    """Regenerated, the file says the same; `python -m pipeline.tracking.store.schema_dump` writes it anew."""
    written = Path(schema_dump.__file__).with_name("schema_dump.sql").read_text(encoding="utf-8")
    assert lines(written) == lines(schema_dump.dump())


def test_loaded_database_is_one_that_mlflow_works_with(tmp_path: Path) -> None:
    """MLflow opens it without a migration, with the experiments in their places."""
    path = tmp_path / "mlflow.db"
    schema_dump.load(path, {"Default": "/artifacts/0", "softmax": "/artifacts"})
    client = MlflowClient(f"sqlite:///{path}")
    entries = {entry.experiment_id: (entry.name, entry.artifact_location) for entry in client.search_experiments()}
    assert entries == {"0": ("Default", "/artifacts/0"), "1": ("softmax", "/artifacts")}
    assert client.create_experiment("another") == "2"


@pytest.mark.slow
def test_database_of_another_mlflow_is_migrated_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a dump of another version MLflow's own migrations make the same schema."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr("importlib.metadata.version", lambda _: "0.0.0")
    store.open_store(tmp_path, "softmax")
    schema_dump.load(tmp_path / "loaded.db", {})
    tables = []
    for name in ("mlflow.db", "loaded.db"):
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            entries = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql NOTNULL").fetchall()
        # The migrations write the constraints of a table in an order that changes from run to run.
        tables.append(
            {(kind, name, frozenset(line.strip(" \t,") for line in sql.split("\n"))) for kind, name, sql in entries}
        )
    assert tables[0] == tables[1]

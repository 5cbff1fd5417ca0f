"""Where the store is: at the project's root unless the environment says otherwise, and never in a temporary folder."""

from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.tracking.client import location

ROOT = Path("/projects/mine")


def test_default_store_is_one_file_at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without MLFLOW_TRACKING_URI, database and files lie below the project's root, as absolute paths."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    uri = location.tracking_uri(ROOT)
    assert uri == "sqlite:////projects/mine/mlflow.db"
    assert location.artifact_location(uri, ROOT) == "/projects/mine/mlartifacts"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("sqlite:///shared.db", "sqlite:////projects/mine/shared.db"),
        ("sqlite:////data/shared.db", "sqlite:////data/shared.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("http://host:5000", "http://host:5000"),
        ("postgresql://user:word@host/mlflow", "postgresql://user:word@host/mlflow"),
    ],
)
def test_environment_chooses_the_store(monkeypatch: pytest.MonkeyPatch, given: str, expected: str) -> None:
    """MLFLOW_TRACKING_URI wins; a relative SQLite path counts from the root, not from the current folder."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    assert location.tracking_uri(ROOT) == expected


def test_servers_choose_where_files_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server knows its artifact store; for a bare database MLFLOW_DEFAULT_ARTIFACT_ROOT can name one."""
    assert location.artifact_location("https://host", ROOT) is None
    monkeypatch.setenv("MLFLOW_DEFAULT_ARTIFACT_ROOT", "s3://bucket/runs")
    assert location.artifact_location("postgresql://host/mlflow", ROOT) == "s3://bucket/runs"


@pytest.mark.parametrize("name", ["plain", "with space", "größe", "100%20", "a#b", "a?b=1", "it's"])
def test_paths_survive_the_address(name: str) -> None:
    """The file of an SQLite address is the file that the address was made from."""
    path = Path("/projects") / name / "mlflow.db"
    assert location.sqlite_file(location.sqlite_uri(path)) == path


@pytest.mark.parametrize(
    ("uri", "is_database"),
    [
        ("postgresql://me@host/mlflow", True),
        ("mysql+pymysql://host/mlflow", True),
        ("https://host", False),
        ("sqlite:////mlflow.db", False),
    ],
)
def test_servers_of_databases_are_told_from_mlflows_own(uri: str, is_database: bool) -> None:
    """With a driver or without; a file and a tracking server are none."""
    assert location.is_database(uri) == is_database


def test_passwords_are_not_shown() -> None:
    """Addresses lose user and password wherever they stand in a text."""
    text = "cannot reach postgresql://user:p%40ss@host:1/db or http://token@host"
    assert location.masked(text) == "cannot reach postgresql://***@host:1/db or http://***@host"


def test_what_is_no_address_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsers of addresses refuse some texts outright; a password in them is not shown."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@[::1")
    with pytest.raises(
        UserError, match=r"^MLFLOW_TRACKING_URI: expected the address of a store, got http://\*\*\*@"
    ) as refusal:
        location.tracking_uri(ROOT)
    assert "secret" not in str(refusal.value)

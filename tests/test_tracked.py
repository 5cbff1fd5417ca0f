"""Questions to MLflow that need no answer of it."""

import sys
from pathlib import Path

import pytest

from pipeline import tracked
from pipeline.errors import UserError


def test_without_a_store_nobody_loads_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database file that is not there knows of no run: no process is started, and no database is made."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    assert tracked.store(tmp_path, "softmax") == {}
    assert tracked.examine(tmp_path, "softmax", "ab" * 32, None, None, tmp_path) == []
    tracked.attach(tmp_path, "softmax", {"a": "yes"}, "{}")
    with pytest.raises(UserError, match=r"there is no MLflow store at .*mlflow\.db"):
        tracked.run(tmp_path, "0123ab", "softmax")
    assert list(tmp_path.iterdir()) == []

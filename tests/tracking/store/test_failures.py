"""What a store raises is one sentence, the same from whichever process or class it comes."""

import io
import json
import sys
from pathlib import Path

import pytest

from pipeline.commands import track
from pipeline.commands.doctor import project as doctor
from pipeline.commands.doctor.result import PROBLEM
from pipeline.errors import UserError
from pipeline.tracking import answer
from pipeline.tracking.client.query import StoreProcess
from pipeline.tracking.store import lookup
from pipeline.tracking.store.failures import as_user_errors, explained

# A driver that SQLAlchemy knows and that nothing here installs.
WITHOUT_DRIVER = "postgresql+pg8000://me:secret@127.0.0.1:9/mlflow"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose store needs a driver that is not installed."""
    (tmp_path / "params.yaml").write_text("tracking: {}\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", WITHOUT_DRIVER)
    return tmp_path


SENTENCE = (
    "MLflow: postgresql+pg8000://***@127.0.0.1:9/mlflow needs the package pg8000, which is not installed: "
    "`pip install pg8000` brings it"
)


def test_a_missing_driver_is_the_same_sentence_everywhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child that answers questions, a reader of runs and `track` name the package, and no password."""
    with pytest.raises(UserError) as read:
        lookup.opened(root, "softmax")
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps({"ask": "store", "experiment": "softmax"})))
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    answer.main()
    with pytest.raises(UserError) as tracking:
        track.main(setting="softmax", revision=None, all_experiments=False, relocated=False)
    assert str(read.value) == json.loads(output.getvalue())["failed"] == SENTENCE
    assert str(tracking.value).startswith(SENTENCE)


@pytest.mark.slow
def test_a_missing_driver_ends_doctor_and_verify_in_a_sentence(root: Path) -> None:
    """Both ask a child, which has the same list of what can go wrong."""
    with StoreProcess(root, "softmax") as store:
        for ask in (store.state, lambda: store.run("0123ab")):
            with pytest.raises(UserError) as raised:
                ask()
            assert str(raised.value) == SENTENCE
    assert [(result.state, result.sentence) for result in doctor.check_store(root)] == [(PROBLEM, SENTENCE)]


def test_psycopg_is_brought_by_the_extra() -> None:
    """SQLAlchemy asks for psycopg2 where psycopg is missing; what to install is the same."""
    for name in ("psycopg", "psycopg2"):
        assert "`pip install -e '.[share]'` brings it" in explained(ModuleNotFoundError("No module", name=name))


def test_a_bug_keeps_its_traceback() -> None:
    """What is not a failure of the store passes through."""
    with pytest.raises(KeyError), as_user_errors():
        raise KeyError("bug")

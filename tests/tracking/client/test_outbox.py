"""Entries of the spool: whole, in order, and sent by one process at a time."""

import json
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.tracking.client import outbox


def _entry(ended: int) -> outbox.OutboxEntry:
    return outbox.OutboxEntry("train", "ab" * 16, "softmax", {"train": {"lr": 0.1}}, {}, 1, ended)


def test_entries_come_back_as_they_were_oldest_first(tmp_path: Path) -> None:
    """What was kept is read back equal, by the time of its end and not by the length of its name."""
    for ended in (1000, 999):
        outbox.keep(tmp_path, _entry(ended), {})
    assert [outbox.read(folder)[0] for folder in outbox.waiting(tmp_path)] == [_entry(999), _entry(1000)]


def test_forgotten_entries_are_gone(tmp_path: Path) -> None:
    """An entry that was sent leaves no file."""
    folder = outbox.keep(tmp_path, _entry(1), {})
    outbox.forget(folder)
    assert outbox.waiting(tmp_path) == []
    assert not folder.exists()


def test_a_project_without_entries_has_none(tmp_path: Path) -> None:
    """Nothing is made where nothing was kept."""
    assert outbox.waiting(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_only_one_process_sends(tmp_path: Path) -> None:
    """While one sends, another is told to leave it alone."""
    outbox.keep(tmp_path, _entry(1), {})
    with outbox.alone(tmp_path, seconds=0) as first, outbox.alone(tmp_path, seconds=0) as second:
        assert (first, second) == (True, False)
    with outbox.alone(tmp_path, seconds=0) as again:
        assert again


FORGERIES = {
    "no JSON": "x",
    "a list": "[]",
    "nothing in it": "{}",
    "deep lists": "[" * 100_000,
    **{
        f"{name} {value!r}": json.dumps(
            {
                **{"stage": "train", "identity": "ab" * 16, "experiment": "softmax", "params": {}},
                **{"circumstances": {}, "started": 1, "ended": 2, name: value},
            }
        )
        for name, value in (
            *(("stage", "../x"), ("stage", 1), ("identity", "' OR ''='"), ("identity", None), ("experiment", [])),
            *(("params", []), ("circumstances", "x"), ("started", -1), ("ended", 2**70), ("ended", "x")),
        )
    },
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_entry_is_refused(tmp_path: Path, forgery: str) -> None:
    """In one sentence that names its file."""
    folder = outbox.keep(tmp_path, _entry(1), {})
    (folder / "entry.json").write_text(FORGERIES[forgery], encoding="utf-8")
    with pytest.raises(UserError, match="remove its folder") as caught:
        outbox.read(folder)
    assert str(caught.value).startswith(str(folder / "entry.json"))


def test_folders_of_other_names_are_no_entries(tmp_path: Path) -> None:
    """They are left alone, and stop no other."""
    folder = outbox.keep(tmp_path, _entry(1), {})
    for name in ("x", "1x-train-ab", f"{folder.name}.part"):
        (folder.parent / name).mkdir()
        (folder.parent / name / "entry.json").write_text("{}", encoding="utf-8")
    assert outbox.waiting(tmp_path) == [folder]

"""Entries of the spool: whole, in order, and sent by one process at a time."""

from pathlib import Path

from pipeline import spool


def _entry(ended: int) -> spool.Entry:
    return spool.Entry("train", "ab" * 16, "softmax", {"train": {"lr": 0.1}}, {}, 1, ended)


def test_entries_come_back_as_they_were_oldest_first(tmp_path: Path) -> None:
    """What was kept is read back equal, by the time of its end and not by the length of its name."""
    for ended in (1000, 999):
        spool.keep(tmp_path, _entry(ended), {})
    assert [spool.read(folder)[0] for folder in spool.waiting(tmp_path)] == [_entry(999), _entry(1000)]


def test_forgotten_entries_are_gone(tmp_path: Path) -> None:
    """An entry that was sent leaves no file."""
    folder = spool.keep(tmp_path, _entry(1), {})
    spool.forget(folder)
    assert spool.waiting(tmp_path) == []
    assert not folder.exists()


def test_a_project_without_entries_has_none(tmp_path: Path) -> None:
    """Nothing is made where nothing was kept."""
    assert spool.waiting(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_only_one_process_sends(tmp_path: Path) -> None:
    """While one sends, another is told to leave it alone."""
    spool.keep(tmp_path, _entry(1), {})
    with spool.alone(tmp_path, seconds=0) as first, spool.alone(tmp_path, seconds=0) as second:
        assert (first, second) == (True, False)
    with spool.alone(tmp_path, seconds=0) as again:
        assert again

"""Where the code of a project comes from."""

from pathlib import Path

import pytest

from pipeline.commands.new import upstream
from pipeline.commands.new.upstream import RECORD_FILE, Record, Version
from pipeline.errors import UserError
from tests.commands.new.test_update import Repository


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://me:secret@example.org:8443/a/b.git", "https://example.org:8443/a/b.git"),
        ("https://token@example.org/a/b.git", "https://example.org/a/b.git"),
        ("ssh://git@example.org/a/b.git", "ssh://git@example.org/a/b.git"),
        ("ssh://git:secret@example.org/a/b.git", "ssh://git@example.org/a/b.git"),
        ("git@example.org:a/b.git", "git@example.org:a/b.git"),
        ("/home/me/b", None),
        ("file:///home/me/b", None),
        ("../b", None),
        ("https:///b", None),
    ],
)
def test_a_record_names_no_folder_of_this_machine_and_no_secret(url: str, address: str | None, tmp_path: Path) -> None:
    """Only an address that others reach, and only if the commit was pushed there."""
    code = Repository(tmp_path / "code")
    commit = code.commit("Begin", a__py="")
    code.git("remote", "add", "origin", url)
    assert upstream.address(Version(code.folder, commit)) is None
    code.git("update-ref", "refs/remotes/origin/main", commit)
    assert upstream.address(Version(code.folder, commit)) == address


@pytest.mark.parametrize("source", [None, "https://example.org/a.git"])
def test_a_record_is_read_as_it_was_written(source: str | None, tmp_path: Path) -> None:
    """One that was edited is refused."""
    record = Record("1.0", "1" * 38 + "e2", source)
    (tmp_path / RECORD_FILE).write_text(record.to_text(), encoding="utf-8")
    assert Record.read(tmp_path) == record
    for text in ("commit: x\nrelease: 1.0.0\n", "[", "- a\n", f"release: 1\ncommit: {'a' * 40}\n"):
        (tmp_path / RECORD_FILE).write_text(text, encoding="utf-8")
        with pytest.raises(UserError, match="expected a release and a commit"):
            Record.read(tmp_path)

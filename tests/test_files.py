"""Files that are wholly there or not at all."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import files


def test_a_folder_replaces_the_earlier_one_whole(tmp_path: Path) -> None:
    """Nothing of the earlier content stays, nothing temporary is left."""
    target = tmp_path / "out"
    for name in ("first", "second"):
        with files.new_folder(target) as folder:
            (folder / name).write_text(name)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "second"]


def test_a_failure_leaves_the_earlier_folder(tmp_path: Path) -> None:
    """An exception inside the block leaves the folder as it was."""
    target = tmp_path / "out"
    with files.new_folder(target) as folder:
        (folder / "good").write_text("good")
    with pytest.raises(RuntimeError):
        _fail_half_way(target)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "good"]


def _fail_half_way(target: Path) -> None:
    with files.new_folder(target) as folder:
        (folder / "half").write_text("half")
        raise RuntimeError


_REPLACED_ON_AND_ON = """
import sys
from pathlib import Path
from pipeline import files
while True:
    with files.new_folder(Path(sys.argv[1])) as folder:
        (folder / "content").write_text("whole")
"""


def test_at_no_moment_is_the_folder_away(tmp_path: Path) -> None:
    """Looked at 20,000 times while another process replaces it on and on, the folder is there."""
    target = tmp_path / "out"
    with files.new_folder(target) as folder:
        (folder / "content").write_text("whole")
    process = subprocess.Popen([sys.executable, "-c", _REPLACED_ON_AND_ON, str(target)])
    try:
        first = target.stat().st_ino
        while target.stat().st_ino == first:
            assert process.poll() is None
        assert all(target.is_dir() for _ in range(20_000))
    finally:
        process.kill()
        process.wait()


def test_what_a_kill_put_aside_comes_back(tmp_path: Path) -> None:
    """Where folders cannot change places in one step, the one put aside is found, and only if there is no newer one."""
    target, aside = tmp_path / "out", tmp_path / "out.old"
    aside.mkdir()
    files.restore(target)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    aside.mkdir()
    files.restore(target)
    assert aside.is_dir()


def test_a_failure_leaves_the_earlier_file(tmp_path: Path) -> None:
    """A write that fails leaves the file as it was, and no temporary one."""
    target = tmp_path / "file.json"
    files.write_json(target, {"b": 1, "a": 0.1})
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(target, {"a": float("nan")})
    with pytest.raises(TypeError):
        files.write_bytes(target, "text")  # type: ignore[arg-type]
    assert target.read_text() == '{\n  "a": 0.1,\n  "b": 1\n}\n'
    assert list(tmp_path.iterdir()) == [target]

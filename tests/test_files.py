"""Files that are wholly there or not at all."""

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

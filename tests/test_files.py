"""Files that are wholly there or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import files
from pipeline.errors import UserError


def test_a_folder_replaces_the_earlier_one_whole(tmp_path: Path) -> None:
    """Nothing of the earlier content stays, nothing temporary is left."""
    target = tmp_path / "out"
    for name in ("first", "second"):
        with files.new_folder(target) as folder:
            (folder / name).write_text(name, encoding="utf-8")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "second"]


def test_a_failure_leaves_the_earlier_folder(tmp_path: Path) -> None:
    """An exception inside the block leaves the folder as it was."""
    target = tmp_path / "out"
    with files.new_folder(target) as folder:
        (folder / "good").write_text("good", encoding="utf-8")
    with pytest.raises(RuntimeError):
        _fail_half_way(target)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "good"]


def _fail_half_way(target: Path) -> None:
    with files.new_folder(target) as folder:
        (folder / "half").write_text("half", encoding="utf-8")
        raise RuntimeError


_REPLACED_ON_AND_ON = """
import sys
from pathlib import Path
from pipeline import files
from pipeline.errors import UserError
while True:
    with files.new_folder(Path(sys.argv[1])) as folder:
        (folder / "content").write_text("whole", encoding="utf-8")
"""


def test_at_no_moment_is_the_folder_away(tmp_path: Path) -> None:
    """Looked at 20,000 times while another process replaces it on and on, the folder is there."""
    target = tmp_path / "out"
    with files.new_folder(target) as folder:
        (folder / "content").write_text("whole", encoding="utf-8")
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
    assert target.read_text(encoding="utf-8") == '{\n  "a": 0.1,\n  "b": 1\n}\n'
    assert list(tmp_path.iterdir()) == [target]


def test_a_device_is_written_and_stays_a_device(tmp_path: Path) -> None:
    """A pipe gets the bytes; renamed over, it would be a file that its reader never sees."""
    if not Path("/dev/full").exists():
        pytest.skip("needs a device that is always full")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        files.write_text(pipe, "all of it\n")
        assert reader.communicate()[0] == b"all of it\n"
    assert pipe.is_fifo()
    with pytest.raises(UserError, match="/dev/full: cannot be written: no space left on device"):
        files.write_text(Path("/dev/full"), "all of it\n")
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize("place", [".", "file/below", "n" * 300, "n" * 254])
def test_a_place_without_room_for_a_file_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A folder, below a file, and a name that is too long; nothing is left behind."""
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match=r"got a folder|cannot be written: (file exists|no such|file name too long)"):
        files.write_text(Path(place), "text")
    assert [(path.name, path.read_text(encoding="utf-8")) for path in tmp_path.iterdir()] == [("file", "mine")]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that takes no files, whoever asks: /proc")
def test_a_folder_that_takes_no_files_is_one_sentence() -> None:
    """Root too gets no file there."""
    with pytest.raises(UserError, match=r"^/proc/none: cannot be written: no such file"):
        files.write_text(Path("/proc/none"), "text")


@pytest.mark.parametrize("name", ["a.csv", "sub/../a.csv", "link", "twin"])
def test_a_file_that_is_read_is_refused_by_all_its_names(tmp_path: Path, name: str) -> None:
    """Another spelling, a link and a second name lead to the same file; an open one is known by its descriptor."""
    source = tmp_path / "a.csv"
    source.write_text("mine", encoding="utf-8")
    (tmp_path / "sub").mkdir()
    (tmp_path / "link").symlink_to(source)
    (tmp_path / "twin").hardlink_to(source)
    with source.open() as opened:
        for known in (source, opened.fileno()):
            with pytest.raises(UserError, match="is one of the files that are read"):
                files.refuse_to_overwrite(tmp_path / name, [tmp_path / "gone", known])
    files.refuse_to_overwrite(tmp_path / "other", [source])


def test_a_folder_of_a_person_is_not_replaced(tmp_path: Path) -> None:
    """Only nothing, an empty folder, or one with the mark is."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "mark").touch()
    for name in ("none", "empty", "ours"):
        files.require_own_folder(tmp_path / name, "mark")
    for path in (tmp_path, tmp_path / "ours" / "mark"):
        with pytest.raises(UserError, match="got what would be lost"):
            files.require_own_folder(path, "mark")

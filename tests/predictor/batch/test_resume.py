"""A table of predictions that was cut short goes on where the journal can be trusted, and only there."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.predictor.batch import columns, destination, formats, hidden_folder
from pipeline.predictor.batch.blocks import Batch
from pipeline.table.stream import ReadOptions
from tests.predictor.batch.problems import load, save_model, write_csv
from tests.terminal import unwrapped

pytestmark = pytest.mark.slow

ROWS = 20_000


class Request:
    """A table to score into a file or a folder, from which an interruption is asked for."""

    def __init__(self, folder: Path, kind: str, digest: str = "request") -> None:
        self.scorer = load(save_model(folder / "models"))
        self.source = write_csv(folder / "in.csv", ROWS)
        chosen = columns.choose(self.scorer)
        self.form = formats.Csv(chosen) if kind == "csv" else formats.Parquet(chosen)
        self.batch = Batch(self.scorer, chosen, self.form)
        self.open = destination.folder if kind == "folder" else destination.file
        self.digest = digest

    def write(self, out: Path, stop_after: int = ROWS) -> int:
        """Score the table, with Ctrl-C once so many rows are read; the number of blocks that were there before."""

        def watch(rows: int, _position: int) -> None:
            if rows > stop_after:
                raise KeyboardInterrupt

        with self.open(out, self.form, self.digest) as there:
            self.batch.write(self.source, there, ReadOptions(chunk_bytes=20_000, threads=1, watch=watch))
        return there.done

    def interrupted(self, out: Path, stop_after: int) -> None:
        """Score the table in part."""
        with pytest.raises(KeyboardInterrupt):
            self.write(out, stop_after)


@pytest.fixture(params=["csv", "parquet", "folder"])
def request_of(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Request:
    monkeypatch.setattr(formats.Csv, "_BLOCK_VALUES", 1)
    monkeypatch.setattr(formats.Parquet, "_BLOCK_VALUES", 1)
    monkeypatch.setattr(destination, "BLOCKS_PER_FILE", 3)
    return Request(tmp_path, request.param)


def content(out: Path) -> dict[str, bytes]:
    paths = sorted(out.iterdir()) if out.is_dir() else [out]
    return {path.name if out.is_dir() else "": path.read_bytes() for path in paths}


def test_an_interrupted_table_goes_on_to_the_same_bytes(request_of: Request, tmp_path: Path) -> None:
    """Again and again, from wherever it was; the place is as it was until the end."""
    assert request_of.write(tmp_path / "whole") == 0
    out = tmp_path / "out"
    done = []
    for stop_after in (5_000, 9_000, 13_500, 18_000):
        request_of.interrupted(out, stop_after)
        assert not out.exists()
        done.append(destination.rows_on_disk(out))
    assert done == sorted(set(done))
    assert done[0] > 0
    assert request_of.write(out) * 1024 == done[-1]
    assert content(out) == content(tmp_path / "whole")
    assert not hidden_folder.path(out).exists()


def parts(out: Path) -> list[Path]:
    return sorted((hidden_folder.path(out) / "out").iterdir())


def _flip_in_first(out: Path) -> None:
    data = bytearray(parts(out)[0].read_bytes())
    data[len(data) // 2] ^= 1
    parts(out)[0].write_bytes(data)


def _cut_last(out: Path) -> None:
    os.truncate(parts(out)[-1], parts(out)[-1].stat().st_size - 1)


def _edit(change: Callable[[list[dict[str, object]]], None]) -> Callable[[Path], None]:
    def damage(out: Path) -> None:
        journal = hidden_folder.path(out) / "journal"
        lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
        change(lines)
        journal.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")

    return damage


def _garbage(out: Path) -> None:
    (hidden_folder.path(out) / "journal").write_bytes(b'\xff\x00[]\n{"rows": 1}\nnull\n')


def _torn(out: Path) -> None:
    journal = hidden_folder.path(out) / "journal"
    os.truncate(journal, journal.stat().st_size - 10)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "a bit of the rows": _flip_in_first,
    "the end of the rows": _cut_last,
    "the rows": lambda out: parts(out)[0].unlink(),
    "a longer file": lambda out: parts(out)[-1].write_bytes(parts(out)[-1].read_bytes() + b"more"),
    "a missing line": _edit(lambda lines: lines.pop(1)),
    "a line twice": _edit(lambda lines: lines.insert(1, lines[0])),
    "more rows than were scored": _edit(lambda lines: lines[0].update(rows=999_999)),
    "fewer bytes": _edit(lambda lines: lines[1].update(size=1)),
    "a foreign value": _edit(lambda lines: lines[1].update(footer=None)),
    "no journal": lambda out: (hidden_folder.path(out) / "journal").unlink(),
    "garbage": _garbage,
    "deep garbage": lambda out: (hidden_folder.path(out) / "journal").write_bytes(b"[" * 100_000 + b"\n"),
    "a torn line": _torn,
    "a stranger's file": lambda out: (hidden_folder.path(out) / "out" / "part-99999.csv").write_text(
        "x", encoding="utf-8"
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_no_damage_changes_a_byte(request_of: Request, tmp_path: Path, damage: str) -> None:
    """What cannot be trusted is scored once more."""
    request_of.write(tmp_path / "whole")
    out = tmp_path / "out"
    request_of.interrupted(out, 13_000)
    DAMAGES[damage](out)
    request_of.write(out)
    assert content(out) == content(tmp_path / "whole")


def test_another_request_begins_anew(request_of: Request, tmp_path: Path) -> None:
    request_of.interrupted(tmp_path / "out", 13_000)
    request_of.digest = "another"
    assert request_of.write(tmp_path / "out") == 0


def test_an_error_leaves_nothing(request_of: Request, tmp_path: Path) -> None:
    text = request_of.source.read_text(encoding="utf-8")
    request_of.source.write_text(text + "a,b,c,d,e\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 20002, column x"):
        request_of.write(tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "models"]


def test_two_at_once_do_not_mix(request_of: Request, tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="another predict writes it now"),
        request_of.open(tmp_path / "out", request_of.form, "request"),
    ):
        request_of.write(tmp_path / "out")


_KILLED = """
import sys
from pipeline.predictor.batch import journaled_files
from pipeline.__main__ import main
journaled_files.FLUSH_SECONDS = 0.0
sys.argv = ["pipeline", *sys.argv[1:]]
sys.exit(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out/"])
def test_a_kill_changes_no_byte(tmp_path: Path, name: str) -> None:
    """kill -9 once so many blocks are on disk, as a person's next command finds them."""
    folder = save_model(tmp_path / "models")
    source = write_csv(tmp_path / "in.csv", 1_200_000)
    words = ["predict", str(source), "--model", str(folder), "--keep", "id"]
    whole, out = f"{tmp_path}/whole-{name}", f"{tmp_path}/{name}"
    command = [sys.executable, "-c", _KILLED, *words, "-o"]
    subprocess.run([*command, whole], check=True, capture_output=True)
    journal = hidden_folder.path(Path(out)) / "journal"
    for blocks in (1, 3, 6):
        process = subprocess.Popen([*command, out], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            if journal.exists() and journal.read_bytes().count(b"\n") >= blocks:
                break
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not Path(out).exists()
    ended = subprocess.run([*command, out], check=True, capture_output=True, text=True)
    assert "goes on after row" in unwrapped(ended.stdout)
    assert content(Path(out)) == content(Path(whole))
    # Of a table that was written since, nothing is taken for done.
    process = subprocess.Popen([*command, out], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None and not (journal.exists() and journal.stat().st_size):
        time.sleep(0.001)
    process.kill()
    process.wait()
    source.touch()
    ended = subprocess.run([*command, out], check=True, capture_output=True, text=True)
    assert "goes on" not in unwrapped(ended.stdout)
    assert content(Path(out)) == content(Path(whole))


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no signal to a process alone")
def test_ctrl_c_says_where_the_same_command_goes_on(tmp_path: Path) -> None:
    """And there it goes on, though nothing was flushed before."""
    folder = save_model(tmp_path / "models")
    source = write_csv(tmp_path / "in.csv", 600_000)
    out = tmp_path / "out.csv"
    # A shell ignores the signal in what it starts in the background, and so would this.
    listen = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    script = listen + _KILLED.replace("0.0", "600.0")
    command = [sys.executable, "-c", script, "predict", str(source), "--model", str(folder)]
    process = subprocess.Popen([*command, "-o", str(out)], stderr=subprocess.PIPE, text=True)
    part = hidden_folder.path(out) / "out" / "part-00000.csv"
    while process.poll() is None and not (part.exists() and part.stat().st_size > 1 << 25):
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    printed = unwrapped(errors)
    assert "out.csv is as it was; the same command goes on after row " in printed
    row = printed.rpartition("goes on after row ")[2].split()[0]
    ended = subprocess.run([*command, "-o", str(out)], check=True, capture_output=True, text=True)
    assert f"goes on after row {row}, where" in unwrapped(ended.stdout)
    assert out.read_bytes().count(b"\n") > 600_000

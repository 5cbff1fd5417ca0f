"""How far reading has come: told in bytes of the source, shown on a terminal only."""

import gzip
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from pipeline.table import find_source, stream

PENGUINS = Path("data/raw/penguins.csv")


def _source(folder: Path, form: str) -> Path:
    text = PENGUINS.read_bytes() * 40
    path = folder / form
    if form == "folder":
        path.mkdir()
        for name in ("a.csv", "b.csv"):
            (path / name).write_bytes(PENGUINS.read_bytes())
    elif form == "parquet":
        pd.read_csv(PENGUINS).to_parquet(path)
    elif form == "zstd":
        with pa.CompressedOutputStream(str(path), "zstd") as file:
            file.write(text)
    else:
        path.write_bytes({"csv": text, "gzip": gzip.compress(text), "utf-16": text.decode().encode("utf-16")}[form])
    return path


@pytest.mark.parametrize("form", ["csv", "gzip", "zstd", "utf-16", "parquet", "folder"])
def test_progress_is_told_in_bytes_of_the_source(tmp_path: Path, form: str) -> None:
    """Rows and bytes rise to all rows and at most the size, which they reach where bytes are read in their order."""
    table = find_source.find(str(_source(tmp_path, form)), encoding="auto")
    calls: list[tuple[int, int]] = []
    options = stream.ReadOptions(1 << 12, 2, watch=lambda rows, position: calls.append((rows, position)))
    rows = sum(chunk.rows for chunk in stream.read(table, {"species": "text"}, ["NA"], options))
    assert calls == sorted(calls)
    assert calls[-1][0] == rows
    assert calls[-1][1] <= table.size()
    if form != "parquet":
        assert calls[-1][1] == table.size()


_WAITS = """
import time
from pipeline.table import progress
with progress.bar("look", 100) as see:
    see(1_000, 50)
    time.sleep(1.1)
    see(2_000, 75)
    see(500, 25)
"""


@pytest.mark.slow
def test_a_terminal_shows_pace_and_time_left() -> None:
    """After a second a terminal shows the share that is read, rows a second and the time left."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    subprocess.run([sys.executable, "-c", _WAITS], stderr=theirs, check=True)
    drawn = os.read(ours, 1 << 16).decode()
    os.close(theirs)
    os.close(ours)
    assert "look:  75%|" in drawn
    assert " left, " in drawn
    assert " rows/s" in drawn
    assert drawn.rpartition("rows/s")[2].strip() == ""


@pytest.mark.slow
def test_without_a_terminal_nothing_is_shown() -> None:
    """A log gets no bar."""
    result = subprocess.run([sys.executable, "-c", _WAITS], capture_output=True, check=True)
    assert (result.stdout, result.stderr) == (b"", b"")

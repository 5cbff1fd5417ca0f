"""How far reading has come: told in bytes of the source, shown on a terminal only."""

import gzip
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from pipeline.table import find_source, stream
from tests.terminal import drawn

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
    time.sleep(1.2)
    see(500, 25)
    time.sleep(0.6)
"""


@pytest.mark.slow
def test_a_terminal_shows_pace_and_time_left() -> None:
    """After a second a terminal shows the share that is read, rows a second and the time left."""
    shown = drawn([sys.executable, "-c", _WAITS])
    assert "look:  50%|" in shown
    assert "look:  25%|" in shown
    assert " left, " in shown
    assert " rows/s" in shown
    assert shown.endswith(" \r")  # the line is empty again

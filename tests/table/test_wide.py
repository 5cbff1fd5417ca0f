"""Tables of thousands of columns: what a reading does for one column does not grow with the number of columns."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.dataset.columns import Chunk
from pipeline.errors import UserError
from pipeline.prepare import column_roles
from pipeline.prepare.params import PrepareParams
from pipeline.table import cached_file, read_errors, stream, type_inference
from pipeline.table.column_statistics import ColumnStatistics


class _Name(str):
    """A column's name that counts how often it is compared with another."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        _Name.compared += 1
        return str.__eq__(self, other)

    def __hash__(self) -> int:
        return str.__hash__(self)


def test_wide_tables_are_cut_into_chunks_of_as_many_rows(tmp_path: Path) -> None:
    """Twice as many columns, beyond some thousand, make chunks twice as long, not twice as many chunks."""
    chunks = []
    for columns in (stream.COLUMNS, 2 * stream.COLUMNS):
        source = tmp_path / f"{columns}.csv"
        source.write_text("\n".join([",".join(f"c{n}" for n in range(columns)), *[",".join("1" * columns)] * 30]))
        row_bytes = 2 * stream.COLUMNS
        chunks.append(len([*stream.read(source, {"c0": "number"}, [], stream.ReadOptions(4 * row_bytes))]))
    assert chunks[0] == chunks[1] > 3


def test_roles_compare_no_column_with_every_other(tmp_path: Path) -> None:
    """A list of a thousand features is looked up in a thousand columns by a few comparisons each."""
    names = [_Name(f"c{n}") for n in range(1_000)]
    _Name.compared = 0
    params = PrepareParams(source="unused", target="c0", features=[str(name) for name in names[1:]])
    assigned = column_roles.assign(params, tmp_path, names)
    assert assigned.features == names[1:]
    assert _Name.compared < 20 * len(names)


def test_kept_columns_are_looked_up_not_searched(tmp_path: Path) -> None:
    """A thousand columns of a piece that was kept are read back by a few comparisons each."""
    names = [_Name(f"c{n}") for n in range(1_000)]
    piece = pa.table({str(name): [1.0] for name in names})
    (tmp_path / "00000.arrow").write_bytes(cached_file.packed(piece))
    _Name.compared = 0
    assert cached_file.load(tmp_path / "00000.arrow", names).equals(piece)
    assert _Name.compared < 20 * len(names)


def test_columns_are_surveyed_together() -> None:
    """A thousand columns of few rows take a handful of calls each, and their moments are those of each alone."""
    values = np.random.default_rng(1).normal(size=(1_000, 30))
    values[7, 3] = np.nan
    chunk = Chunk(1, 30, {f"c{n}": column for n, column in enumerate(values)}, {})
    calls = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    statistics = ColumnStatistics(dict.fromkeys(chunk.numbers, "number"))
    sys.setprofile(count)
    try:
        statistics.add(chunk)
    finally:
        sys.setprofile(None)
    assert calls < 25 * len(values)
    for name in ("c0", "c7", "c999"):
        alone = ColumnStatistics({name: "number"})
        alone.add(chunk)
        assert (alone.moments[name], alone.missing[name]) == (statistics.moments[name], statistics.missing[name])


def _starts(folder: Path, cells: Any) -> tuple[int, UserError | None]:
    """How often the types of a table are learnt anew, and the error that it ends with; ``cells(row, column)``."""
    source = folder / "t.csv"
    rows = [",".join(cells(row, column) for column in range(40)) for row in range(400)]
    source.write_text("\n".join([",".join(f"c{column}" for column in range(40)), *rows]) + "\n")
    starts = 0

    class Watcher:
        def __init__(self, _: Any) -> None:
            nonlocal starts
            starts += 1

        def look(self, chunk: Chunk) -> None: ...

        def see(self, chunk: Chunk, looked: Any) -> None: ...

    try:
        type_inference.learn(
            source,
            type_inference.Columns([f"c{column}" for column in range(40)]),
            ["", "NA"],
            Watcher,
            stream.ReadOptions(4096),
        )
    except UserError as error:
        return starts, error
    return starts, None


def test_columns_that_begin_late_start_the_reading_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts in many columns that the first guess saw empty are found together, not by a reading for each column."""
    monkeypatch.setattr(type_inference, "_GUESS_BYTES", 2048)
    assert _starts(tmp_path, lambda row, column: "" if row < 300 else "pqrs"[(row + column) % 4]) == (2, None)


def test_columns_that_mix_are_told_together(tmp_path: Path) -> None:
    """The error for the first column that mixes numbers and texts knows the others, which a reader may want to know."""
    starts, error = _starts(tmp_path, lambda row, column: "many" if row == 399 and column % 2 else str(row * column))
    assert isinstance(error, read_errors.MisfitError)
    assert (starts, error.column, error.text) == (1, "c1", "many")
    assert error.others == {f"c{column}": "many" for column in range(3, 40, 2)}

"""Reading CSV: equal to pandas and to Python's csv module, whatever the chunks; faults named by line."""

import csv
import io
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dataset.columns import ColumnType
from pipeline.errors import UserError
from pipeline.table import header, locate, stream

MISSING = ["", "NA"]

# Everything that a cell may hold: quotes, commas, both line endings, text of any script, blanks, numbers.
TEXTS = st.text(st.sampled_from("ab\",;\r\n 'é٣日\U0001f427#\\0."), max_size=6)


def _write(folder: Path, text: str | bytes) -> Path:
    source = folder / "stream.csv"
    source.write_bytes(text if isinstance(text, bytes) else text.encode())
    return source


def _read(
    source: Path, types: dict[str, ColumnType], chunk_bytes: int = stream.DEFAULTS.chunk_bytes
) -> dict[str, list[object]]:
    columns: dict[str, list[object]] = {name: [] for name in types}
    for chunk in stream.read(source, types, MISSING, stream.ReadOptions(chunk_bytes)):
        for name, values in chunk.numbers.items():
            columns[name].extend(None if np.isnan(value) else value for value in values.tolist())
        for name, texts in chunk.texts.items():
            columns[name].extend(None if code < 0 else texts.levels[code] for code in texts.codes)
    return columns


@pytest.mark.slow
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=12), st.sampled_from(["\n", "\r\n"]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_texts_come_back_as_written(rows: list[tuple[str, str]], ending: str, mark: bool) -> None:
    """Any text survives quoting, line endings and a byte order mark, at chunks so small that rows straddle them."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator=ending)
    writer.writerows([("first", "second"), *rows])
    with tempfile.TemporaryDirectory() as folder:
        source = _write(Path(folder), ("\ufeff" if mark else "") + out.getvalue())
        expected = [[None if text in MISSING else text for text in column] for column in zip(*rows, strict=True)]
        for chunk_bytes in (32, stream.DEFAULTS.chunk_bytes):
            read = _read(source, {"first": "text", "second": "text"}, chunk_bytes)
            assert [read["first"], read["second"]] == expected
        assert [record.cells for record in locate.records(source)][1:] == [list(row) for row in rows]


@pytest.mark.slow
@given(st.lists(st.one_of(st.none(), st.floats(-3e38, 3e38), st.integers(-(2**70), 2**70)), min_size=1, max_size=30))
@settings(max_examples=100, deadline=None)
def test_numbers_are_correctly_rounded(values: list[float | None]) -> None:
    """Numbers, however long, are the float64 that Python makes of them."""
    lines = ["x,y"] + [f"{'NA' if value is None else value},1" for value in values]
    with tempfile.TemporaryDirectory() as folder:
        source = _write(Path(folder), "\n".join(lines) + "\n")
        expected = [None if value is None else float(value) for value in values]
        assert _read(source, {"x": "number"}, 64)["x"] == expected


def test_penguins_are_those_of_pandas() -> None:
    """The shipped penguins, read in chunks of a few rows, are the table that pandas reads."""
    source = Path("data/raw/penguins.csv")
    frame = pd.read_csv(source)
    types: dict[str, ColumnType] = {
        name: "number" if pd.api.types.is_numeric_dtype(frame[name]) else "text" for name in frame.columns
    }
    expected = {name: [None if pd.isna(value) else value for value in frame[name]] for name in frame.columns}
    for chunk_bytes in (128, stream.DEFAULTS.chunk_bytes):
        assert _read(source, types, chunk_bytes) == expected


@pytest.mark.slow
@given(st.text(st.sampled_from("0123456789+-.eE \t_naif")).filter(lambda text: text not in MISSING))
@settings(max_examples=300, deadline=None)
def test_messages_and_reader_agree_on_what_a_number_is(text: str) -> None:
    """A text is called a number in messages exactly if the reader takes it for one."""
    with tempfile.TemporaryDirectory() as folder:
        source = _write(Path(folder), f'x,y\n"{text}",1\n')
        fault = locate.fault_of(text)
        if fault is None:
            assert _read(source, {"x": "number"})["x"] == [float(text)]
        else:
            with pytest.raises(UserError) as caught:
                _read(source, {"x": "number"})
            assert f"line 2, column x: expected {fault}, got {text!r}" in str(caught.value)


def test_words_of_booleans(tmp_path: Path) -> None:
    """true and false are read in their three spellings, with gaps, as 1 and 0."""
    source = _write(tmp_path, "b,c\n" + "".join(f"{word},1\n" for word in ["true", "False", "NA", "TRUE", "FALSE"] * 9))
    for chunk_bytes in (16, stream.DEFAULTS.chunk_bytes):
        assert _read(source, {"b": "boolean"}, chunk_bytes)["b"] == [1.0, 0.0, None, 1.0, 0.0] * 9


def test_a_mark_within_the_file_is_text(tmp_path: Path) -> None:
    """A byte order mark that begins a cell, not the file, is text, also where a piece begins with it."""
    source = _write(tmp_path, "\ufeffx,y\n" + "\ufeffa,1\n" * 50)
    for chunk_bytes in (9, 16, stream.DEFAULTS.chunk_bytes):
        assert _read(source, {"x": "text"}, chunk_bytes)["x"] == ["\ufeffa"] * 50


def test_blank_lines_before_the_header_are_no_rows(tmp_path: Path) -> None:
    """A header below blank lines is the header, and no row, at any chunk size; so is one that no line ending ends."""
    source = _write(tmp_path, "\n\r\n\nx,y\na,b\n")
    for chunk_bytes in (1, 4, stream.DEFAULTS.chunk_bytes):
        assert _read(source, {"x": "text"}, chunk_bytes)["x"] == ["a"]
    assert _read(_write(tmp_path, "x,y"), {"x": "text"})["x"] == []


def test_columns_come_by_name(tmp_path: Path) -> None:
    """Order in the file does not matter, other columns are ignored even where they hold something unreadable."""
    source = _write(tmp_path, b"junk,b,a\n\xff,2,x\n\xff,3,y\n")
    assert _read(source, {"a": "text", "b": "number"}) == {"a": ["x", "y"], "b": [2.0, 3.0]}


def test_row_numbers_count_from_one_through_all_chunks(tmp_path: Path) -> None:
    """Each chunk says which row of the data it starts with; blank lines are not rows."""
    source = _write(tmp_path, "x,y\n" + "".join(f"{row},{row}\n\n" for row in range(1, 200)))
    chunks = list(stream.read(source, {"x": "number"}, MISSING, stream.ReadOptions(64)))
    assert len(chunks) > 10
    assert all(chunk.numbers["x"][0] == chunk.first_row and len(chunk.numbers["x"]) == chunk.rows for chunk in chunks)


def test_columns_without_a_name_may_be_many(tmp_path: Path) -> None:
    """As a spreadsheet writes them behind a table; the others are read."""
    source = _write(tmp_path, "x,,y,,\n1,2,3,,\n4,5,6,,\n")
    assert header.column_names(source) == ["x", "", "y", "", ""]
    assert _read(source, {"y": "number", "x": "number"}) == {"y": [3.0, 6.0], "x": [1.0, 4.0]}


def test_a_row_longer_than_a_chunk_is_read(tmp_path: Path) -> None:
    """A cell of 10,000 characters between short ones is read whole with chunks of 64 bytes."""
    cells = ["short"] * 20 + ["long" * 2_500] + ["last"] * 20
    source = _write(tmp_path, "x,y\n" + "".join(f"{cell},1\n" for cell in cells))
    assert _read(source, {"x": "text"}, 64)["x"] == cells


def test_a_reading_given_up_does_not_disturb_the_next(tmp_path: Path) -> None:
    """Arrow reads ahead in a thread: after a reading is left in the middle, another file is read from its start."""
    large = tmp_path / "large.csv"
    large.write_text("x,y\n" + "1,2\n" * 100_000, encoding="utf-8")
    small = _write(tmp_path, "a,b\n3,4\n")
    for _ in range(100):
        reading = stream.read(large, {"x": "number"}, MISSING, stream.ReadOptions(1 << 14))
        assert next(reading).first_row == 1
        reading.close()  # type: ignore[attr-defined]
        assert _read(small, {"a": "number", "b": "number"}) == {"a": [3.0], "b": [4.0]}


BAD = {
    "empty": (b"", "the file is empty"),
    "blank lines only": (b"\n\n", "the file is empty"),
    "column missing": (b"a,z\n1,2\n", "missing columns x, y; the file has a, z"),
    "close name": (b"x,Y\n1,2\n", "missing column y; did you mean 'Y'?"),
    "column twice": (b"x,y,x\n1,2,3\n", "line 1: two columns are named 'x'"),
    "Excel's separator": (
        b"sep=,\r\nx,y\r\n1,2\r\n",
        "line 1: expected the header, got 'sep=', which only Excel reads",
    ),
    "short row": (b"x,y,z\n1,2,3\n\n3,4\n", "line 4: expected 3 cells as in the header, got 2\n  a cell that holds"),
    "footer": (
        b"x,y\n1,2\n\n(1 row)\n",
        "got 1: '(1 row)'\n  if it is a title, a comment or a footer, delete the line",
    ),
    "row names": (b"x,y\n1,2,3\n2,3,4\n", "if only the first or the last column has no name in the header, add one"),
    "long row after quoted newlines": (b'x,y\n1,"\n\n"\n1,2,3\n', "line 5: expected 2 cells as in the header, got 3"),
    "text in a number column": (b'x,y\n1,2\n2,"\n"\nn/a,4\n', "line 5, column x: expected a number, got 'n/a'"),
    "missing value with a blank": (b"x,y\n1,2\n NA,4\n", "line 3, column x: expected a number, got ' NA'"),
    "infinite": (b"x,y\n1,2\n-inf,4\n", "line 3, column x: expected a finite number, got '-inf'"),
    "word nan": (b"x,y\nnan,2\n", "line 2, column x: expected a number, got 'nan'"),
    "beyond float64": (
        b"x,y\n1e400,2\n",
        "line 2, column x: expected a number between -3.4e+38 and 3.4e+38, got '1e400'",
    ),
    "beyond float32": (b"x,y\n-3.5e38,2\n", "line 2, column x: expected a number between -3.4e+38 and 3.4e+38"),
    "Latin-1": (b"x,y\n1,2\n1,caf\xe9\n", "line 3: expected UTF-8 text, got byte 0xe9 (byte 14 of the file)"),
    "Latin-1 header": (b"x,y,\xe9\n1,2,3\n", "line 1: expected UTF-8 text, got byte 0xe9 (byte 5 of the file)"),
    "cut character": (b"x,y\n1,caf\xc3", "line 2: expected UTF-8 text, got byte 0xc3 (byte 10 of the file)"),
    "open quote": (b'x,y\n1,2\n3,"4\n5,6\n', "line 3: expected a quote that closes the quoted cell, got the end"),
    "bytes 0": ("x,y\n1,2\n".encode("utf-16-le"), "expected text, got bytes 0 in the first line"),
    "UTF-16": ("x,y\n1,2\n".encode("utf-16"), "expected UTF-8 text, got UTF-16"),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD.keys())
def test_bad_files_are_one_clear_error(tmp_path: Path, content: bytes, message: str) -> None:
    """Each fault is told with its place in the file, what was expected and what came, at any chunk size."""
    source = _write(tmp_path, content)
    for chunk_bytes in (16, stream.DEFAULTS.chunk_bytes):
        with pytest.raises(UserError) as caught:
            _read(source, {"x": "number", "y": "text"}, chunk_bytes)
        assert str(caught.value).startswith(str(source))
        assert message in str(caught.value)


def test_faults_far_into_a_file_are_named_by_line(tmp_path: Path) -> None:
    """A wrong byte or cell behind many chunks is found at its line and byte, also across the blocks of the search."""
    head = "x,y\n" + "1,é\n" * 300_000
    source = _write(tmp_path, head.encode() + b"1,\xe9\n")
    with pytest.raises(UserError, match=rf"line 300002: .*\(byte {len(head.encode()) + 3} of the file\)"):
        _read(source, {"y": "text"})

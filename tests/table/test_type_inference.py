"""Kinds of columns are decided over the whole table: no order of rows and no size of chunks changes them."""

import itertools
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.table import stream, type_inference

MISSING = ["", "NA"]

CELLS = {
    "whole": ["1", "1e3", " 7 ", "+4", "0", "-0", "0e5"],
    "padded": ["007", "-042", "00", " 05 "],
    "point": ["-2.5", ".75"],
    "comma": ["1,5", "-0,125", "1234,567", "00,123"],
    "either": ["12,345", "-1,000"],
    "grouped": ["1.234,5", "2.000.000,25"],
    "dollars": ["$1,234.50", "-$7"],
    "boolean": ["true", "FALSE"],
    "text": [
        "abc",
        "2007-01-01",
        "n/a",
        "1,2,3",
        "12:30",
        "é",
        "Infinit",
        "1.2.3",
        "20.02.2023",
        "1,234,56",
        "$",
        "1,5 kg",
    ],
    "missing": ["NA", ""],
}
WORDS = {"boolean", "text"}

# What a column of such numbers is read as, beside whole ones.
NUMBERS = {
    frozenset(): "number",
    frozenset({"point"}): "number",
    frozenset({"comma"}): "number 1234,5",
    frozenset({"comma", "either"}): "number 1234,5",
    frozenset({"either"}): "text",
    frozenset({"either", "point"}): "number 1,234.5",
    frozenset({"grouped"}): "number 1.234,5",
    frozenset({"grouped", "comma"}): "number 1.234,5",
    frozenset({"grouped", "either"}): "number 1.234,5",
    frozenset({"grouped", "comma", "either"}): "number 1.234,5",
}


def _learn(folder: Path, cells: list[str], declared: list[str], chunk_bytes: int) -> str:
    """The type of a column with these cells, or the error's message without the path."""
    source = folder / "stream.csv"
    source.write_text("x,y\n" + "".join(f'"{cell}",1\n' for cell in cells), encoding="utf-8")
    try:
        statistics = type_inference.learn(
            source, type_inference.Columns(["x", "y"], declared), MISSING, options=stream.ReadOptions(chunk_bytes)
        )
        return statistics.types["x"]
    except UserError as error:
        return str(error).removeprefix(str(source))


def _expected(cells: list[str]) -> str:
    sorts = {sort for cell in cells for sort, known in CELLS.items() if cell in known} - {"missing"}
    if sorts & WORDS:
        return "mixed" if sorts - WORDS else "text" if "text" in sorts else "boolean"
    if sorts == {"dollars"}:
        return "number $1,234.5" if "$1,234.50" in cells else "number $1234.5"
    numbers = frozenset(sorts - {"whole", "padded"})
    return "text" if "padded" in sorts and not numbers else NUMBERS.get(numbers, "different")


@pytest.mark.slow
@given(st.lists(st.sampled_from([*itertools.chain(*CELLS.values())]), min_size=1, max_size=20))
@settings(max_examples=200, deadline=None)
def test_a_column_is_what_all_its_values_are(cells: list[str]) -> None:
    """Any mixture of cells gives the type of the rule, or names the first text among numbers, at any chunk size.

    So do numbers of one spelling; those of two are refused.
    """
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        types = {_learn(Path(folder), cells, [], chunk_bytes) for chunk_bytes in (24, stream.DEFAULTS.chunk_bytes)}
        # A guess from the first cell alone.
        patch.setattr(type_inference, "_GUESS_BYTES", 4)
        types.add(_learn(Path(folder), cells, [], 24))
    assert len(types) == 1
    expected = _expected(cells)
    if expected == "mixed":
        words = [cell for sort in WORDS for cell in CELLS[sort]]
        row, text = next((row, cell) for row, cell in enumerate(cells) if cell in words)
        assert next(iter(types)).startswith(f", line {row + 2}, column x: expected a number, got {text!r}\n")
    elif expected == "different":
        assert re.match(r", line \d+, column x: expected a number written as '.*' is, got '.*'\n", next(iter(types)))
    else:
        assert types == {expected}


@pytest.mark.slow
@pytest.mark.parametrize("late", ["true", "abc", "1.5"])
def test_the_last_row_of_many_chunks_decides(tmp_path: Path, late: str) -> None:
    """A column without any value before its last row, megabytes later, gets that row's type."""
    column_type = {"true": "boolean", "abc": "text", "1.5": "number"}[late]
    assert _learn(tmp_path, ["NA"] * 200_000 + [late], [], 1 << 16) == column_type


def test_declared_columns_keep_their_texts(tmp_path: Path) -> None:
    """A declared category of codes is text, with leading zeros as they stand."""
    source = tmp_path / "stream.csv"
    source.write_text("zip,y\n02139,1\n2139,1\n02139,2\n")
    statistics = type_inference.learn(source, type_inference.Columns(["zip", "y"], ["zip"]), MISSING)
    assert (statistics.types["zip"], statistics.levels["zip"]) == ("text", {"02139": 2, "2139": 1})


@pytest.mark.parametrize("cell", ["inf", "-Infinity", "1e39", "1e400"])
@pytest.mark.parametrize("others", [[], ["1"] * 5])
def test_numbers_without_a_float32_are_refused(tmp_path: Path, cell: str, others: list[str]) -> None:
    """An infinity, or a number that float32 cannot hold, is named by its line, alone or among other numbers."""
    message = _learn(tmp_path, [*others, cell, cell], [], 32)
    assert message.startswith(f", line {len(others) + 2}, column x: expected a")
    assert repr(cell) in message


def test_a_survey_counts_what_is_there(tmp_path: Path) -> None:
    """Rows, missing values, levels and moments are counted over the whole table."""
    source = tmp_path / "stream.csv"
    source.write_text("n,t,b\n1,u,true\nNA,v,NA\n4,NA,false\n5,u,true\n")
    for chunk_bytes in (16, stream.DEFAULTS.chunk_bytes):
        statistics = type_inference.learn(
            source, type_inference.Columns(["n", "t", "b"], []), MISSING, options=stream.ReadOptions(chunk_bytes)
        )
        assert (statistics.rows, statistics.missing) == (4, {"n": 1, "t": 1, "b": 1})
        assert statistics.levels == {"t": {"u": 2, "v": 1}}
        assert (statistics.moments["n"].mean(), statistics.moments["b"].count) == (10 / 3, 3)


@pytest.mark.parametrize("chunk_bytes", [1 << 10, 1 << 22])
def test_too_many_texts_are_told_before_they_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    """A column of more distinct texts than are counted is refused in any chunks; as many as that are counted."""
    monkeypatch.setattr(type_inference, "MOST_LEVELS", 3_000)
    source = tmp_path / "stream.csv"
    texts = [f"n{row}\n" for row in range(type_inference.MOST_LEVELS)]
    source.write_text("x\n" + "".join(texts * 2), encoding="utf-8")
    statistics = type_inference.learn(
        source, type_inference.Columns(["x"]), MISSING, options=stream.ReadOptions(chunk_bytes)
    )
    assert len(statistics.levels["x"]) == type_inference.MOST_LEVELS
    source.write_text("x\n" + "".join([*texts, "m\n"]))
    with pytest.raises(
        UserError, match=r"column x: expected at most 3,000 distinct texts, got more\n.*prepare\.features"
    ):
        type_inference.learn(source, type_inference.Columns(["x"]), MISSING, options=stream.ReadOptions(chunk_bytes))


def test_too_many_numbers_of_two_readings_name_the_decimal_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would read them as numbers is in the message, as it is in the warning where they are few."""
    monkeypatch.setattr(type_inference, "MOST_LEVELS", 100)
    source = tmp_path / "open.csv"
    source.write_text("x\n" + "".join(f'"{row + 1},{row + 100}"\n' for row in range(101)), encoding="utf-8")
    with pytest.raises(
        UserError, match=r'these may be numbers: prepare.decimal "." makes 1,100 1100 or "," makes 1,100 1.1'
    ):
        type_inference.learn(source, type_inference.Columns(["x"]), MISSING)
    for decimal in (".", ","):
        assert not type_inference.learn(source, type_inference.Columns(["x"], decimal=decimal), MISSING).levels

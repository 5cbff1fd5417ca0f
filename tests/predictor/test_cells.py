"""Frames and values give the chunk that a CSV of them gives, bit for bit, whatever their types."""

import io
from datetime import date, datetime
from pathlib import Path
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dataset.columns import Chunk
from pipeline.dataset.encoder import MISSING, UNSEEN, CategoryColumn, Encoder, NumberColumn
from pipeline.errors import UserError
from pipeline.predictor import frames
from pipeline.predictor.values import ValueReader
from pipeline.table import stream

N = None


def encoder_of(kinds: dict[str, str], missing: tuple[str, ...] = ("", "NA", "nan")) -> Encoder:
    """Of columns by name: text, or a kind of numbers."""
    numbers, categories = [], []
    for name, kind in kinds.items():
        if kind == "text":
            categories.append(CategoryColumn(name, ("a", MISSING, UNSEEN)))
        elif kind.startswith("date"):
            numbers += [NumberColumn(f"{name} {part}", kind, 0.0, 0.0, 1.0, False) for part in ("year", "month")]
        else:
            numbers.append(NumberColumn(name, kind, 0.0, 0.0, 1.0, False))
    return Encoder(tuple(numbers), tuple(categories), "y", ("p", "q"), missing)


def from_csv(table: pa.Table, encoder: Encoder, folder: Path) -> Chunk:
    """The chunk of the table's CSV, as Arrow writes one."""
    out = io.BytesIO()
    last = pa.array(["0"] * table.num_rows, pa.string())
    pa_csv.write_csv(table.append_column("last", last), out)
    path = folder / "t.csv"
    path.write_bytes(out.getvalue())
    (chunk,) = stream.read(path, encoder.types, encoder.missing_values)
    return chunk


def assert_equal(got: Chunk, expected: Chunk) -> None:
    assert (got.rows, got.first_row) == (expected.rows, expected.first_row)
    assert got.numbers.keys() == expected.numbers.keys()
    for name, values in expected.numbers.items():
        np.testing.assert_array_equal(got.numbers[name], values, strict=True)
    assert got.texts.keys() == expected.texts.keys()
    for name, texts in expected.texts.items():
        assert texts_of(got, name) == texts_of(expected, name)
        assert len({*got.texts[name].levels}) == len(got.texts[name].levels)
        assert {*texts.levels} == {*got.texts[name].levels}


def texts_of(chunk: Chunk, name: str) -> list[str | None]:
    texts = chunk.texts[name]
    return [None if code < 0 else texts.levels[code] for code in texts.codes]


COLUMNS: list[tuple[str, str, list[Any]]] = [
    ("number", "int", [1, -2, 2**53 + 1]),
    ("number", "float", [0.1, 3.0, N]),
    ("number", "text", ["1.5", " 2", "NA"]),
    ("number 1.234,5", "text", ["1.234,5", "7", "NA"]),
    ("boolean", "bool", [True, False, N]),
    ("boolean", "text", ["TRUE", "false", ""]),
    ("text", "text", ["a", "b c", N]),
    ("text", "text", ['say "q"', "a,b", "NA"]),
    ("text", "int", [1, 20, N]),
    ("number", "nothing", [N, N, N]),
    ("text", "nothing", [N, N, N]),
    ("text", "float", [1.0, 0.1, 1e30]),
    ("text", "bool", [True, False, N]),
    ("text", "date", [date(2024, 2, 29), N, date(1999, 1, 1)]),
    ("date", "date", [date(2024, 2, 29), N, date(1999, 1, 1)]),
    ("date", "datetime", [datetime(2024, 2, 29, 12, 1), N, datetime(1999, 1, 1)]),
    ("date %d/%m/%Y", "text", ["29/02/2024", "NA", "01/01/1999"]),
]


# JSON has no dates.
FRAMES = [
    pytest.param(kind, values, library, id=f"{kind} of {what} in {library}")
    for kind, what, values in COLUMNS
    for library in ("arrow", "pandas", "polars", "values")
    if library != "values" or not any(isinstance(value, date) for value in values)
]


@pytest.mark.parametrize(("kind", "values", "library"), FRAMES)
def test_a_frame_is_read_as_its_csv(kind: str, values: list[Any], library: str, tmp_path: Path) -> None:
    encoder = encoder_of({"x": kind, "g": "text"})
    table = pa.table({"x": values, "g": ["a", "b", "a"]})
    frames_by_library = {"arrow": lambda: table, "pandas": table.to_pandas, "polars": lambda: pl.from_arrow(table)}
    if library == "values":
        chunk = ValueReader(encoder).chunk_of({"x": values, "g": ["a", "b", "a"]})
    else:
        chunk = frames.chunk_of(frames_by_library[library](), encoder)
    assert_equal(chunk, from_csv(table, encoder, tmp_path))


VALUES = st.one_of(
    st.lists(st.floats(-1e38, 1e38) | st.none(), min_size=1),
    st.lists(st.integers(-(2**62), 2**62) | st.none(), min_size=1),
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff")) | st.none(), min_size=1),
    st.lists(st.booleans() | st.none(), min_size=1),
)


MISSING_VALUES = st.sampled_from([("", "NA"), ("", "-999", "0", "true"), ("NA",)])


@given(VALUES, st.sampled_from(["number", "text", "boolean"]), MISSING_VALUES)
def test_values_and_frames_agree_with_a_csv_or_refuse_as_it_does(
    tmp_path_factory: pytest.TempPathFactory, values: list[Any], kind: str, missing: tuple[str, ...]
) -> None:
    encoder = encoder_of({"x": kind}, missing)
    table = pa.table({"x": values})
    try:
        expected = from_csv(table, encoder, tmp_path_factory.getbasetemp())
    except UserError:
        expected = None
    for read in (
        lambda: frames.chunk_of(table, encoder),
        lambda: ValueReader(encoder).chunk_of({"x": values}),
        lambda: frames.chunk_of(nw.from_native(table).to_polars(), encoder),
    ):
        if expected is None:
            with pytest.raises(UserError, match=r"row \d+, column x: expected"):
                read()
        else:
            assert_equal(read(), expected)


@pytest.mark.parametrize("kind", ["number", "number 1.234,5", "boolean", "text", "date", "date %d/%m/%Y"])
@pytest.mark.parametrize("column", [pd.Series([], dtype=object), pd.Series([], dtype="str"), pd.Series([1.5])[:0]])
def test_a_frame_of_no_rows_is_a_chunk_of_none(kind: str, column: pd.Series) -> None:
    chunk = frames.chunk_of(pd.DataFrame({"x": column}), encoder_of({"x": kind}))
    assert chunk.rows == 0
    assert all(len(values) == 0 for values in chunk.numbers.values())


@given(st.lists(st.sampled_from([None, 0, 1, 2, 3, 4]), min_size=1), st.sampled_from([pa.string(), pa.large_string()]))
def test_a_dictionary_is_read_by_its_rows_alone(codes: list[int | None], column_type: pa.DataType) -> None:
    """It may hold null, a level twice, and levels that no row has."""
    levels = pa.array(["a", None, "b", "a", "NA"], column_type)
    column = pa.DictionaryArray.from_arrays(pa.array(codes, pa.int8()), levels)
    encoder = encoder_of({"x": "text"})
    plain = frames.chunk_of(pa.table({"x": column.cast(column_type)}), encoder)
    assert_equal(frames.chunk_of(pa.table({"x": column}), encoder), plain)


@pytest.mark.parametrize("truth", [True, np.True_], ids=["Python's", "numpy's"])
def test_a_column_of_several_types_spells_truth_as_a_csv_does(truth: Any) -> None:
    frame = pd.DataFrame({"g": pd.Series([truth, "a", 3, None], dtype=object)})
    assert texts_of(frames.chunk_of(frame, encoder_of({"g": "text"})), "g") == ["true", "a", "3", None]


def test_an_array_has_the_columns_in_the_order_of_the_model() -> None:
    encoder = encoder_of({"a": "number", "b": "number"})
    chunk = frames.chunk_of(np.array([[1.0, np.nan], [3.0, 4.0]]), encoder)
    np.testing.assert_array_equal(chunk.numbers["b"], [np.nan, 4.0])


@pytest.mark.parametrize("index", [[7, 3], ["p", "q"], pd.MultiIndex.from_tuples([(0, 1), (2, 3)])], ids=str)
def test_an_index_of_pandas_is_no_column(index: Any) -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0]}, index=index)
    assert frames.arrow_of(frame).column_names == ["x"]
    assert frames.arrow_of(pd.DataFrame(np.zeros((2, 2)), index=index)).column_names == ["0", "1"]


BAD: list[tuple[Any, str]] = [
    (pd.DataFrame([[1, 2]], columns=["x", "x"]), "expected columns of different names"),
    (pd.DataFrame({"g": ["a"]}), "expected column x, got g"),
    (pd.DataFrame({"x": ["1", "abc"], "g": ["a", "b"]}), "row 2, column x: expected a number, got 'abc'"),
    (pd.DataFrame({"x": [1.0, np.inf], "g": ["a", "b"]}), "row 2, column x: expected a finite number, got 'inf'"),
    (pd.DataFrame({"x": [1e39], "g": ["a"]}), r"row 1, column x: expected a number between .*, got '1e\+39'"),
    (pl.DataFrame({"x": [[1]], "g": ["a"]}), "column x: expected numbers, texts"),
    (np.zeros((2, 3)), r"expected an array \(n, 2\) of x, g, got \(2, 3\)"),
    ([1, 2], "expected a data frame of pandas, polars or Arrow, or an array, got list"),
    (pd.DataFrame({"x": [1, "a", {}], "g": ["a"] * 3}), "expected columns of one type each"),
    (pd.DataFrame({"x": [2**80], "g": ["a"]}), "expected columns of one type each: Python int too large"),
]


@pytest.mark.parametrize(("rows", "message"), BAD, ids=range(len(BAD)))
def test_rows_that_do_not_fit_are_one_sentence(rows: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        frames.chunk_of(rows, encoder_of({"x": "number", "g": "text"}))


BAD_VALUES: list[tuple[dict[str, list[Any]], str]] = [
    ({"x": [1]}, "expected column g, got x"),
    ({"x": [1, 2], "g": ["a"]}, "column 'g': expected 2 values, as of the others, got 1"),
    ({"x": [1, "abc"], "g": ["a", "b"]}, "row 2, column x: expected a number, got 'abc'"),
    ({"x": [float("nan")], "g": ["a"]}, "row 1, column x: expected a number, got 'nan'"),
    ({"x": [10**400], "g": ["a"]}, "row 1, column x: expected a number between"),
    ({"x": [True], "g": ["a"]}, "row 1, column x: expected a number, got 'true'"),
    ({"x": [{"y": 1}], "g": ["a"]}, "row 1, column x: expected a number, a text, true, false or null, got"),
    ({"x": [1], "g": [[1]]}, "row 1, column g: expected a number, a text, true, false or null, got"),
]


@pytest.mark.parametrize(("columns", "message"), BAD_VALUES, ids=range(len(BAD_VALUES)))
def test_values_that_do_not_fit_are_one_sentence(columns: dict[str, list[Any]], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ValueReader(encoder_of({"x": "number", "g": "text"}, ("",))).chunk_of(columns)

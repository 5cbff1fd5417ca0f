"""Any table that a person may write ends in prepared data equal to what pandas reads, or in one clear message.

A long run by hand: `python -m pytest tests/test_any_table.py --hypothesis-profile=long --timeout 0`.
"""

import re
import string
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dataset import reader
from pipeline.errors import UserError
from pipeline.prepare import column_roles, survey_source, write_dataset
from pipeline.prepare.params import PrepareParams
from pipeline.table import find_source, stream
from tests.tables import MISSING, RESERVED, Written, tables

LARGEST = float(np.finfo(np.float32).max)
PARTS = ["year", "month", "day", "weekday", "hour", "minute"]

# What only the rows that train decide.
OF_THE_SPLIT = ["the split leaves no training row", "no value in any training row"]


def _prepared(table: Written, split: str, options: stream.ReadOptions, folder: Path) -> reader.Dataset:
    source = folder / "t.csv"
    source.write_bytes(table.data)
    params = PrepareParams.model_validate(
        {
            "source": str(source), "target": "y", "separator": table.separator,
            "encoding": table.encoding.removesuffix("-sig"), "types": dict.fromkeys(table.dates, "date"),
            "date_parts": PARTS, "split": {"method": split},
        }
    )  # fmt: skip
    source_table = find_source.find(params.source, separator=params.separator, encoding=params.encoding)
    roles = column_roles.roles_of(params, source_table)
    learned = survey_source.learn(params, source_table, roles, options)
    (folder / "out").mkdir()
    write_dataset.write(params, source_table, roles, learned, folder / "out", options)
    return reader.open_dataset(folder / "out")


def _frame(table: Written, folder: Path) -> pd.DataFrame:
    """The table as pandas reads it, every cell the text that stands there."""
    as_written = {"dtype": str, "keep_default_na": False, "na_filter": False, "index_col": False}
    return pd.read_csv(folder / "t.csv", sep=table.separator, encoding=table.encoding, **as_written)  # type: ignore[call-overload]


def _is_number(text: str) -> bool:
    """Whether float() takes the text; its words, underscores and digits of other scripts are texts."""
    text = text.strip(" \t")
    if text == "1,5":  # the one number with a decimal comma among `tables`
        return True
    try:
        return set(text) <= {*string.digits, *"+-.eE"} and float(text) is not None
    except ValueError:
        return False


def _is_infinite(text: str) -> bool:
    return re.fullmatch(r"[ \t]*[+-]?inf(inity)?[ \t]*", text, re.IGNORECASE) is not None


def _is_unusable(text: str) -> bool:
    return not _is_number(text) or abs(_number(text)) > LARGEST


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def _marks(cells: list[str]) -> set[str]:
    """The decimal marks in numbers."""
    return {mark for cell in cells for mark in ".," if mark in cell}


def _kind(cells: list[str]) -> str | None:
    """The type of a feature with these values; None for a mixture, and for numbers that float32 cannot hold."""
    if any(map(_is_number, cells)) or all(map(_is_infinite, cells)):
        return None if any(map(_is_unusable, cells)) or len(_marks(cells)) == 2 else "number"
    return "boolean" if {*cells} <= {"true", "True", "TRUE", "false", "False", "FALSE"} else "text"


def _classes(cells: list[str]) -> dict[str, Any]:
    """The class of each label; a number that is none stays a fraction."""
    if {cell.lower() for cell in cells} <= {"true", "false"}:
        return {cell: cell.lower() == "true" for cell in cells}
    if all(map(_is_number, cells)):
        return {cell: Fraction(cell.strip()) for cell in cells}
    return {cell: cell for cell in cells}


def _is_no_class(value: Any) -> bool:
    return isinstance(value, Fraction) and (value.denominator != 1 or abs(value) > 2**63 - 1)


def _faults(table: Written) -> Iterator[str]:
    """What may be said of a table that cannot be prepared, one text a fault; nothing of any other table."""
    header, *rows = table.cells
    twice = [name for position, name in enumerate(header) if name in header[:position]]
    if twice:
        yield f"line {table.lines[0]}: two columns are named {twice[0]!r}"
        return
    taken = [f"{date} {part}" for date in table.dates for part in PARTS if f"{date} {part}" in header]
    if taken:
        yield f"has a part {taken[0]!r}, as a column is called"
    if not rows:
        yield "expected rows below the header line, got none"
        return
    complete = [(row, line) for row, line in zip(rows, table.lines[1:], strict=True) if len(row) == len(header)]
    ragged = [line for row, line in zip(rows, table.lines[1:], strict=True) if len(row) != len(header)]
    if ragged:
        yield f"line {ragged[0]}: expected {len(header)} cells as in the header, got "
    columns = {name: [(row[position], line) for row, line in complete] for position, name in enumerate(header)}
    yield from _faults_of_labels(columns.pop("y"))
    for name, cells in columns.items():
        yield from _faults_of_feature(name, cells, table)
    names = _names({name: [cell for cell, _ in cells] for name, cells in columns.items()}, table)
    if len(names) > len({*names}):
        yield "two columns of W would both be named"


def _faults_of_labels(labels: list[tuple[str, int]]) -> Iterator[str]:
    missing = [line for label, line in labels if label in MISSING]
    if missing:
        yield f"column y: {len(missing)} of {len(labels)} rows have no label: line {missing[0]}"
    classes = _classes([label for label, _ in labels if label not in MISSING])
    odd = [line for label, line in labels if _is_no_class(classes.get(label))]
    if odd:
        yield f"line {odd[0]}, column y: looks continuous"
    elif classes and len({*classes.values()}) < 2:
        yield "column y: expected a target with two classes or more"


def _faults_of_feature(name: str, cells: list[tuple[str, int]], table: Written) -> Iterator[str]:
    present = [(cell, line) for cell, line in cells if cell not in MISSING]
    column_type = _kind([cell for cell, _ in present])
    printable = repr(name)[1:-1]  # a message is one line, whatever a column is called
    if not present:
        yield f"no value in any training row of column {printable}"
    elif name in table.dates:
        return
    elif column_type is None:
        unusable = [line for cell, line in present if _is_unusable(cell)]
        with_mark = [(line, _marks([cell])) for cell, line in present if _marks([cell])]
        line = unusable[0] if unusable else next(line for line, marks in with_mark if marks != with_mark[0][1])
        yield f"line {line}, column {printable}: expected a"
    elif column_type == "text":
        for text, line in present:
            if text in RESERVED:
                yield f"line {line}, column {printable}: the text {text!r} is reserved"


def _names(columns: dict[str, list[str]], table: Written) -> list[str]:
    """The names of W's columns and of the columns read, of which no two may be equal."""
    names = []
    for name, cells in columns.items():
        values = [cell for cell in cells if cell not in MISSING]
        gap = len(values) < len(cells)
        is_date = name in table.dates
        if not is_date and _kind(values) == "text":
            names += [f"{name}={level}" for level in {*values, "<unseen>", *(["<missing>"] if gap else [])}]
        else:
            names += [f"{name} {part}" for part in PARTS] if is_date else [name]
            names += [f"{name} year missing" if is_date else f"{name} missing"] if gap else []
    return names


def _require_equal(prepared: reader.Dataset, frame: pd.DataFrame, table: Written) -> None:
    """Check that every prepared row decodes to the row of the table."""
    parts = [shard for split in prepared.splits.values() for shard in split.shards]
    rows = np.concatenate([part.rows for part in parts])
    assert sorted(rows) == list(range(1, len(frame) + 1))
    frame = frame.iloc[rows - 1]
    classes = _classes(frame["y"].tolist())
    assert list(prepared.encoder.classes) == sorted({*classes.values()})
    labels = np.concatenate([part.labels for part in parts])
    assert [prepared.encoder.classes[label] for label in labels] == [classes[label] for label in frame["y"]]
    _require_equal_numbers(prepared, np.concatenate([part.numbers for part in parts]), frame, table)
    _require_equal_levels(prepared, np.concatenate([part.codes for part in parts]), frame)


def _require_equal_numbers(prepared: reader.Dataset, numbers: np.ndarray, frame: pd.DataFrame, table: Written) -> None:
    encoder = prepared.encoder
    indicators = {column.name: len(encoder.numbers) + n for n, column in enumerate(encoder.indicators)}
    for position, column in enumerate(encoder.numbers):
        cells = frame[column.column]
        assert (column.kind == "date") == (column.column in table.dates)
        expected = [column.mean if cell in MISSING else _value(column.name, column.kind, cell) for cell in cells]
        if column.kind == "number 1.234,5":  # another column has a decimal comma, and this one points before thousands
            values = [cell for cell in cells if cell not in MISSING]
            assert all(re.fullmatch(r"\s*[+-]?[1-9]\d{0,2}(\.\d{3})+\s*|[^.]*", cell) for cell in values)
            expected = [column.mean if cell in MISSING else _number(cell.replace(".", "")) for cell in cells]
        np.testing.assert_array_equal(numbers[:, position], np.array(expected).astype(np.float32))
        if column.name in indicators:
            np.testing.assert_array_equal(numbers[:, indicators[column.name]], cells.isin(MISSING))


def _value(name: str, column_type: str, cell: str) -> float:
    if column_type == "boolean":
        return float(cell.lower() == "true")
    if column_type == "date":
        part = name.rpartition(" ")[2]
        moment = pd.Timestamp(cell)
        return moment.weekday() if part == "weekday" else getattr(moment, part)
    return _number(cell)


def _require_equal_levels(prepared: reader.Dataset, codes: np.ndarray, frame: pd.DataFrame) -> None:
    for position, category in enumerate(prepared.encoder.categories):
        decoded = [category.levels[code] for code in codes[:, position]]
        known = {*category.levels}
        texts = ["<missing>" if cell in MISSING else cell for cell in frame[category.name]]
        assert decoded == [text if text in known else "<unseen>" for text in texts]


@pytest.mark.slow
@given(
    tables(),
    st.sampled_from(["none", "none", "hash", "seed"]),
    st.sampled_from([stream.ReadOptions(48, 2), stream.DEFAULTS]),
)
@settings(deadline=None)
def test_any_table_is_what_pandas_reads_or_one_message(table: Written, split: str, options: stream.ReadOptions) -> None:
    """Numbers, levels, labels and rows decode to pandas' table; what cannot be used is told by file and line."""
    faults = list(_faults(table))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            prepared = _prepared(table, split, options, folder)
        except UserError as error:
            message = str(error)
            assert message.startswith(str(folder / "t.csv"))
            assert len(message.splitlines()) <= 2 or any("\n" in cell for row in table.cells for cell in row)
            allowed = faults + (OF_THE_SPLIT if split != "none" else [])
            assert any(fault in message for fault in allowed), message
        else:
            assert not faults
            _require_equal(prepared, _frame(table, folder), table)

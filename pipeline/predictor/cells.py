"""Columns of Arrow as a model reads them: every value is what it would be as a cell of a CSV."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from pipeline.dataset.columns import Chunk
from pipeline.dataset.encoder import Encoder
from pipeline.errors import UserError, listed, quoted, shortened
from pipeline.table import arrow_columns, parsing, read_errors


def chunk_of(table: Any, encoder: Encoder, first_row: int = 1) -> Chunk:
    """The columns that ``encoder`` needs of an Arrow table, whose other columns are left alone.

    Raises: UserError that names columns that are missing, or row and column of a value that does not fit.
    """
    require_columns(table.column_names, encoder)
    types, missing_values = encoder.types, encoder.missing_values
    try:
        return parsing.chunk_of(arrow_columns.as_parsed(table, types, missing_values), types, first_row)
    except parsing.WrongTypeError as wrong:
        raise _misfit(table.column(wrong.column), wrong.column, encoder, first_row) from None


def require_columns(names: Sequence[str], encoder: Encoder) -> None:
    """Check that all columns of the model are among ``names``, each once. Raises: UserError."""
    missing = [name for name in encoder.types if name not in names]
    if missing:
        columns = "column" if len(missing) == 1 else "columns"
        raise UserError(f"expected {columns} {listed(missing)}, got {listed(names) or 'none'}")
    twice = next((name for name in encoder.types if names.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"column {quoted(twice)}: expected it once, got it {names.count(twice)} times")


def _misfit(column: Any, name: str, encoder: Encoder, first_row: int) -> UserError:
    """The error for the first value of a column that is not of its type."""
    text, names = arrow_columns.csv_of(pa.table([column], names=[name]))
    read = parsing.parse(memoryview(text), names, names[:1], {names[0]: "text"}, encoder.missing_values)
    column_type = encoder.types[name]
    for row, cell in enumerate(read.column(0).to_pylist(), first_row):
        fault = None if cell is None else read_errors.fault(cell, column_type)
        if fault is not None:
            return UserError(f"row {row}, column {shortened(name)}: expected {fault}, got {quoted(cell)}")
    raise AssertionError(f"column {name!r} holds no value that is not of type {column_type!r}")

"""Columns of Arrow as `prepare` reads them from a table: every value is what it would be as a cell of a CSV.

So a frame, a request and a file of the same values give the same bits: 3 and 3.0 are the level "3" of a category, a
text in a column of numbers is read in the column's own spelling, and a text of ``missing_values`` is no value.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from pipeline.dataset.columns import Chunk, ColumnType, is_number
from pipeline.dataset.encoder import Encoder
from pipeline.errors import UserError, listed, quoted, shortened
from pipeline.table import locate, parsing, read_errors, transcoding


def chunk_of(table: Any, encoder: Encoder, first_row: int = 1) -> Chunk:
    """The columns that ``encoder`` needs of an Arrow table, whose other columns are left alone.

    Raises: UserError that names columns that are missing, or row and column of a value that does not fit.
    """
    require_columns(table.column_names, encoder)
    types, missing_values = encoder.types, encoder.missing_values
    try:
        return parsing.chunk_of(_as_parsed(table, types, missing_values), types, first_row)
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


def _as_parsed(table: Any, types: Mapping[str, ColumnType], missing_values: Sequence[str]) -> Any:
    """The columns of ``types`` in the Arrow types that reading a CSV gives."""
    columns = {name: _quickly(table.column(name), types[name], missing_values) for name in types}
    slow = {name: types[name] for name, column in columns.items() if column is None}
    if slow:
        read = _as_cells(table.select([*slow]), slow, missing_values)
        columns |= {name: read.column(position) for position, name in enumerate(slow)}
    return pa.table(columns)


def _quickly(column: Any, column_type: ColumnType, missing_values: Sequence[str]) -> Any:
    """The column as reading a CSV of it would give it; None where only reading one tells."""
    types = pa.types
    if is_number(column_type) and (types.is_float64(column.type) or types.is_integer(column.type)):
        # A cell of a CSV that reads -999 is a number unless that is how the table writes no value.
        return None if any(map(locate.is_number, missing_values)) else column.cast(pa.float64(), safe=False)
    if column_type == "boolean" and types.is_boolean(column.type):
        return column
    if column_type == "text" and transcoding.is_text(transcoding.plain_type(column.type)):
        coded = pa.chunked_array([column.combine_chunks()]) if column.num_chunks != 1 else column
        coded = coded if types.is_dictionary(coded.type) else coded.dictionary_encode()
        coded = coded.cast(parsing.arrow_type("text"))
        levels = coded.chunk(0).dictionary.to_pylist() if coded.num_chunks else []
        return None if any(level in missing_values for level in levels) else coded
    return None


def _as_cells(table: Any, types: Mapping[str, ColumnType], missing_values: Sequence[str]) -> Any:
    """The columns by way of a CSV. Raises: WrongTypeError for a value that is not of its type."""
    if not table.num_rows:  # Arrow reads no CSV without a row
        empty = {name: pa.float64() if is_number(kind) else parsing.arrow_type(kind) for name, kind in types.items()}
        return pa.table({name: pa.array([], column_type) for name, column_type in empty.items()})
    text, names = _csv(table)
    read_as = dict(zip(names, types.values(), strict=False))
    try:
        return parsing.parse(memoryview(text), names, names[:-1], read_as, missing_values)
    except pa.ArrowInvalid as error:
        conversion = parsing.CONVERSION.match(str(error))
        if conversion is None:
            raise
        raise parsing.WrongTypeError(table.column_names[int(conversion.group(1))]) from None
    except parsing.WrongTypeError as wrong:
        raise parsing.WrongTypeError(table.column_names[names.index(wrong.column)]) from None


def _csv(table: Any) -> tuple[bytes, list[str]]:
    """The rows as CSV, and names for its columns; the last has a cell in every row, so that none is a blank line."""
    transcoding.require_cells(table.schema, "the rows")
    filled = table.append_column("", pa.array(["0"] * table.num_rows, pa.string()))
    out = io.BytesIO()
    for batch in filled.to_batches():
        pa_csv.write_csv(transcoding.plain(batch), out, pa_csv.WriteOptions(include_header=False))
    return out.getvalue(), [str(position) for position in range(filled.num_columns)]


def _misfit(column: Any, name: str, encoder: Encoder, first_row: int) -> UserError:
    """The error for the first value of a column that is not of its type."""
    text, names = _csv(pa.table([column], names=[name]))
    read = parsing.parse(memoryview(text), names, names[:1], {names[0]: "text"}, encoder.missing_values)
    column_type = encoder.types[name]
    for row, cell in enumerate(read.column(0).to_pylist(), first_row):
        fault = None if cell is None else read_errors.fault(cell, column_type)
        if fault is not None:
            return UserError(f"row {row}, column {shortened(name)}: expected {fault}, got {quoted(cell)}")
    raise AssertionError(f"column {name!r} holds no value that is not of type {column_type!r}")

"""Columns that Arrow holds in memory, as reading a CSV of them would give them; one is written only where need be.

So a frame, a request and a file of the same values give the same bits: 3 and 3.0 are the level "3" of a category, a
text in a column of numbers is read in the column's own spelling, and a text of ``missing_values`` is no value.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from pipeline.dataset.columns import ColumnType, is_number
from pipeline.table import locate, parsing, transcoding


def as_parsed(table: Any, types: Mapping[str, ColumnType], missing_values: Sequence[str]) -> Any:
    """The columns of ``types`` in the Arrow types that reading a CSV gives.

    Raises: WrongTypeError for a value that is not of its column's type; UserError for columns that no cell can hold.
    """
    columns = {name: _quickly(table.column(name), types[name], missing_values) for name in types}
    slow = {name: types[name] for name, column in columns.items() if column is None}
    if slow:
        read = _as_cells(table.select([*slow]), slow, missing_values)
        columns |= {name: read.column(position) for position, name in enumerate(slow)}
    return pa.table(columns)


def guessed(table: Any, missing_values: Sequence[str]) -> Any:
    """The columns in the types that Arrow guesses from their cells."""
    text, names = csv_of(table)
    read = parsing.parse(memoryview(text), names, names[:-1], {}, missing_values)
    return read.rename_columns(table.column_names)


def csv_of(table: Any) -> tuple[bytes, list[str]]:
    """The rows as CSV, and names for its columns; the last has a cell in every row, so that none is a blank line."""
    transcoding.require_cells(table.schema, "the rows")
    filled = table.append_column("", pa.array(["0"] * table.num_rows, pa.string()))
    out = io.BytesIO()
    for batch in filled.to_batches():
        pa_csv.write_csv(transcoding.plain(batch), out, pa_csv.WriteOptions(include_header=False))
    return out.getvalue(), [str(position) for position in range(filled.num_columns)]


def _quickly(column: Any, column_type: ColumnType, missing_values: Sequence[str]) -> Any:
    """The column as reading a CSV of it would give it; None where only reading one tells."""
    types = pa.types
    column = _in_one_piece(column)
    if column.null_count and "" not in missing_values:  # an empty cell is a text there
        return None
    if is_number(column_type) and (types.is_float64(column.type) or types.is_integer(column.type)):
        # A cell of a CSV that reads -999 or nan is a number unless that is how the table writes no value.
        if any(map(locate.is_number, missing_values)) or _has_nan(column):
            return None
        return column.cast(pa.float64(), safe=False)
    if column_type == "boolean" and types.is_boolean(column.type) and not {"true", "false"} & {*missing_values}:
        return column
    if column_type == "text" and (types.is_integer(column.type) or transcoding.is_text(_values(column.type))):
        return _as_levels(column, missing_values)
    return None


def _in_one_piece(column: Any) -> Any:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _values(arrow: Any) -> Any:
    return transcoding.plain_type(arrow)


def _has_nan(column: Any) -> bool:
    """Whether a column of float64 holds the number NaN, which is not Arrow's own mark of no value."""
    if not pa.types.is_float64(column.type) or not len(column):
        return False
    validity, data = column.buffers()
    values = np.frombuffer(data, dtype=np.float64)[column.offset :][: len(column)]
    is_nan = np.isnan(values)
    if is_nan.any() and column.null_count:
        is_nan &= parsing.bits(validity, column)
    return bool(is_nan.any())


def _as_levels(column: Any, missing_values: Sequence[str]) -> Any:
    """Texts or whole numbers as a dictionary of texts; None if one of them means no value."""
    # A dictionary of others may hold null, levels that no row has, and one twice.
    coded = column.cast(_values(column.type)).dictionary_encode()
    levels = coded.dictionary.cast(pa.string())
    if any(level in missing_values for level in levels.to_pylist()):
        return None
    return pa.DictionaryArray.from_arrays(coded.indices.cast(pa.int32()), levels)


def _as_cells(table: Any, types: Mapping[str, ColumnType], missing_values: Sequence[str]) -> Any:
    """The columns by way of a CSV."""
    if not table.num_rows:  # Arrow reads no CSV without a row
        empty = {name: pa.float64() if is_number(kind) else parsing.arrow_type(kind) for name, kind in types.items()}
        return pa.table({name: pa.array([], column_type) for name, column_type in empty.items()})
    text, names = csv_of(table)
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

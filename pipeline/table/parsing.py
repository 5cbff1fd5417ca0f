"""Whole rows of CSV -> typed numpy columns, by Arrow's parser, which leaves Python's other threads running."""

import codecs
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from pipeline.dataset.columns import DATE_PARTS, Chunk, ColumnType, Texts, is_date, is_number, part_name
from pipeline.table import dates, locate, spellings
from pipeline.table.spellings import Spelling

TRUE_WORDS = ("true", "True", "TRUE")
FALSE_WORDS = ("false", "False", "FALSE")

_TEXT = pa.dictionary(pa.int32(), pa.string())
_TYPES: Mapping[ColumnType, pa.DataType] = {"number": pa.float64(), "boolean": pa.bool_(), "text": _TEXT}

CONVERSION = re.compile(r"In CSV column #(\d+):.*?CSV conversion error to .*?: invalid value '(.*)'$", re.DOTALL)


class WrongTypeError(Exception):
    """A value of ``column`` does not fit the type the column is read as.

    ``rows``: where they are known, the rows around it as an Arrow table of the types that Arrow guesses.
    """

    def __init__(self, column: str, rows: Any = None) -> None:
        super().__init__(column)
        self.column = column
        self.rows = rows


def arrow_type(column_type: ColumnType) -> pa.DataType:
    """The Arrow type that a column is read as; what is made of texts afterwards is text first."""
    if spellings.of_type(column_type) is not None:
        return pa.string()
    return _TEXT if is_date(column_type) else _TYPES[column_type]


def parse(
    rows: memoryview,
    names: Sequence[str],
    columns: Sequence[str],
    types: Mapping[str, ColumnType],
    missing_values: Sequence[str],
    separator: str = ",",
    skip: int = 0,
) -> Any:
    """A pyarrow table of ``columns``; the rows' columns are ``names``, and the first ``skip`` rows are left out.

    Arrow guesses the types of columns that ``types`` does not give.
    Raises: pa.ArrowInvalid; WrongTypeError for a text in a column of numbers that are written in a way of their own.
    """
    convert = pa_csv.ConvertOptions(
        include_columns=list(columns),
        column_types={name: arrow_type(column_type) for name, column_type in types.items()},
        null_values=list(missing_values),
        strings_can_be_null=True,
        true_values=list(TRUE_WORDS),
        false_values=list(FALSE_WORDS),
    )
    table = _read(rows, names, convert, separator, skip)
    spelled = {
        name: spelling
        for name, column_type in types.items()
        if (spelling := spellings.of_type(column_type)) is not None
    }
    if not spelled:
        return table
    read_as = {name: _spelled(name, table.column(name), spelling) for name, spelling in spelled.items()}
    return pa.table({name: read_as.get(name, column) for name, column in zip(columns, table.columns, strict=True)})


def texts(rows: memoryview, names: Sequence[str], columns: Sequence[str], separator: str = ",", skip: int = 0) -> Any:
    """A pyarrow table of ``columns`` as they stand in the file, whatever means no value there; empty cells are null.

    The other arguments and errors are those of ``parse``.
    """
    convert = pa_csv.ConvertOptions(
        include_columns=list(columns),
        column_types=dict.fromkeys(columns, pa.string()),
        null_values=[""],
        strings_can_be_null=True,
    )
    return _read(rows, names, convert, separator, skip)


def _read(rows: memoryview, names: Sequence[str], convert: Any, separator: str, skip: int) -> Any:
    rows = _marked(rows)
    # One block, so that nothing is cut again, and one thread: the pieces are what the threads share.
    read = pa_csv.ReadOptions(
        block_size=len(rows) + 1, use_threads=False, column_names=list(names), skip_rows_after_names=skip
    )
    lines = pa_csv.ParseOptions(newlines_in_values=True, delimiter=separator)
    return pa_csv.read_csv(pa.BufferReader(pa.py_buffer(rows)), read, lines, convert)


def _spelled(name: str, column: Any, spelling: Spelling) -> Any:
    """A column of texts as float64. Raises: WrongTypeError for one that is not of this spelling."""
    # Here, since it takes long to load and few tables need it.
    from pyarrow import compute as kernels

    compute: Any = kernels
    if not compute.all(compute.match_substring_regex(column, f"^(?:{spelling.pattern})$"), min_count=0).as_py():
        raise WrongTypeError(name)
    for sign in filter(None, (spelling.prefix, spelling.suffix)):
        column = compute.replace_substring(column, sign, "")
    column = compute.replace_substring_regex(column, spelling.dropped, "")
    return compute.cast(compute.replace_substring(column, spelling.decimal, "."), pa.float64())


def _marked(rows: memoryview) -> memoryview:
    """Rows whose first cell begins with a byte order mark, once more before them: Arrow takes one away as a file's."""
    return memoryview(codecs.BOM_UTF8 + rows) if bytes(rows[:3]) == codecs.BOM_UTF8 else rows


def chunk_of(table: Any, types: Mapping[str, ColumnType], first_row: int) -> Chunk:
    """The columns of an Arrow table, of the types of ``types``, as numpy columns.

    Raises: WrongTypeError for a number that float32 cannot hold.
    """
    columns = {name: _joined(table.column(name)) for name in types}
    counted = [name for name, column_type in types.items() if is_number(column_type) or column_type == "boolean"]
    numbers = {name: _numbers(name, columns[name]) for name in counted}
    for name, column_type in types.items():
        if is_date(column_type):
            numbers |= _dates(name, column_type, _texts(columns[name]))
    return Chunk(
        first_row=first_row,
        rows=table.num_rows,
        numbers=numbers,
        texts={name: _texts(columns[name]) for name, column_type in types.items() if column_type == "text"},
    )


def _joined(column: Any) -> Any:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _numbers(name: str, column: Any) -> NDArray[np.float64]:
    """float64 with NaN for no value; the word nan, an infinity or a number that float32 cannot hold is refused."""
    validity, data = column.buffers()
    if not len(column):
        return np.zeros(0)
    if pa.types.is_boolean(column.type):
        values = bits(data, column).astype(np.float64)
    else:
        values = np.frombuffer(data, dtype=np.float64)[column.offset :][: len(column)]
    if column.null_count:
        values = np.where(bits(validity, column), values, np.nan)
    usable = np.count_nonzero(np.abs(values) <= locate.LARGEST)
    if usable + column.null_count != len(values):
        raise WrongTypeError(name)
    return values


def _texts(column: Any) -> Texts:
    indices = column.indices
    if not len(indices):
        return Texts(np.zeros(0, dtype=np.int32), ())
    validity, data = indices.buffers()
    codes = np.frombuffer(data, dtype=np.int32)[indices.offset :][: len(indices)]
    if indices.null_count:
        codes = np.where(bits(validity, indices), codes, np.int32(-1))
    return Texts(codes, tuple(column.dictionary.to_pylist()))


def _dates(name: str, column_type: ColumnType, texts: Texts) -> dict[str, NDArray[np.float64]]:
    moments = [dates.moment_of(level, column_type) for level in texts.levels]
    if None in moments:
        raise WrongTypeError(name)
    parts = np.array([*filter(None, moments), (np.nan,) * len(DATE_PARTS)], dtype=np.float64)[texts.codes]
    return {part_name(name, part): parts[:, position].copy() for position, part in enumerate(DATE_PARTS)}


def bits(buffer: Any, column: Any) -> NDArray[np.bool_]:
    """A buffer of one bit a row as (n,) booleans.

    Arrow's own ``to_numpy`` is not used because it imports pandas if that is installed, at 0.2 s a process.
    """
    bits = np.unpackbits(np.frombuffer(buffer, dtype=np.uint8), bitorder="little")
    return bits[column.offset :][: len(column)].view(np.bool_)

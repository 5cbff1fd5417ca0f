"""Rows of a data frame or an array as the columns that a model needs."""

import sys
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
from narwhals.exceptions import DuplicateError

from pipeline.dataset.columns import Chunk, class_text
from pipeline.dataset.encoder import Encoder
from pipeline.errors import UserError, listed, shortened
from pipeline.predictor import cells


def chunk_of(rows: Any, encoder: Encoder, first_row: int = 1) -> Chunk:
    """``rows``: a frame of pandas, polars, Arrow or another library that narwhals knows, with at least the columns of
    the model, in any order; or an array (n, columns) with exactly these, in the order of ``encoder.types``.

    Raises: UserError for rows of another kind, missing columns, or a value that does not fit.
    """
    return cells.chunk_of(_arrow(rows, list(encoder.types)), encoder, first_row)


def _arrow(rows: Any, names: list[str]) -> Any:
    if isinstance(rows, np.ndarray):
        return _of_array(rows, names)
    return arrow_of(rows)


def arrow_of(frame: Any) -> Any:
    """The columns of a data frame as an Arrow table, without an index of pandas.

    Raises: UserError for anything that is no frame, or columns that Arrow cannot hold.
    """
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame])
    try:
        read = nw.from_native(_of_one_type(frame), eager_only=True)
    except TypeError:
        raise UserError(
            f"the rows: expected a data frame of pandas, polars or Arrow, or an array, got {type(frame).__name__}"
        ) from None
    except DuplicateError as error:
        raise UserError(f"the rows: expected columns of different names: {shortened(error)}") from None
    try:
        # An index that says something comes behind the columns.
        return read.to_arrow().select(range(len(read.columns)))
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:  # the last of more than 64 bits
        raise UserError(f"the rows: expected columns of one type each: {shortened(error)}") from None


def _of_one_type(frame: Any) -> Any:
    """The frame; of pandas with texts in columns that hold several types, as `read_csv` makes them of a long file."""
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(frame, pandas.DataFrame) or not frame.columns.is_unique:
        return frame
    types = pandas.api.types
    mixed = [
        name
        for name, column in frame.items()
        if column.dtype == object and types.infer_dtype(column, skipna=True) in ("mixed", "mixed-integer")
    ]
    plain = [name for name in mixed if all(types.is_scalar(value) for value in frame[name])]

    def text(value: Any) -> str:
        return class_text(bool(value) if types.is_bool(value) else value)  # numpy's booleans, too

    texts = {name: frame[name].map(text, na_action="ignore") for name in plain}
    return frame.assign(**texts) if texts else frame


def _of_array(rows: np.ndarray[Any, Any], names: list[str]) -> Any:
    if rows.ndim != 2 or rows.shape[1] != len(names):
        raise UserError(f"the rows: expected an array (n, {len(names)}) of {listed(names)}, got {rows.shape}")
    if rows.dtype.kind in "fiu":  # a number as numpy has it, not the shortest text of a float32
        rows = rows.astype(np.float64)
    return pa.table({name: pa.array(rows[:, place], from_pandas=True) for place, name in enumerate(names)})

"""Rows of a data frame or an array as the columns that a model needs."""

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa

from pipeline.dataset.columns import Chunk
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
    if isinstance(rows, pa.RecordBatch):
        return pa.Table.from_batches([rows])
    try:
        if isinstance(rows, np.ndarray):
            return _of_array(rows, names)
        return nw.from_native(rows, eager_only=True).to_arrow()
    except (pa.ArrowException, OverflowError) as error:  # the latter of an integer beyond 64 bits
        raise UserError(f"the rows: expected columns of one type each: {shortened(error)}") from None
    except TypeError:
        raise UserError(
            f"the rows: expected a data frame of pandas, polars or Arrow, or an array, got {type(rows).__name__}"
        ) from None


def _of_array(rows: np.ndarray[Any, Any], names: list[str]) -> Any:
    if rows.ndim != 2 or rows.shape[1] != len(names):
        raise UserError(f"the rows: expected an array (n, {len(names)}) of {listed(names)}, got {rows.shape}")
    return pa.table({name: pa.array(rows[:, place], from_pandas=True) for place, name in enumerate(names)})

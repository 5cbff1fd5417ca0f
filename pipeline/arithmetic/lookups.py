"""Rows that codes choose, looked up or added up; all arrays lie in one piece. reference/lookups.py defines them."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.arrays import (
    FLOAT64,
    INT32,
    require_below,
    require_one_piece,
    require_place,
    require_real,
    require_shape,
    require_type,
)
from pipeline.arithmetic.compiled import address, function
from pipeline.arithmetic.reference import lookups as reference

Real = TypeVar("Real", np.float64, np.float32)


def add_levels(out: NDArray[Real], codes: NDArray[np.int32], levels: NDArray[Real]) -> None:
    """Add to each row of ``out`` (n, k) the rows of ``levels`` (l, k) that its codes (n, c) name."""
    require_real(out, levels)
    _require_codes(codes, out, levels)
    require_place(out, codes, levels)
    compiled = function("add_levels", out.dtype)
    if compiled is None:
        reference.add_levels(out, codes, levels)
    else:
        compiled(*codes.shape, out.shape[1], address(codes), address(levels), address(out))


def add_to_levels(totals: NDArray[np.float64], codes: NDArray[np.int32], values: NDArray[Real]) -> None:
    """Add each row of ``values`` (n, k) to the rows of ``totals`` (l, k) that its codes (n, c) name."""
    require_real(values)
    require_type(FLOAT64, totals)
    _require_codes(codes, values, totals)
    require_place(totals, codes, values)
    compiled = function("add_to_levels", values.dtype)
    if compiled is None:
        reference.add_to_levels(totals, codes, values)
    else:
        compiled(*codes.shape, values.shape[1], address(codes), address(values), address(totals))


def add_sparse_product(
    out: NDArray[Real],
    starts: NDArray[np.int32],
    members: NDArray[np.int32],
    numbers: NDArray[Real],
    b: NDArray[Real],
) -> None:
    """Add S B to ``out`` (n, k), with S (n, l) in compressed rows and B (l, k)."""
    (n, k), (entries,) = out.shape, members.shape
    require_real(out, numbers, b)
    require_type(INT32, starts, members)
    require_shape(starts, n + 1)
    require_shape(numbers, entries)
    require_shape(b, len(b), k)
    require_one_piece(out, starts, members, numbers, b)
    require_place(out, starts, members, numbers, b)
    require_below(len(b), members)
    require_below(entries + 1, starts)
    if bool((starts[1:] < starts[:-1]).any()):
        raise ValueError("expected starts of rows that rise, got one below the one before it")
    compiled = function("add_sparse_product", out.dtype)
    if compiled is None:
        reference.add_sparse_product(out, starts, members, numbers, b)
    else:
        places = address(starts), address(members), address(numbers), address(b), address(out)
        compiled(*out.shape, *places)


def _require_codes(codes: NDArray[np.int32], by_row: NDArray[Any], by_level: NDArray[Any]) -> None:
    """Refuse codes (n, c) that name other rows than those of (l, k), or an array ``by_row`` that is not (n, k)."""
    (n, _), (limit, k) = codes.shape, by_level.shape
    require_type(INT32, codes)
    require_shape(by_row, n, k)
    require_one_piece(codes, by_row, by_level)
    require_below(limit, codes)

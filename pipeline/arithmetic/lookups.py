"""Rows that codes choose, looked up or added up; all arrays lie in one piece. reference/lookups.py defines them."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.compiled import address, function
from pipeline.arithmetic.reference import lookups as reference

Real = TypeVar("Real", np.float64, np.float32)


def _require_codes(*arrays: NDArray[np.int32]) -> None:
    """The compiled functions read memory as int32 in one piece, whatever lies there."""
    for codes in arrays:
        if codes.dtype != np.int32 or not codes.flags.c_contiguous:
            raise TypeError(f"expected int32 codes in one piece, got {codes.dtype} with strides {codes.strides}")


def add_levels(out: NDArray[Real], codes: NDArray[np.int32], levels: NDArray[Real]) -> None:
    """Add to each row of ``out`` (n, k) the rows of ``levels`` (l, k) that its codes (n, c) name."""
    _require_codes(codes)
    compiled = function("add_levels", out.dtype)
    if compiled is None:
        reference.add_levels(out, codes, levels)
    else:
        compiled(*codes.shape, out.shape[1], address(codes), address(levels), address(out))


def add_to_levels(totals: NDArray[np.float64], codes: NDArray[np.int32], values: NDArray[Real]) -> None:
    """Add each row of ``values`` (n, k) to the rows of ``totals`` (l, k) that its codes (n, c) name."""
    _require_codes(codes)
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
    _require_codes(starts, members)
    compiled = function("add_sparse_product", out.dtype)
    if compiled is None:
        reference.add_sparse_product(out, starts, members, numbers, b)
    else:
        places = address(starts), address(members), address(numbers), address(b), address(out)
        compiled(*out.shape, *places)

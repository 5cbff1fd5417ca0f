"""What a compiled library has to give for a few numbers before it is used.

A compiler may be told, by a variable of the environment or by its maker's defaults, to add in another order, to fuse
or to flush what is subnormal to 0. Its library is then no twin of reference/, though it was built from these sources.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Compiled = Callable[[str, "np.dtype[Any]"], Callable[..., Any]]

# Of `digest`; tests hold the functions that gave it to the reference, and on every processor it is the same.
EXPECTED = "4e2368b512a2885de5d4f601adc94df5c6f9c7094aaedbfea531fe068391124f"

# Rows, columns and classes: beyond a stretch, and none a multiple of a register's numbers.
_ROWS, _COLUMNS, _CLASSES = 301, 13, 5


def digest(function: Compiled, address: Callable[[NDArray[Any]], int]) -> str:
    """SHA-256 over the results of the functions that `function` gives by name and type, in both types."""
    result = hashlib.sha256()
    for dtype in (np.dtype(np.float64), np.dtype(np.float32)):

        def call(name: str, *arguments: Any, dtype: "np.dtype[Any]" = dtype) -> None:
            places = [address(each) if isinstance(each, np.ndarray) else each for each in arguments]
            function(name, dtype)(*places)

        for values in _results(call, dtype):
            result.update(values.astype(values.dtype.newbyteorder("<")).tobytes())
    return result.hexdigest()


def _numbers(count: int) -> NDArray[np.float64]:
    """From -1 to below 1, in steps that float32 holds, in no order."""
    return (np.arange(count) * 40_503 % 65_536 - 32_768) / 32_768.0


def _results(call: Callable[..., None], dtype: "np.dtype[Any]") -> list[NDArray[Any]]:
    n, d, k = _ROWS, _COLUMNS, _CLASSES
    double = np.dtype(np.float64)
    results: list[NDArray[Any]] = []

    def place(values: NDArray[Any]) -> NDArray[Any]:
        """A copy of the values, for a function to change."""
        results.append(values.copy())
        return results[-1]

    def new(*shape: int, of: "np.dtype[Any]" = dtype) -> NDArray[Any]:
        return place(np.zeros(shape, of))

    x = _numbers(n * d).astype(dtype)
    least = np.finfo(dtype).smallest_subnormal * np.arange(1, 65, dtype=dtype)
    of_all_sizes = np.concatenate([20 * x[:256], least]).astype(dtype)
    for name in ("exp_array", "log_array", "log1p_array", "sigmoid_array"):
        values = np.abs(of_all_sizes) if name.startswith("log") else of_all_sizes
        call(name, values, new(len(values)), len(values))
    call("halving_sums", n, d, x, d, 1, new(d))
    call("long_sums", n, d, x, d, 1, new(d, of=double))
    weights = _numbers(d * k).reshape(d, k).astype(dtype)
    logits = new(n, k)
    call("add_product", 1.0, n, k, d, x, d, 1, weights, k, 1, logits, k)
    call("add_stretches", d, k, n, x, 1, d, logits, k, 1, new(d, k, of=double), k)
    labels = np.arange(n, dtype=np.int64) % k
    probabilities = place(8 * logits)
    call("softmax", n, k, probabilities, k, 1)
    call("losses_and_residuals", n, k, place(8 * logits), k, 1, labels, new(n))
    call("change_of_probabilities", n, k, probabilities, place(logits), k, 1)
    call("logistic_losses_and_residuals", n, place(logits[:, 0]), labels % 2, new(n))
    codes = np.arange(n, dtype=np.int32) % np.int32(d)
    call("add_levels", n, 1, k, codes, weights, new(n, k))
    call("add_to_levels", n, 1, k, codes, logits, new(d, k, of=double))
    if dtype == double:
        matrix = new(d, d)
        call("add_stretches", d, d, n, x, 1, d, x, d, 1, matrix, d)
        factor, right = place(matrix), place(weights)
        call("choleskys", 1, d, factor, np.zeros(1, np.int64))
        for transposed in (0, 1):
            call("solve_lowers", 1, d, k, factor, right, transposed)
    return results

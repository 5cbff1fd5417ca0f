"""The compiled twins of reference/, where they were built: found once, and only if built from the sources beside it.

``setup.py`` compiles kernels/ when the project is installed, into a library of the environment, which may serve several
projects. So a library carries the digest of the sources that it was built from, and one of other sources is not used.
"""

import ctypes
import functools
import importlib.util
from collections.abc import Callable
from importlib.machinery import ExtensionFileLoader
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic.sources import digest

LIBRARY = "softmax_kernels"
_SETS = ("baseline", "avx2", "avx512")
# In this processor's byte order: an array of the other has a type that is equal to neither.
_TYPES = (np.dtype(np.float64), np.dtype(np.float32))

_INT, _REAL, _PLACE = ctypes.c_int64, ctypes.c_double, ctypes.c_void_p
_MATRIX = [_PLACE, _INT, _INT]
_ARGUMENTS: dict[str, tuple[Any, list[Any]]] = {
    **dict.fromkeys(("exp_array", "log_array", "log1p_array", "sigmoid_array"), (None, [_PLACE, _PLACE, _INT])),
    "halving_sums": (ctypes.c_int, [_INT, _INT, *_MATRIX, _PLACE]),
    "long_sums": (ctypes.c_int, [_INT, _INT, *_MATRIX, _PLACE]),
    "change_of_probabilities": (ctypes.c_int, [_INT, _INT, _PLACE, *_MATRIX]),
    "softmax": (ctypes.c_int, [_INT, _INT, *_MATRIX]),
    "losses_and_residuals": (ctypes.c_int, [_INT, _INT, *_MATRIX, _PLACE, _PLACE]),
    "logistic_losses_and_residuals": (None, [_INT, _PLACE, _PLACE, _PLACE]),
    "add_product": (None, [_REAL, _INT, _INT, _INT, *_MATRIX, *_MATRIX, _PLACE, _INT]),
    "add_products": (
        None,
        [_REAL, _INT, _INT, _INT, _INT, *[_PLACE, _INT, _INT, _INT] * 2, _PLACE, _INT, _INT],
    ),
    "add_stretches": (None, [_INT, _INT, _INT, *_MATRIX, *_MATRIX, _PLACE, _INT]),
    "add_levels": (None, [_INT, _INT, _INT, _PLACE, _PLACE, _PLACE]),
    "add_to_levels": (None, [_INT, _INT, _INT, _PLACE, _PLACE, _PLACE]),
    "add_sparse_product": (None, [_INT, _INT, _PLACE, _PLACE, _PLACE, _PLACE, _PLACE]),
    "choleskys": (None, [_INT, _INT, _PLACE, _PLACE]),
    "solve_lowers": (None, [_INT, _INT, _INT, _PLACE, _PLACE, ctypes.c_int]),
}


@functools.cache
def library() -> ctypes.CDLL | None:
    """The library of this environment; None where there is none of these sources."""
    spec = importlib.util.find_spec(LIBRARY)
    if spec is None or spec.origin is None or not isinstance(spec.loader, ExtensionFileLoader):
        return None  # whatever its name says, the system would load it
    try:
        loaded = ctypes.CDLL(spec.origin)
        loaded.sources_digest.restype = ctypes.c_char_p
        return loaded if loaded.sources_digest() == digest().encode() else None
    except (OSError, AttributeError):
        return None


def instruction_sets() -> tuple[str, ...]:
    """Those that the library has and this processor can run, the widest last; none without a library."""
    loaded = library()
    return () if loaded is None else _SETS[: loaded.widest_set() + 1]


@functools.cache
def function(name: str, dtype: np.dtype[Any], instruction_set: str | None = None) -> Callable[..., Any] | None:
    """The compiled function for a type, of the widest instruction set unless one is named; None where there is none."""
    sets = instruction_sets()
    if not sets or dtype not in _TYPES:
        return None
    compiled: Any = getattr(library(), f"{name}_{dtype.name}_{instruction_set or sets[-1]}")
    compiled.restype, compiled.argtypes = _ARGUMENTS[name]
    return compiled  # type: ignore[no-any-return]


def address(array: NDArray[Any]) -> int:
    """Of its first number."""
    if array.flags.carray and array.size:  # a fifth of the time, where the buffer protocol gives it
        buffer: Any = array
        return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
    result: int = array.__array_interface__["data"][0]
    return result


def strides(array: NDArray[Any]) -> tuple[int, ...]:
    """From one place to the next along each axis, in numbers."""
    return tuple(stride // array.itemsize for stride in array.strides)


def checked(has_memory: int) -> None:
    """Raises: MemoryError if a function could not get what it asked for."""
    if not has_memory:
        raise MemoryError("the memory for a sum or a factor could not be had")

"""The compiled twins of reference/, where they were built: found once, and used only if they are such.

``setup.py`` compiles kernels/ when the project is installed, into a library of the environment, which may serve several
projects. So a library carries the digest of the sources that it was built from, and one of other sources is not used;
nor is one that a compiler made to compute something else (known_answers.py).
"""

import ctypes
import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import ExtensionFileLoader
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.arithmetic import known_answers
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


@dataclass(frozen=True)
class Loaded:
    """The library of this environment, or why there is none."""

    library: ctypes.CDLL | None
    reason: str = ""


@functools.cache
def load() -> Loaded:
    """The library, if it is of these sources and gives the known answers."""
    spec = importlib.util.find_spec(LIBRARY)
    # Whatever a module's name ends with, the system would load it as a library.
    if spec is None or spec.origin is None or not isinstance(spec.loader, ExtensionFileLoader):
        return Loaded(None, "not compiled")
    try:
        library = ctypes.CDLL(spec.origin)
        library.sources_digest.restype = ctypes.c_char_p
        if library.sources_digest() != digest().encode():
            return Loaded(None, "compiled from other sources")
        answers = known_answers.digest(functools.partial(_function, library, _sets_of(library)[-1]), address)
    except (OSError, AttributeError):
        return Loaded(None, "compiled, but not to be loaded")
    if answers != known_answers.EXPECTED:
        return Loaded(None, "compiled so that it computes other bits")
    return Loaded(library)


def instruction_sets() -> tuple[str, ...]:
    """Those that the library has and this processor can run, the widest last; none without a library."""
    library = load().library
    return () if library is None else _sets_of(library)


@functools.cache
def function(name: str, dtype: np.dtype[Any], instruction_set: str | None = None) -> Callable[..., Any] | None:
    """The compiled function for a type, of the widest instruction set unless one is named; None where there is none."""
    library = load().library
    if library is None or dtype not in _TYPES:
        return None
    return _function(library, instruction_set or _sets_of(library)[-1], name, dtype)


def _sets_of(library: ctypes.CDLL) -> tuple[str, ...]:
    return _SETS[: library.widest_set() + 1]


def _function(library: ctypes.CDLL, instruction_set: str, name: str, dtype: np.dtype[Any]) -> Callable[..., Any]:
    compiled: Any = getattr(library, f"{name}_{dtype.name}_{instruction_set}")
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

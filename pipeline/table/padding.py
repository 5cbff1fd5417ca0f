"""Columns of digits some of which begin with a zero: 00334 is the code of a place, as a number it would be another's.

A parsed table carries the names of such columns, since what is kept of it has numbers only.
"""

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.table import spellings

_KEY = b"padded"
_LONG = 40


def _bytes_of(characters: str) -> NDArray[np.bool_]:
    """(256,) whether each byte is one of the characters."""
    table = np.zeros(256, dtype=np.bool_)
    table[list(characters.encode())] = True
    return table


_DIGITS = _bytes_of("0123456789")
_SIGNS_AND_BLANKS = _bytes_of("+- \t")


def noted(
    table: Any, numbers: Sequence[str], rows: memoryview, separator: str, as_texts: Callable[[Sequence[str]], Any]
) -> Any:
    """The Arrow table that was parsed from the rows, with the names of its columns of ``padded`` ``numbers``.

    ``as_texts`` parses columns of the rows as texts.
    """
    if not numbers or not _may_hold_any(np.frombuffer(rows, dtype=np.uint8), separator):
        return table
    # Here, since it takes long to load and few tables need it.
    from pyarrow import compute as kernels

    compute: Any = kernels
    texts = as_texts(numbers)
    padded = [name for name in numbers if any(_any_padded(compute, piece) for piece in texts.column(name).chunks)]
    return table.replace_schema_metadata({_KEY: json.dumps(padded)})


def padded(table: Any, columns: Collection[str]) -> frozenset[str]:
    """The ``columns`` of numbers in which some cell of the table is digits that begin with a zero, and not 0."""
    return frozenset(json.loads((table.schema.metadata or {}).get(_KEY, b"[]"))).intersection(columns)


def _any_padded(compute: Any, texts: Any) -> bool:
    matches = compute.match_substring_regex(texts.dictionary, f"^(?:{spellings.PADDED})$")
    return bool(compute.any(matches, min_count=0).as_py())


def _may_hold_any(data: NDArray[np.uint8], separator: str) -> bool:
    """Whether a cell of any column may be padded digits; ``data`` is whole rows and ends with a line ending.

    Takes a fraction of the time of parsing. The positions that are still possible shrink with every look.
    """
    begins = _bytes_of(f'{separator}"\r\n')
    blanks = _bytes_of(" \t")
    zeros = np.flatnonzero(data[:-1] == ord("0"))
    zeros = zeros[_DIGITS[data[zeros + 1]]]
    # What is before the first byte is the last one, a line ending.
    before, second = data[zeros - 1], data[zeros - 2]
    zeros = zeros[begins[before] | (_SIGNS_AND_BLANKS[before] & (begins | _SIGNS_AND_BLANKS)[second])]
    after = zeros + 1
    for _ in range(_LONG):
        ended = ~_DIGITS[data[after]]
        if np.any((begins | blanks)[data[after[ended]]]):
            return True
        after = after[~ended] + 1
    return bool(after.size)

"""Rows -> 64-bit digests that are equal where the rows' values are, on every machine and in every process.

A digest knows neither where a row stands nor how the columns are ordered. Numbers count by value, so 1 and 1.0 are
equal; texts as they stand. Two different rows share a digest with probability 2^-64.
"""

import hashlib
from collections.abc import Iterable

import numpy as np

from pipeline.dataset.columns import Chunk
from pipeline.dataset.row_digests import Digests, mixed
from pipeline.table.parsing import FALSE_WORDS, TRUE_WORDS

# The bits of a NaN, which no number of a table has.
_MISSING = np.uint64(0x7FF8000000000000)

# A column of true and false turns from boolean to text when another word joins; its rows keep their digests.
_WORDS = dict.fromkeys(TRUE_WORDS, 1.0) | dict.fromkeys(FALSE_WORDS, 0.0)


def of_rows(chunk: Chunk, columns: Iterable[str], seed: int = 0) -> Digests:
    """(n,) the digest of each row's values in ``columns``; another seed gives other, independent digests."""
    digests = np.full(chunk.rows, _of_text(f"seed {seed}"), dtype=np.uint64)
    for name in sorted(name for column in columns for name in chunk.series(column)):
        digests = mixed(digests ^ mixed(of_column(chunk, name) ^ np.uint64(_of_text(f"column {name}"))))
    return digests


def of_column(chunk: Chunk, name: str) -> Digests:
    """(n,) digests of one column's values, not to be compared between numbers and texts."""
    if name in chunk.texts:
        texts = chunk.texts[name]
        return np.array([*map(_of_level, texts.levels), _MISSING], dtype=np.uint64)[texts.codes]
    # Adding zero makes one zero of 0.0 and -0.0.
    values = chunk.numbers[name] + 0.0
    return np.where(np.isnan(values), _MISSING, values.view(np.uint64))


def _of_level(level: str) -> int:
    word = _WORDS.get(level)
    return _of_text(level) if word is None else int(np.float64(word).view(np.uint64))


def _of_text(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")

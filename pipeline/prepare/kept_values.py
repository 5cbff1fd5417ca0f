"""What the digests of kept columns stand for, in the columns that prepare.keep_values names."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from pipeline.dataset.columns import Chunk
from pipeline.dataset.row_digests import Digests
from pipeline.errors import UserError, quoted

MAX_VALUES = 1_000

# The texts of each digest, mostly one; None is no value.
Values = Mapping[int, Iterable[str | None]]


def values_of(chunk: Chunk, column: str, digests: Digests) -> Values:
    """Each different value of a column by its digest, (n,); two words for true share theirs."""
    if column not in chunk.texts:
        different, rows = np.unique(digests, return_index=True)
        numbers = chunk.numbers[column][rows].tolist()
        texts = [None if math.isnan(number) else repr(number) for number in numbers]
        return {digest: [text] for digest, text in zip(different.tolist(), texts, strict=True)}
    levels = [*chunk.texts[column].levels, None]  # code -1 is no value
    codes, rows = np.unique(chunk.texts[column].codes, return_index=True)
    values: dict[int, list[str | None]] = {}
    for code, digest in zip(codes.tolist(), digests[rows].tolist(), strict=True):
        values.setdefault(digest, []).append(levels[code])
    return values


class KeptValues:
    """The values of ``columns`` in all rows, whatever the order in which they come.

    Of texts that share a digest the first in the alphabet stands for all.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._values: dict[str, dict[int, str | None]] = {column: {} for column in columns}

    def add(self, values: Mapping[str, Values]) -> None:
        """Add those of a chunk, by column.

        Raises: UserError for a column of more than MAX_VALUES.
        """
        for column, texts_by_digest in values.items():
            values_by_digest = self._values[column]
            for digest, texts in texts_by_digest.items():
                for text in texts:
                    other = values_by_digest.get(digest, text)
                    values_by_digest[digest] = text if text is None or other is None else min(text, other)
            if len(values_by_digest) > MAX_VALUES:
                raise UserError(
                    f"params.yaml: prepare.keep_values: expected a column of at most {MAX_VALUES:,} different values, "
                    f"got more in {quoted(column)}; prepare.keep alone keeps digests of any number"
                )

    def by_column(self) -> dict[str, dict[int, str | None]]:
        """The text of each digest."""
        return self._values

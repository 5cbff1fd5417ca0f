"""What the digests of kept columns stand for, in the columns that prepare.keep_values names."""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.dataset.columns import Chunk
from pipeline.dataset.row_digests import Digests
from pipeline.errors import UserError, quoted

MAX_VALUES = 1_000

# The text of each digest; None is no value.
Values = Mapping[int, str | None]


def values_of(chunk: Chunk, column: str, digests: Digests) -> Values:
    """Each different value of a column, at most one more than MAX_VALUES of them, by its digest, (n,)."""
    different, rows = np.unique(digests, return_index=True)
    pairs = zip(different[: MAX_VALUES + 1].tolist(), rows.tolist(), strict=False)
    if column in chunk.texts:
        texts = chunk.texts[column]
        levels = [*texts.levels, None]  # -1 is no value
        return {digest: levels[texts.codes[row]] for digest, row in pairs}
    numbers = chunk.numbers[column]
    return {digest: None if np.isnan(numbers[row]) else repr(float(numbers[row])) for digest, row in pairs}


class KeptValues:
    """The values of ``columns`` in all rows, whatever the order in which they come."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._values: dict[str, dict[int, str | None]] = {column: {} for column in columns}

    def add(self, values: Mapping[str, Values]) -> None:
        """Add those of a chunk, by column.

        Raises: UserError for a column of more than MAX_VALUES.
        """
        for column, texts in values.items():
            values_by_digest = self._values[column]
            for digest, text in texts.items():
                # Two words for true share a digest: the first in the alphabet stands for both.
                other = values_by_digest.get(digest)
                values_by_digest[digest] = text if other is None or text is None else min(text, other)
            if len(values_by_digest) > MAX_VALUES:
                raise UserError(
                    f"params.yaml: prepare.keep_values: expected a column of at most {MAX_VALUES:,} different values, "
                    f"got more in {quoted(column)}; prepare.keep alone keeps digests of any number"
                )

    def by_column(self) -> dict[str, dict[int, str | None]]:
        """The text of each digest."""
        return self._values

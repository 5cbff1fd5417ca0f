"""A piece of a table as numpy columns: what reading yields and encoding takes. Shapes: n rows of the piece."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

# number: float64. boolean: the words true and false, read as 1.0 and 0.0. text: as it stands in the file.
Kind = Literal["number", "boolean", "text"]

# What the target column holds.
Class = int | str | bool


@dataclass(frozen=True)
class Texts:
    """A text column: row i holds ``levels[codes[i]]``, or no value where ``codes[i]`` is -1.

    Shapes: codes (n,) int32. ``levels`` are the distinct texts of this piece only, in order of first appearance.
    """

    codes: NDArray[np.int32]
    levels: tuple[str, ...]


@dataclass(frozen=True)
class Chunk:
    """Consecutive rows of a table.

    ``first_row`` is the 1-based number of the first row, header not counted.
    ``numbers`` holds number and boolean columns, (n,) float64 with NaN for no value; ``texts`` the text columns.
    """

    first_row: int
    rows: int
    numbers: Mapping[str, NDArray[np.float64]]
    texts: Mapping[str, Texts]

    def lacks(self, column: str) -> bool:
        """Whether any row has no value in ``column``."""
        if column in self.texts:
            return bool(np.any(self.texts[column].codes < 0))
        return bool(np.any(np.isnan(self.numbers[column])))

    def where(self, mask: NDArray[np.bool_]) -> "Chunk":
        """The rows where ``mask`` (n,) holds; they keep no row numbers, so use it for statistics only."""
        return Chunk(
            first_row=self.first_row,
            rows=int(np.count_nonzero(mask)),
            numbers={name: values[mask] for name, values in self.numbers.items()},
            texts={name: Texts(texts.codes[mask], texts.levels) for name, texts in self.texts.items()},
        )

"""A piece of a table as numpy columns: what reading yields and encoding takes. Shapes: n rows of the piece."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

# number: float64; "number 1.234,5": one that is written so. boolean: the words true and false, read as 1.0 and 0.0.
# text: as it stands in the file.
# date: a date of ISO 8601, with or without a time, read as one number a part; "date %d/%m/%Y": one of that format.
ColumnType = str

# weekday: 0 is Monday. A date without a time has hour and minute 0.
DatePart = Literal["year", "month", "day", "weekday", "hour", "minute"]
DATE_PARTS: tuple[DatePart, ...] = ("year", "month", "day", "weekday", "hour", "minute")


def is_number(column_type: ColumnType) -> bool:
    """Whether columns of this type hold numbers, however they are written."""
    return column_type == "number" or column_type.startswith("number ")


def part_name(column: str, part: DatePart) -> str:
    """The name of the numbers that a part of a date column gives."""
    return f"{column} {part}"


# What the target column holds.
Class = int | str | bool


def class_text(label: Class) -> str:
    """A class as it reads in a table and in column names; booleans as JSON spells them."""
    return str(label).lower() if isinstance(label, bool) else str(label)


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
    ``numbers`` holds number and boolean columns, (n,) float64 with NaN for no value, and every part of each date column
    under its ``part_name``; ``texts`` holds the text columns. ``padded``: number columns that hold digits which begin
    with a zero, such as 007; known only while types are not settled. ``kept``: columns as they stand in the file, an
    Arrow table of texts for whoever carries them through; nothing is computed of them.
    """

    first_row: int
    rows: int
    numbers: Mapping[str, NDArray[np.float64]]
    texts: Mapping[str, Texts]
    padded: frozenset[str] = frozenset()
    kept: Any = None

    def rows_of(self, start: int, stop: int) -> "Chunk":
        """The rows from ``start`` to before ``stop``, counted from 0; they keep their row numbers."""
        if (start, stop) == (0, self.rows):
            return self
        return Chunk(
            first_row=self.first_row + start,
            rows=stop - start,
            numbers={name: values[start:stop] for name, values in self.numbers.items()},
            texts={name: Texts(texts.codes[start:stop], texts.levels) for name, texts in self.texts.items()},
            padded=self.padded,
            kept=None if self.kept is None else self.kept.slice(start, stop - start),
        )

    def lacks(self, column: str) -> bool:
        """Whether any row has no value in ``column``."""
        if column in self.texts:
            return bool(np.any(self.texts[column].codes < 0))
        return bool(np.any(np.isnan(self.numbers[self.series(column)[0]])))

    def series(self, column: str) -> list[str]:
        """The names in ``texts`` or ``numbers`` that hold the column: its own, or those of a date's parts."""
        if column in self.texts or column in self.numbers:
            return [column]
        return [part_name(column, part) for part in DATE_PARTS]

    def having(self, column: str | None) -> "Chunk":
        """The rows that have a value in the text ``column``, for statistics only; all rows without such a column."""
        if column is None or not self.lacks(column):
            return self
        return self.where(self.texts[column].codes >= 0)

    def where(self, mask: NDArray[np.bool_]) -> "Chunk":
        """The rows where ``mask`` (n,) holds; they keep no row numbers, so use it for statistics only."""
        return Chunk(
            first_row=self.first_row,
            rows=int(np.count_nonzero(mask)),
            numbers={name: values[mask] for name, values in self.numbers.items()},
            texts={name: Texts(texts.codes[mask], texts.levels) for name, texts in self.texts.items()},
        )


# Dates of ISO 8601; followed by a format it is a type of its own, such as "date %d/%m/%Y".
ISO: ColumnType = "date"


def is_date(column_type: ColumnType) -> bool:
    """Whether columns of this type hold dates."""
    return column_type == ISO or column_type.startswith(f"{ISO} ")

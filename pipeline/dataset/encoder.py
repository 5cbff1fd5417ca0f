"""The encoder: any table with the right columns -> numbers and integer codes, the columns that W expects.

Fitted on training rows by `prepare.fit_encoder`, stored as JSON in the prepared data and in the model. n rows, p number
columns of the encoding, c category columns, D = p + sum of the categories' levels.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter

from pipeline.dataset import columns
from pipeline.dataset.columns import DATE_PARTS, Chunk, Class, ColumnType, Texts
from pipeline.errors import UserError, quoted, shortened

MISSING = "<missing>"
OTHER = "<other>"
UNSEEN = "<unseen>"
RESERVED = (MISSING, OTHER, UNSEEN)

# float32 takes half of the storage, float64 keeps every digit of a table.
DType = Literal["float32", "float64"]
Numbers = NDArray[np.floating[Any]]

# The dataclasses below are the form of the JSON: what is read back must be of their fields and types.
_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class NumberColumn:
    """A number or boolean column, or a part of a date column.

    It is encoded as ``(value - shift) / scale``, no value as if it were ``mean``.
    ``mean`` is that of the training rows, in the column's unit. ``indicator``: a column of W, 1 where the value is
    missing and else 0, follows the numbers.
    """

    __pydantic_config__ = _STRICT

    name: str
    kind: ColumnType
    mean: float
    shift: float
    scale: float
    indicator: bool

    @property
    def column(self) -> str:
        """The column of the table; the name of a date's part is the column's and the part's."""
        return self.name.rpartition(" ")[0] if columns.is_date(self.kind) else self.name


@dataclass(frozen=True)
class CategoryColumn:
    """A category column: ``levels`` of the training rows in order, then MISSING if they had any, then UNSEEN.

    With too many levels, OTHER stands before UNSEEN, for all texts that have no level of their own.
    """

    __pydantic_config__ = _STRICT

    name: str
    levels: tuple[str, ...]


@dataclass(frozen=True)
class Encoded:
    """Rows as W expects them: numbers (n, p) of the encoder's dtype; codes (n, c), of levels within their column."""

    numbers: Numbers
    codes: NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Encoder:
    """Everything that turns a table into the columns of W, and the columns of W into names.

    ``dtype`` is that of encoded numbers.
    """

    __pydantic_config__ = _STRICT

    numbers: tuple[NumberColumn, ...]
    categories: tuple[CategoryColumn, ...]
    target: str
    classes: tuple[Class, ...]
    missing_values: tuple[str, ...]
    dtype: DType = "float32"

    @cached_property
    def features(self) -> tuple[str, ...]:
        """The D names of W's columns: numbers, indicators, then each category's levels as ``column=level``."""
        levels = [f"{column.name}={level}" for column in self.categories for level in column.levels]
        indicators = [f"{column.name} missing" for column in self.indicators]
        return (*(column.name for column in self.numbers), *indicators, *levels)

    @property
    def indicators(self) -> tuple[NumberColumn, ...]:
        """The number columns whose missing values have a column of their own."""
        return tuple(column for column in self.numbers if column.indicator)

    @property
    def number_count(self) -> int:
        """p: number columns and indicators."""
        return len(self.numbers) + len(self.indicators)

    @property
    def level_counts(self) -> tuple[int, ...]:
        """Levels per category column, MISSING and UNSEEN included."""
        return tuple(len(column.levels) for column in self.categories)

    @property
    def first_columns(self) -> NDArray[np.int64]:
        """The column of W of each category's first level."""
        starts = np.cumsum([self.number_count, *self.level_counts], dtype=np.int64)
        return starts[: len(self.categories)]

    @property
    def types(self) -> dict[str, ColumnType]:
        """The columns a table must have, and what each is read as."""
        types: dict[str, ColumnType] = {column.column: column.kind for column in self.numbers}
        return types | {column.name: "text" for column in self.categories}

    def encode(self, chunk: Chunk) -> Encoded:
        """Encode rows; the chunk has at least the columns of ``types``.

        Raises: UserError for a number so far from the training rows that its standardised value overflows the dtype.
        """
        return Encoded(self._encode_numbers(chunk), self._encode_codes(chunk))

    def _encode_numbers(self, chunk: Chunk) -> Numbers:
        encoded = np.empty((chunk.rows, self.number_count), dtype=self.dtype)
        following = len(self.numbers)
        with np.errstate(over="ignore"):  # looked for below, once for all columns: a request has a single row
            for position, column in enumerate(self.numbers):
                values = chunk.numbers[column.name]
                missing = np.isnan(values)
                filled = np.where(missing, column.mean, values)
                # Computed in float64, and rounded once.
                encoded[:, position] = (filled - column.shift) / column.scale
                if column.indicator:
                    encoded[:, following] = missing
                    following += 1
        if not np.isfinite(encoded).all():
            raise self._too_far(chunk, encoded)
        return encoded

    def _too_far(self, chunk: Chunk, encoded: Numbers) -> UserError:
        """The error for the first column with a number that is none any more, and its first row."""
        position, row = np.argwhere(~np.isfinite(encoded.T))[0].tolist()
        column = self.numbers[position]
        return UserError(
            f"data row {chunk.first_row + row}, column {shortened(column.name)}: "
            f"{float(chunk.numbers[column.name][row])!r} is too far from the training rows (mean {column.shift!r}, "
            f"standard deviation {column.scale!r}) to be standardised in {self.dtype}"
        )

    def _encode_codes(self, chunk: Chunk) -> NDArray[np.integer[Any]]:
        codes = np.empty((chunk.rows, len(self.categories)), dtype=code_type(self.level_counts))
        for position, column in enumerate(self.categories):
            codes[:, position] = _codes(chunk.texts[column.name], self._index[position])
        return codes

    @cached_property
    def _index(self) -> tuple[dict[str, int], ...]:
        """Per category column, the code of each text that a file may hold."""
        return tuple({level: code for code, level in enumerate(column.levels)} for column in self.categories)

    def to_json(self) -> dict[str, Any]:
        """A JSON document from which ``from_json`` makes an equal encoder; ``features`` is there for readers."""
        return {
            "features": list(self.features),
            "numbers": [dict(vars(column)) for column in self.numbers],
            "categories": [{"name": column.name, "levels": list(column.levels)} for column in self.categories],
            "target": self.target,
            "classes": list(self.classes),
            "missing_values": list(self.missing_values),
            **({} if self.dtype == "float32" else {"dtype": self.dtype}),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Encoder":
        """The encoder that ``to_json`` described.

        Raises: ValueError, pydantic's where a type is wrong, if no encoder can be described so.
        """
        content = {name: value for name, value in document.items() if name != "features"}
        encoder = _form().validate_json(json.dumps(content))
        _require_sense(encoder)
        if document.get("features") != list(encoder.features):
            raise ValueError("features: expected the names that numbers and categories give, got others")
        return encoder


@cache
def _form() -> TypeAdapter[Encoder]:
    return TypeAdapter(Encoder)


def _require_sense(encoder: Encoder) -> None:
    """Check what types do not say. Raises: ValueError that names the column."""
    for number in encoder.numbers:
        _require_number(number)
    for category in encoder.categories:
        _require_levels(category)
    if len({type(label) for label in encoder.classes}) != 1:
        raise ValueError("classes: expected labels of one type, got none or several types")
    dated = {number.column for number in encoder.numbers if columns.is_date(number.kind)}
    plain = [number.name for number in encoder.numbers if not columns.is_date(number.kind)]
    _require_distinct("column", [*plain, *dated, *(category.name for category in encoder.categories), encoder.target])
    _require_distinct("feature", encoder.features)
    _require_distinct("class", encoder.classes)


def _require_number(number: NumberColumn) -> None:
    place = f"column {quoted(number.name)}"
    if number.scale <= 0:
        raise ValueError(f"{place}: expected a scale > 0, got {number.scale!r}")
    if columns.is_date(number.kind):
        _, space, part = number.name.rpartition(" ")
        if not space or part not in DATE_PARTS:
            raise ValueError(f"{place}: expected a name that ends with the part of a date, got none")
    elif number.kind != "boolean" and not columns.is_number(number.kind):
        raise ValueError(f"{place}: expected the kind number, boolean or date, got {quoted(number.kind)}")


def _require_levels(category: CategoryColumn) -> None:
    ordinary = [level for level in category.levels if level not in RESERVED]
    own = category.levels[len(ordinary) :]
    if own not in ((UNSEEN,), (MISSING, UNSEEN), (OTHER, UNSEEN), (MISSING, OTHER, UNSEEN)):
        raise ValueError(f"column {quoted(category.name)}: expected levels that end with {UNSEEN}, got others")


def _require_distinct(what: str, names: Iterable[object]) -> None:
    seen: set[object] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{what} {quoted(name)}: expected it once, got it twice")
        seen.add(name)


def code_type(level_counts: Sequence[int]) -> np.dtype[Any]:
    """The smallest of uint8, int16 and int32 that holds every code."""
    most = max(level_counts, default=0)
    return np.dtype(np.uint8 if most <= 2**8 else np.int16 if most <= 2**15 else np.int32)


def _codes(texts: Texts, index: Mapping[str, int]) -> NDArray[np.int32]:
    # The last entry of the look-up is for code -1, no value.
    unknown = index.get(OTHER, index[UNSEEN])
    known = [unknown if level in RESERVED else index.get(level, unknown) for level in texts.levels]
    return np.array([*known, index.get(MISSING, index[UNSEEN])], dtype=np.int32)[texts.codes]

"""Columns of plain values, as JSON has them, as the columns that a model needs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.dataset.columns import Chunk, ColumnType, Texts, class_text, is_number
from pipeline.dataset.encoder import Encoder
from pipeline.errors import UserError, quoted, shortened
from pipeline.predictor import cells
from pipeline.table import locate

# Of these, values need no way through a CSV. A boolean is an int to Python, but not to a reader of tables.
_NUMBERS = frozenset((int, float))
_TEXTS = frozenset((str,))
_NONE = frozenset((type(None),))


class ValueReader:
    """Reads columns of values for one model; made once, so that a request of a row takes microseconds."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._types = encoder.types
        self._missing = frozenset(encoder.missing_values)
        # None is an empty cell, which may be a text like any other.
        none = _NONE if "" in self._missing else frozenset()
        self._number_types, self._text_types = _NUMBERS | none, _TEXTS | none
        self._plain_numbers = not any(map(locate.is_number, encoder.missing_values))

    def chunk_of(self, columns: Mapping[str, Sequence[Any]], first_row: int = 1) -> Chunk:
        """The rows of ``columns``, n values each: numbers, texts, true, false or None; others are left alone.

        Raises: UserError that names columns that are missing, or row and column of a value that does not fit.
        """
        for name in self._types:
            if name not in columns:
                cells.require_columns([*columns], self._encoder)
        rows = len(columns[next(iter(self._types))]) if self._types else max(map(len, columns.values()), default=0)
        numbers: dict[str, Any] = {}
        texts: dict[str, Texts] = {}
        for name, column_type in self._types.items():
            values = columns[name]
            if len(values) != rows:
                raise UserError(f"column {quoted(name)}: expected {rows} values, as of the others, got {len(values)}")
            if not self._read(name, column_type, values, numbers, texts):
                return self._by_arrow(columns, first_row)
        return Chunk(first_row, rows, numbers, texts)

    def _read(
        self,
        name: str,
        column_type: ColumnType,
        values: Sequence[Any],
        numbers: dict[str, Any],
        texts: dict[str, Texts],
    ) -> bool:
        """Add the column where its values are of its type; whether they are."""
        kinds = set(map(type, values))
        if column_type == "text" and kinds <= self._text_types:
            texts[name] = self._texts(values)
            return True
        if is_number(column_type) and kinds <= self._number_types and self._plain_numbers:
            try:
                column = np.array(values, dtype=np.float64)
            except OverflowError:  # an integer beyond float64
                return False
            numbers[name] = column
            # No value is NaN; a NaN that was sent is refused with the infinities, as a CSV's is.
            return bool(np.count_nonzero(np.abs(column) <= locate.LARGEST) + values.count(None) == len(values))
        return False

    def _texts(self, values: Sequence[str | None]) -> Texts:
        levels: dict[str, int] = {}
        codes = [
            -1 if value is None or value in self._missing else levels.setdefault(value, len(levels)) for value in values
        ]
        return Texts(np.array(codes, dtype=np.int32), tuple(levels))

    def _by_arrow(self, columns: Mapping[str, Sequence[Any]], first_row: int) -> Chunk:
        arrays = {name: _array(name, columns[name], first_row) for name in self._types}
        return cells.chunk_of(pa.table(arrays), self._encoder, first_row)


def _array(name: str, values: Sequence[Any], first_row: int) -> Any:
    """An Arrow array of one type, of texts where the values are of several. Raises: UserError for a nested value."""
    kinds = set(map(type, values)) - {type(None)}
    for row, value in enumerate(values, first_row):
        if not isinstance(value, (int, float, str, type(None))):
            raise UserError(
                f"row {row}, column {shortened(name)}: expected a number, a text, true, false or null, got "
                f"{quoted(value)}"
            )
    try:
        if kinds == {int, float}:
            return pa.array([None if value is None else float(value) for value in values], pa.float64())
        if len(kinds) <= 1:
            return pa.array(values)
    except OverflowError:  # an integer beyond 64 bits, or beyond float64
        pass
    return pa.array([None if value is None else class_text(value) for value in values], pa.string())

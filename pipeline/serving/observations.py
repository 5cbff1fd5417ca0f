"""What rows hold that the model has not seen: levels of a category, numbers beyond the range of the prepared table."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.columns import Chunk, is_number
from pipeline.dataset.encoder import Encoder
from pipeline.predictor.ranges import Ranges
from pipeline.predictor.unseen import KnownLevels

Notes = list[dict[str, Any]]


@dataclass(frozen=True)
class Observations:
    """``unseen``: column, value and 1-based rows; ``beyond_range``: column, minimum, maximum and rows, None where the
    range is not known.
    """

    unseen: Notes
    beyond_range: Notes | None


class Observer:
    """Looks at rows for one model; made once."""

    def __init__(self, encoder: Encoder, ranges: Ranges | None) -> None:
        """``ranges`` of columns that are no numbers of the model are left alone."""
        self._known = KnownLevels(encoder)
        names = [column.name for column in encoder.numbers if is_number(column.kind)]
        self._columns = [name for name in names if ranges is not None and name in ranges]
        bounds = [ranges[name] for name in self._columns] if ranges is not None else []
        self._has_ranges = ranges is not None
        self._low, self._high = np.array(bounds, dtype=np.float64).reshape(-1, 2).T[:, :, np.newaxis]

    def observe(self, chunk: Chunk) -> Observations:
        """What is new in these rows."""
        unseen = [
            note for column, levels in self._known.unseen(chunk).items() for note in _unseen_rows(chunk, column, levels)
        ]
        return Observations(unseen, self._beyond(chunk) if self._has_ranges else None)

    def _beyond(self, chunk: Chunk) -> Notes:
        if not self._columns:
            return []
        values = np.concatenate([chunk.numbers[name] for name in self._columns]).reshape(len(self._columns), -1)
        outside = (values < self._low) | (values > self._high)
        if not outside.any():
            return []
        return [
            {
                "column": self._columns[place],
                "minimum": float(self._low[place, 0]),
                "maximum": float(self._high[place, 0]),
                "rows": _numbers(chunk, outside[place]),
            }
            for place in np.flatnonzero(outside.any(axis=1))
        ]


def _unseen_rows(chunk: Chunk, column: str, levels: list[str]) -> Notes:
    texts = chunk.texts[column]
    order = np.argsort(texts.codes, kind="stable")
    bounds = np.searchsorted(texts.codes[order], np.arange(len(texts.levels) + 1))
    place = {level: code for code, level in enumerate(texts.levels)}
    rows = {level: order[bounds[place[level]] : bounds[place[level] + 1]] for level in levels}
    return [
        {"column": column, "value": level, "rows": (rows[level] + chunk.first_row).tolist()}
        for level in levels
        if len(rows[level])
    ]


def _numbers(chunk: Chunk, mask: NDArray[np.bool_]) -> list[int]:
    numbers: list[int] = (np.flatnonzero(mask) + chunk.first_row).tolist()
    return numbers


def by_row(notes: Notes | None, rows: int) -> list[str]:
    """The columns of each row's notes as a JSON list."""
    columns: list[list[str]] = [[] for _ in range(rows)]
    for note in notes or []:
        for row in note["rows"]:
            columns[row - 1].append(note["column"])
    return [json.dumps(each, ensure_ascii=False) if each else "[]" for each in columns]

"""Rows made from an encoder, where no table is at hand: every level, values near and far, and gaps in every column."""

from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.columns import DATE_PARTS, Chunk, Texts, is_date, is_number, part_name
from pipeline.dataset.encoder import RESERVED, Encoder

_LEAST_ROWS = 1_000
_UNSEEN = "a text that training never saw"
_FIRST_DATE, _BETWEEN_DATES = datetime(1968, 2, 29, 23, 59), timedelta(days=37, hours=5, minutes=7)


def made_rows(encoder: Encoder) -> Chunk:
    """At least 1,000 rows, and one for each level of the largest category."""
    rows = max(_LEAST_ROWS, *(len(column.levels) + 2 for column in encoder.categories), 0)
    places = np.arange(rows)
    numbers: dict[str, NDArray[np.float64]] = {}
    for position, (name, kind) in enumerate(encoder.types.items()):
        if is_date(kind):
            numbers |= _dates(name, places + position)
    for position, column in enumerate(encoder.numbers):
        if not is_date(column.kind):
            values = [0.0, 1.0, np.nan]
            if is_number(column.kind):
                spread = [column.mean + column.scale * reach for reach in (0, 0.1, -1, 1, -3, 30, -1e-9)]
                values += [*spread, column.mean, column.shift]
            numbers[column.name] = np.array(values)[(places * (position + 1) + position) % len(values)]
    texts = {}
    for position, category in enumerate(encoder.categories):
        levels = (*(level for level in category.levels if level not in RESERVED), _UNSEEN, *RESERVED)
        codes = (places + position) % (len(levels) + 1) - 1
        texts[category.name] = Texts(codes.astype(np.int32), levels)
    return Chunk(1, rows, numbers, texts)


def _dates(name: str, places: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    moments = [None if place % 11 == 0 else _FIRST_DATE + place * _BETWEEN_DATES for place in places.tolist()]
    return {
        part_name(name, part): np.array([np.nan if moment is None else _part(moment, part) for moment in moments])
        for part in DATE_PARTS
    }


def _part(moment: datetime, part: str) -> int:
    return moment.weekday() if part == "weekday" else int(getattr(moment, part))

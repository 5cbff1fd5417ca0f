"""Statistics of columns, chunk by chunk: moments, levels and missing values, exact at any size."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset import columns
from pipeline.dataset.columns import DATE_PARTS, Chunk, ColumnType, Texts, is_number, part_name
from pipeline.table import exact_moments, weighted_moments
from pipeline.table.exact_moments import Mask, Matrix, Moments
from pipeline.table.weighted_moments import WeightedMoments, totals_by_group

# Numbers whose moments are added up together: of a wide table many columns, of a long one a column at a time.
_BLOCK_NUMBERS = 1 << 15

# No more levels than this name rows, however few the rows are.
FEW_LEVELS = 20


class ColumnStatistics:
    """Running statistics of every column; the order and the size of the chunks leave no trace in them.

    ``moments``: per number or boolean column and part of a date, of its values. ``levels``: per text column, rows per
    distinct text; ``uncounted`` ones have none. ``missing``: per column, rows without a value.
    ``weights`` names the column, if there is one, that weights the moments of all others, and ``level_weights``: per
    text column, the exact weight of each distinct text in a unit of its own. Rows count without it.
    """

    def __init__(
        self, types: Mapping[str, ColumnType], uncounted: Collection[str] = (), weights: str | None = None
    ) -> None:
        self.types = dict(types)
        self.uncounted = frozenset(uncounted)
        self.weights = weights
        self.rows = 0
        dated = [name for name, column_type in types.items() if columns.is_date(column_type)]
        numbers = [name for name, column_type in types.items() if is_number(column_type) or column_type == "boolean"]
        series = [*numbers, *(part_name(name, part) for name in dated for part in DATE_PARTS)]
        self.missing = dict.fromkeys([*types, *series], 0)
        self._plain = {name: Moments() for name in series if weights in (None, name)}
        self._weighted = {name: WeightedMoments() for name in series if weights not in (None, name)}
        self.moments: dict[str, Moments | WeightedMoments] = {**self._plain, **self._weighted}
        self._dates = dated
        counted = [name for name, column_type in types.items() if column_type == "text" and name not in self.uncounted]
        self.levels: dict[str, dict[str, int]] = {name: {} for name in counted}
        self.level_weights: dict[str, dict[str, int]] = {} if weights is None else {name: {} for name in counted}

    def add(self, chunk: Chunk) -> None:
        """Count in the rows of ``chunk``, whose columns are those of ``types``."""
        self.rows += chunk.rows
        for names in _blocks(self._plain, chunk.rows):
            values, present = self._numbers(chunk, names)
            exact_moments.add_columns([self._plain[name] for name in names], values, present)
        for names in _blocks(self._weighted, chunk.rows):
            values, present = self._numbers(chunk, names)
            weights = np.broadcast_to(np.nan_to_num(chunk.numbers[str(self.weights)]), values.shape)
            weighted_moments.add_columns([self._weighted[name] for name in names], values, weights, present)
        for name in self._dates:
            self.missing[name] = self.missing[part_name(name, DATE_PARTS[0])]
        for name, levels in self.levels.items():
            self.missing[name] += _count_levels(chunk.texts[name], levels)
        for name in self.uncounted:
            self.missing[name] += int(np.count_nonzero(chunk.texts[name].codes < 0))
        for name, own in self.level_weights.items():
            _weigh_levels(chunk.texts[name], np.nan_to_num(chunk.numbers[str(self.weights)]), own)

    def _numbers(self, chunk: Chunk, names: Sequence[str]) -> tuple[Matrix, Mask | None]:
        """The columns ``names`` as (m, n) numbers, and where there are any: None for everywhere. Counts the others."""
        values = np.stack([chunk.numbers[name] for name in names])
        present = ~np.isnan(values)
        counts = np.count_nonzero(present, axis=1).tolist()
        for name, count in zip(names, counts, strict=True):
            self.missing[name] += chunk.rows - count
        return values, None if min(counts) == chunk.rows else present

    def of(self, chunk: Chunk) -> "ColumnStatistics":
        """The statistics of one chunk, of the same columns as this one."""
        statistics = ColumnStatistics(self.types, self.uncounted, self.weights)
        statistics.add(chunk)
        return statistics

    def merge(self, other: "ColumnStatistics") -> None:
        """Count in the rows that ``other``, of the same types, has counted."""
        self.rows += other.rows
        for name, missing in other.missing.items():
            self.missing[name] += missing
        for name, seen in other.moments.items():
            self.moments[name].merge(seen)  # type: ignore[arg-type]
        for name, levels in other.levels.items():
            _add_up(self.levels[name], levels)
        for name, weights in other.level_weights.items():
            _add_up(self.level_weights[name], weights)

    def count(self, name: str) -> int:
        """Rows that have a value in the column."""
        return self.rows - self.missing[name]

    def names_rows(self, name: str) -> bool:
        """Whether a text column likely holds names or numbers of rows: most of its levels stand on one row only."""
        levels = len(self.levels.get(name, ()))
        return levels > FEW_LEVELS and 2 * levels > self.count(name)


def _blocks(names: Collection[str], rows: int) -> Iterator[list[str]]:
    """``names`` in runs whose columns of so many ``rows`` hold about _BLOCK_NUMBERS numbers."""
    listed, size = list(names), max(_BLOCK_NUMBERS // max(rows, 1), 1)
    return (listed[start : start + size] for start in range(0, len(listed), size))


def _add_up(own: dict[str, int], other: Mapping[str, int]) -> None:
    for level, count in other.items():
        own[level] = own.get(level, 0) + count


def _weigh_levels(texts: Texts, weights: NDArray[np.float64], own: dict[str, int]) -> None:
    totals = totals_by_group(weights, texts.codes + 1, len(texts.levels) + 1)
    _add_up(own, dict(zip(texts.levels, totals[1:], strict=True)))


def _count_levels(texts: Texts, levels: dict[str, int]) -> int:
    """Add the rows of each text to ``levels``; returns the rows without one."""
    # Codes shifted by one: code -1, no value, is counted at 0.
    counts = np.bincount(texts.codes + 1, minlength=len(texts.levels) + 1).tolist()
    for level, rows in zip(texts.levels, counts[1:], strict=True):
        if rows:
            levels[level] = levels.get(level, 0) + rows
    return int(counts[0])

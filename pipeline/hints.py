"""What the values of a table suggest beyond their kinds: marks for no value, counts of a frequency table.

Judged by the rows of a sample, or by the levels that a survey counts.
"""

from collections.abc import Collection, Iterator

import numpy as np

from pipeline.advice import Sight
from pipeline.table import places, spellings
from pipeline.table.columns import is_number
from pipeline.table.sources import Where
from pipeline.table.survey import Survey

# Numbers that stand for no value where the next ones are far away.
_SENTINELS = (-99999.0, -9999.0, -999.0, -99.0, -9.0, 9.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0)

_FEW_WORDS = 3
_NUMBERS_PER_WORD = 5

# No frequency table crosses so many columns.
_MANY_COLUMNS = 30
_COUNTS = ("freq", "frequency", "count", "counts", "n", "weight", "weights")


def marks(source: Where, survey: Survey, mixed: Collection[str]) -> Iterator[str]:
    """What is said of columns that hold numbers and texts, where the few texts look like marks for no value."""
    for name in mixed:
        levels = survey.levels.get(name, {})
        words = {level: rows for level, rows in levels.items() if not spellings.of_text(level, ".,")}
        if words and all(map(places.is_infinite, words)):
            place, cell = places.find_cell(source, name, places.is_infinite)
            yield (
                f"{place}: expected a finite number, got {cell!r}; until it is corrected, or added to missing_values, "
                f"{name} is a category"
            )
        elif 0 < len(words) <= _FEW_WORDS and len(levels) - len(words) >= _NUMBERS_PER_WORD * len(words):
            listed = ", ".join(f"{word!r} ({rows:,})" for word, rows in words.items())
            yield f"{name} holds numbers and {listed}; if that means no value, add it to missing_values"


def sentinels(survey: Survey, sight: Sight, target: str) -> Iterator[str]:
    """What is said of numbers such as -999 that stand on several rows and far from all others of their column."""
    for name, kind in survey.kinds.items():
        if name == target or not is_number(kind) or name not in sight.sample:
            continue
        values = np.concatenate(sight.sample[name]).view(np.float64)
        distinct, counts = np.unique(values[~np.isnan(values)], return_counts=True)
        for end, rest in ((0, distinct[1:]), (-1, distinct[:-1])):
            if len(rest) > 1 and distinct[end] in _SENTINELS and counts[end] > 1:
                gap = abs(distinct[end] - rest[end])
                if gap > rest[-1] - rest[0]:
                    yield (
                        f"{name} is {distinct[end]:g} in {counts[end]:,} rows, far from all other values; "
                        f"if that means no value, add it to missing_values"
                    )


def frequencies(survey: Survey, sight: Sight, left_out: Collection[str]) -> Iterator[str]:
    """What is said of a column of counts if each row is another combination of all the others.

    Columns that are ``left_out`` do not count.
    """
    others = [name for name in survey.kinds if name not in left_out and name in sight.sample]
    for name in others if len(others) <= _MANY_COLUMNS else ():
        moments = survey.moments.get(name)
        if name.casefold() in _COUNTS and moments is not None and moments.whole and moments.minimum >= 0:
            columns = [np.concatenate(sight.sample[other]) for other in others if other != name]
            rows = np.stack(columns, axis=1) if columns else np.zeros((survey.rows, 0), dtype=np.uint64)
            are_few = all(2 * len(np.unique(column)) <= len(column) for column in columns)
            if len(columns) > 1 and are_few and len(np.unique(rows, axis=0)) == len(rows):
                yield (
                    f"{name} looks like the counts of a frequency table, since no two rows are equal without it; "
                    f"weights: {name} has each row count so many times"
                )

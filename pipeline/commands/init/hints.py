"""Doubts of `init` about values: marks for no value, sums, units, look-alikes, counts of a frequency table.

Judged by the rows of a sample, or by the levels that are counted.
"""

import re
from collections.abc import Collection, Iterator

import numpy as np

from pipeline.commands.init.column_advice import ColumnFingerprints
from pipeline.dataset.columns import is_number
from pipeline.errors import listed, quoted
from pipeline.table import likeness, locate, spellings
from pipeline.table.column_statistics import ColumnStatistics
from pipeline.table.sources import TableSource

# Numbers that stand for no value where the next ones are far away.
_SENTINELS = (-99999.0, -9999.0, -999.0, -99.0, -9.0, 9.0, 99.0, 999.0, 9999.0, 99999.0, 999999.0)

# What programs write for no value, beside the words of missing_values. Source: the list of pandas.read_csv; errors of
# Excel; what databases and statistical packages export.
_NO_VALUES = frozenset(
    {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "None"}
    | {"n/a", "NULL", "?", "-", "--", ".", "..", "\\N", "#DIV/0!", "#REF!", "#VALUE!", "#NULL!", "#NUM!"}
    | {"#NAME?", "missing"}
)
_FEW_WORDS = 3
_NUMBERS_PER_WORD = 5
_MOST_MARKS = 5
_MOST_CHARACTERS = 40  # characters of a text

_SUMS = frozenset({"total", "totals", "grand total", "subtotal", "sum", "summe", "gesamt", "insgesamt", "totale"})
_ROWS_PER_SUM = 20

# A number between signs such as < or (, and one word such as kg or *; in India thousands are in twos: 1,23,456. Of
# 10-19 or 1.2.3 it is none.
_NUMBER_WITHIN = re.compile(
    r"[^\w\s]{0,3}\s?[-+\u2212\u2013]?"
    r"(?:\d{1,3}(?:,\d{2})*,\d{3}|\d{1,3}(?:[.'\u2019]\d{3})+|\d+)(?:[.,]\d+)?"
    r"(?:\s?[^\d\s]{1,12})?"
)
_FEWEST_MARKED = 3
_NEARLY_ALL = 0.8
_MANY_LEVELS = 10_000

# No frequency table crosses so many columns.
_MANY_COLUMNS = 30
_COUNTS = ("freq", "frequency", "count", "counts", "n", "weight", "weights")


def marks(source: TableSource, statistics: ColumnStatistics, mixed: Collection[str], target: str) -> Iterator[str]:
    """Hints at texts that may mean no value: few among numbers, or what many programs write for it."""
    for name, levels in statistics.levels.items():
        usual = {level: rows for level, rows in levels.items() if level.strip() in _NO_VALUES}
        if name not in mixed:
            among, means, words = "", "no value", usual
            if name == target:  # blanks alone are told of as a class
                means, words = "no label", {level: rows for level, rows in usual.items() if level.strip()}
            words = words if len(words) < len(levels) else {}
        else:
            words = {level: rows for level, rows in levels.items() if not spellings.of_text(level, ".,")}
            among, means = "numbers and ", "no value"
            if {*words} == {name}:
                place, _ = locate.find_cell(source, name, name.__eq__)
                yield f"{place}: the header comes again; delete the line"
                continue
            if words and all(map(locate.is_infinite, words)):
                place, cell = locate.find_cell(source, name, locate.is_infinite)
                yield (
                    f"{place}: expected a finite number, got {cell!r}; until it is corrected, or added to "
                    f"missing_values, {name} is a category"
                )
                continue
            is_few = len(words) <= _FEW_WORDS and len(levels) - len(words) >= _NUMBERS_PER_WORD * len(words)
            if not is_few and len(usual) < len(words):
                continue
        if words:
            counts = [f"{quoted(word, _MOST_CHARACTERS)} ({rows:,})" for word, rows in words.items()]
            which = listed(counts, _MOST_MARKS, str)
            yield f"{name} holds {among}{which}; if that means {means}, add it to missing_values"


def sums(source: TableSource, statistics: ColumnStatistics) -> Iterator[str]:
    """Hints at lines that add up others, by the word for it in a column of texts."""
    for name, levels in statistics.levels.items():
        words = [level for level in levels if level.strip().rstrip(":").casefold() in _SUMS]
        if 0 < sum(levels[word] for word in words) <= max(1, statistics.rows // _ROWS_PER_SUM):
            place, word = locate.find_cell(source, name, words.__contains__)
            yield f"{place}: {quoted(word)} looks like the sum of other lines; if it is, delete the line"


def numbers_in_texts(statistics: ColumnStatistics, others: Collection[str]) -> Iterator[str]:
    """Hints at texts that are numbers with a unit or a sign around them; not of the columns ``others``."""
    for name, levels in statistics.levels.items():
        if name in others:
            continue
        around = [level for level in levels if _NUMBER_WITHIN.fullmatch(level.strip())]
        marked = [level for level in around if not spellings.of_text(level, ".,")]
        rows = sum(levels[level] for level in around)
        if len(marked) >= _FEWEST_MARKED and rows >= _NEARLY_ALL * statistics.count(name):
            examples = ", ".join(quoted(level, _MOST_CHARACTERS) for level in marked[:_FEWEST_MARKED])
            yield f"{name} holds numbers with more around them: {examples}; to be read as numbers they must stand alone"


def lookalikes(statistics: ColumnStatistics, target: str) -> Iterator[str]:
    """Hints at levels of a category that a person would take for one."""
    for name, levels in statistics.levels.items():
        groups = likeness.alike(levels) if name != target and len(levels) <= _MANY_LEVELS else []
        if groups:
            examples = ", ".join(quoted(level, _MOST_CHARACTERS) for level in groups[0][:_MOST_MARKS])
            more = f", and {len(groups) - 1:,} more such groups" if len(groups) > 1 else ""
            yield (
                f"{name} has levels that differ only in case, blanks or characters that no screen shows: "
                f"{examples}{more}; correct them if they are one"
            )


def sentinels(statistics: ColumnStatistics, fingerprints: ColumnFingerprints, target: str) -> Iterator[str]:
    """Hints at numbers such as -999 that stand on several rows and far from all others of their column."""
    for name, column_type in statistics.types.items():
        if name == target or not is_number(column_type) or name not in fingerprints.sample:
            continue
        values = np.concatenate(fingerprints.sample[name]).view(np.float64)
        distinct, counts = np.unique(values[~np.isnan(values)], return_counts=True)
        for end, rest in ((0, distinct[1:]), (-1, distinct[:-1])):
            if len(rest) > 1 and distinct[end] in _SENTINELS and counts[end] > 1:
                gap = abs(distinct[end] - rest[end])
                if gap > rest[-1] - rest[0]:
                    yield (
                        f"{name} is {distinct[end]:g} in {counts[end]:,} rows, far from all other values; "
                        f"if that means no value, add it to missing_values"
                    )


def frequencies(
    statistics: ColumnStatistics, fingerprints: ColumnFingerprints, left_out: Collection[str]
) -> Iterator[str]:
    """Hint at a column of counts if each row is another combination of all the others.

    Columns that are ``left_out`` do not count.
    """
    others = [name for name in statistics.types if name not in left_out and name in fingerprints.sample]
    for name in others if len(others) <= _MANY_COLUMNS else ():
        moments = statistics.moments.get(name)
        if name.casefold() in _COUNTS and moments is not None and moments.all_integers and moments.minimum >= 0:
            columns = [np.concatenate(fingerprints.sample[other]) for other in others if other != name]
            rows = np.stack(columns, axis=1) if columns else np.zeros((statistics.rows, 0), dtype=np.uint64)
            are_few = all(2 * len(np.unique(column)) <= len(column) for column in columns)
            if len(columns) > 1 and are_few and len(np.unique(rows, axis=0)) == len(rows):
                yield (
                    f"{name} looks like the counts of a frequency table, since no two rows are equal without it; "
                    f"weights: {name} has each row count so many times"
                )

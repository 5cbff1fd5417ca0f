"""Doubts of `init` about columns: those to leave out of the features, and those to look at twice.

Other checks of a table live elsewhere: refusals in `table.data_checks`, doubts while preparing in `prepare.report`,
doubts about single values in `hints`.

n rows; columns are those of ColumnStatistics. Everything but what gives the target away is judged over the whole table.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset import columns, row_digests
from pipeline.dataset.columns import Chunk
from pipeline.errors import quoted
from pipeline.prepare.schema import READ_EXACTLY
from pipeline.table import row_hash, type_inference
from pipeline.table.column_statistics import ColumnStatistics
from pipeline.table.exact_moments import Moments

# Rows in which columns are compared with the target: enough to tell, few enough to hold.
SAMPLE_ROWS = 200_000

# A column gives the target away if it alone makes a tenth of the mistakes that the largest class alone makes.
_REVEALING = 0.1
# It may, if it makes a third of them and is right in this share of rows at least.
_SUGGESTIVE, _NEARLY_ALWAYS = 1 / 3, 0.95
_MANY_LEVELS = 1_000
# In a small sample a continuous column may be unique by chance.
_ROWS_TO_TELL_APART = 100
# Of the rows, and of the largest class: many classes are all rare, and none of them is imbalanced for that.
_RARE_CLASS, _MUCH_RARER = 0.01, 0.1
_MANY_CLASSES = 10  # more than the digits
# Of fewer rows, or fewer ids, nothing is told apart.
_FEWEST_ROWS, _FEWEST_IDS = 5, 5
_WORD = re.compile(r"[^\W\d_]?[a-z]+|[A-Z]+(?![a-z])")
_NUMBER_WORDS = frozenset({"no", "nr", "num", "number", "code", "key"})
_IDS = frozenset(
    {"id", "ids", "uid", "uuid", "guid", "identifier", "subj", "subject", "patient", "participant", "respondent"}
    | {"customer", "client", "person", "individual", "household", "user", "account", "student", "employee", "case"}
)
_BINS = 100
_ROWS_IN_BIN = 20


@dataclass
class ColumnFingerprints(type_inference.Watcher):
    """Digests and a sample of each column, to compare columns; a watcher of `pipeline.table.type_inference`.

    ``prints``: per column a digest of all its values in order. The sample is the first SAMPLE_ROWS rows.
    """

    target: str
    prints: dict[str, int] = field(default_factory=dict)
    sample: dict[str, list[NDArray[np.uint64]]] = field(default_factory=dict)

    def look(self, chunk: Chunk) -> dict[str, row_digests.Digests]:
        """Each column's values as digests, which are equal where values are."""
        return {name: row_hash.of_column(chunk, name) for name in (*chunk.numbers, *chunk.texts)}

    def see(self, chunk: Chunk, looked: Mapping[str, row_digests.Digests]) -> None:
        """Take in the next rows."""
        numbers = np.arange(chunk.first_row, chunk.first_row + chunk.rows, dtype=np.uint64)
        for name, values in looked.items():
            total = self.prints.get(name, 0) + int(
                row_digests.mixed(values + row_digests.mixed(numbers)).sum(dtype=np.uint64)
            )
            self.prints[name] = total % 2**64
            if chunk.first_row <= SAMPLE_ROWS:
                column = values if name == self.target or name in chunk.texts else chunk.numbers[name].view(np.uint64)
                self.sample.setdefault(name, []).append(column)


def reasons_to_leave_out(statistics: ColumnStatistics, fingerprints: ColumnFingerprints, target: str) -> dict[str, str]:
    """The columns that are of no use as a feature, each with the reason."""
    first_with: dict[int, str] = {}
    reasons: dict[str, str] = {}
    for name, column_type in statistics.types.items():
        if columns.is_date(column_type):
            continue
        twin = first_with.setdefault(fingerprints.prints[name], name)
        if twin != name:
            reasons[name] = f"holds the values of {twin}"
        elif name != target and (reason := _reason(statistics, name)):
            reasons[name] = reason
    reasons.pop(target, None)
    return reasons


def _reason(statistics: ColumnStatistics, name: str) -> str | None:
    if statistics.count(name) == 0:
        return "has no value in any row"
    levels = statistics.levels.get(name)
    if levels is not None:
        if statistics.names_rows(name):
            return f"names the rows: {len(levels):,} levels in {statistics.count(name):,} rows"
        return "is constant" if len(levels) == 1 and not statistics.missing[name] else None
    moments = statistics.moments[name]
    if moments.minimum == moments.maximum and not statistics.missing[name]:
        is_exact = abs(moments.minimum) < READ_EXACTLY
        return "is constant" if is_exact else "is constant as float64, which rounds such long whole numbers to one"
    return "numbers the rows" if isinstance(moments, Moments) and _counts_up(moments, statistics.rows) else None


def _counts_up(moments: Moments, rows: int) -> bool:
    """Whether these are the whole numbers from 0 or 1 on, each once: sum and sum of squares say so."""
    start = int(moments.minimum) if moments.minimum in (0.0, 1.0) else None
    if start is None or moments.count != rows or moments.maximum != rows - 1 + start or rows < 3:
        return False
    last = rows - 1 + start
    total, squares = last * (last + 1) // 2, last * (last + 1) * (2 * last + 1) // 6
    return moments.total == total << 1074 and moments.squares == squares << 2148


def warnings(
    statistics: ColumnStatistics, fingerprints: ColumnFingerprints, target: str, left_out: Mapping[str, str]
) -> Iterator[str]:
    """Warnings on columns that can be used but deserve a look."""
    if statistics.missing[target]:
        gaps = "1 row has" if statistics.missing[target] == 1 else f"{statistics.missing[target]:,} rows have"
        yield f"{gaps} no {target}, of {statistics.rows:,}; missing_target: drop leaves them out"
    yield from _about_classes(target, statistics.levels[target])
    _, labels = np.unique(np.concatenate(fingerprints.sample[target]), return_inverse=True)
    for name in statistics.types:
        if name != target and name not in left_out:
            if len(statistics.levels.get(name, ())) > _MANY_LEVELS:
                count = len(statistics.levels[name])
                yield f"{name} has {count:,} levels, a column of weights each; prepare.max_levels limits them"
            if (seen := _distinct_rows(statistics, fingerprints, name)) is not None:
                each = "each row" if seen == statistics.rows else f"each of the first {seen:,} rows"
                yield f"{name} holds another whole number in {each}; if it names or numbers them, leave it out"
            elif _is_another_text_in_each_row(statistics, name):
                yield f"{name} holds another text in each row, of which nothing can be learnt; leave it out"
            elif (distinct := _values_that_come_again(statistics, fingerprints, name)) is not None:
                yield (
                    f"{name} looks like an id that comes again: {distinct:,} values in {statistics.rows:,} rows; leave "
                    "it out, and, so that nobody both trains and tests, set split.method: hash and split.key to it"
                )
            if (shares := _hits(statistics, fingerprints, name, labels)) is not None:
                right, base = shares
                yield (
                    f"{name} gives {target} away: alone it is right in {right:.1%} of rows, the largest class in "
                    f"{base:.1%}; is it known beforehand?"
                )


def _about_classes(target: str, classes: Mapping[str, int]) -> Iterator[str]:
    """Classes of so few rows, so unequal, or so many that they may not be classes; ``classes`` has the rows of each."""
    rows, single = sum(classes.values()), sum(count == 1 for count in classes.values())
    rarest = min(classes, key=lambda level: (classes[level], level))
    smallest, largest = classes[rarest], max(classes.values())
    are_numbers = len(classes) > 2 and all(level.removeprefix("-").isdecimal() for level in classes)
    if len(classes) > _MANY_CLASSES and 2 * single > len(classes):
        yield (
            f"{target} has {len(classes):,} classes in {rows:,} rows, {single:,} of them with one row, "
            "of which nothing can be learnt; does it name the rows, or is it a number?"
        )
    elif are_numbers and len(classes) > _MANY_CLASSES:
        yield (
            f"{target} has {len(classes):,} whole numbers as classes; if it counts or measures something, their order "
            "is lost: softmax regression takes them as names"
        )
    elif smallest < _RARE_CLASS * rows and smallest < _MUCH_RARER * largest:
        cure = "train.class_weight: balanced counts classes alike"
        yield (
            f"{target} is imbalanced: {quoted(rarest)} has {smallest:,} of {rows:,} rows, the largest class "
            f"{largest:,}; " + (f"{cure}, but if it is a count leave it none" if are_numbers else cure)
        )


def _distinct_rows(statistics: ColumnStatistics, fingerprints: ColumnFingerprints, name: str) -> int | None:
    """The number of rows in the sample, if a column of whole numbers holds another one in each; else None.

    Of few rows the numbers must be consecutive, or the column be called an id: a measure may differ by chance.
    """
    moments = statistics.moments.get(name)
    if moments is None or statistics.missing[name] or not moments.all_integers:
        return None
    values = np.concatenate(fingerprints.sample[name]).view(np.float64)
    rows = len(values)
    if len(np.unique(values)) < rows or rows < _FEWEST_ROWS:
        return None
    consecutive = moments.maximum - moments.minimum == statistics.rows - 1
    return rows if rows >= _ROWS_TO_TELL_APART or consecutive or _names_somebody(name) else None


def _is_another_text_in_each_row(statistics: ColumnStatistics, name: str) -> bool:
    """Whether a category tells all rows apart; of many rows it is left out already."""
    return statistics.rows >= _FEWEST_ROWS and len(statistics.levels.get(name, ())) == statistics.rows


def _values_that_come_again(statistics: ColumnStatistics, fingerprints: ColumnFingerprints, name: str) -> int | None:
    """The number of values of a column that is called an id of somebody with several rows; else None."""
    if not _names_somebody(name) or name not in fingerprints.sample or columns.is_date(statistics.types[name]):
        return None
    if name in statistics.levels:
        distinct = len(statistics.levels[name])
    elif statistics.moments[name].all_integers:
        values = np.concatenate(fingerprints.sample[name]).view(np.float64)
        distinct = len(np.unique(values[~np.isnan(values)]))
    else:
        return None
    return distinct if _FEWEST_IDS <= distinct < statistics.count(name) else None


def _names_somebody(name: str) -> bool:
    """Whether a column is called id, patient, customerID, subject_no and the like."""
    words = [word.lower() for word in _WORD.findall(name)]
    while len(words) > 1 and words[-1] in _NUMBER_WORDS:
        words.pop()
    last = words[-1] if words else ""
    return "id" in words or last in _IDS or (last.endswith("id") and last.removesuffix("id") in _IDS)


def _hits(
    statistics: ColumnStatistics, fingerprints: ColumnFingerprints, name: str, labels: NDArray[np.int64]
) -> tuple[float, float] | None:
    """The share of rows whose class is the commonest of their value's, if it is suspiciously large beside the second.

    The second is the share of the largest class. ``labels``: (n,) the classes of the sample's rows, as integers.
    """
    if name not in fingerprints.sample:
        return None
    values = np.concatenate(fingerprints.sample[name])
    if name not in statistics.levels:
        values = _binned(values.view(np.float64))
    _, groups = np.unique(values, return_inverse=True)
    pairs, counts = np.unique(groups.astype(np.int64) * (labels.max() + 1) + labels, return_counts=True)
    best = np.zeros(groups.max() + 1, dtype=np.int64)
    np.maximum.at(best, pairs // (labels.max() + 1), counts)
    # A value that stands on one row predicts nothing.
    hits = float(best[best > 1].sum()) / len(labels)
    base = float(np.bincount(labels).max()) / len(labels)
    missed = (1 - hits) / (1 - base) if base < 1 else 1
    reveals = missed < _REVEALING or (missed < _SUGGESTIVE and hits >= _NEARLY_ALWAYS)
    return (hits, base) if reveals else None


def _binned(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Numbers as bins of about equally many rows, so that no bin is right by chance."""
    present = values[~np.isnan(values)]
    bins = max(min(_BINS, len(present) // _ROWS_IN_BIN), 1)
    edges = np.unique(np.quantile(present, np.linspace(0, 1, bins + 1))) if len(present) else present
    return np.asarray(np.searchsorted(edges, values, side="right"), dtype=np.uint64)

"""A table as `init` sees it: column types, values, labels and doubts, from one reading."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.commands.init import column_advice
from pipeline.dataset.columns import DATE_PARTS, ISO, Class, ColumnType, is_date, part_name
from pipeline.errors import UserError, quoted
from pipeline.prepare.params import MISSING_VALUES
from pipeline.table import dates, header, progress, read_errors, spellings, stream, target_classes, type_inference
from pipeline.table.column_statistics import ColumnStatistics
from pipeline.table.sources import Source
from pipeline.table.spellings import PLAIN, Spelling


@dataclass(frozen=True)
class InspectedTable:
    """A table after one reading.

    ``mixed``: per column of numbers and texts, the first text. ``crowded``: per column of too many texts, which
    is not surveyed, why it is left out.
    ``dates``: per column that may hold dates, the types that all its values are of; one where that is clear.
    ``undecided``: per column of numbers whose decimal mark is not clear, the ways to read them.
    ``codes``: per column of digits with leading zeros, one such text. ``classes``: that of each label's text.
    """

    source: Source
    target: str
    statistics: ColumnStatistics
    fingerprints: column_advice.ColumnFingerprints
    mixed: Mapping[str, str]
    crowded: Mapping[str, str]
    dates: Mapping[str, Sequence[ColumnType]]
    undecided: Mapping[str, Sequence[Spelling]]
    codes: Mapping[str, str]
    classes: Mapping[str, Class]

    @property
    def dated(self) -> dict[str, ColumnType]:
        """The columns of dates, with the one type that each is of."""
        return {name: possible[0] for name, possible in self.dates.items() if len(possible) == 1}


@dataclass
class _Reading:
    """One table, and decisions about its columns: each failed reading adds one, which the next takes into account.

    ``supposed`` columns were fixed by a sample; a value that does not fit makes them what they would be else.
    """

    source: Source
    target: str
    names: list[str]
    fingerprints: column_advice.ColumnFingerprints
    mixed: dict[str, str] = field(default_factory=dict)
    crowded: dict[str, str] = field(default_factory=dict)
    fixed: dict[str, ColumnType] = field(default_factory=dict)
    supposed: set[str] = field(default_factory=set)

    @property
    def columns(self) -> type_inference.Columns:
        """The columns to read, and their declared types."""
        return type_inference.Columns(self.names, [self.target, *self.mixed], fixed=self.fixed)

    def survey(self, options: stream.ReadOptions = stream.DEFAULTS) -> ColumnStatistics:
        """Read all columns, again in another way for each that mixes numbers and texts, or has too many texts."""
        while True:
            try:
                return type_inference.learn(self.source, self.columns, MISSING_VALUES, self._watch, options)
            except (read_errors.MisfitError, read_errors.CrowdedError) as fault:
                if fault.column == self.target:
                    raise
                self._take(fault.column, fault)

    def _watch(self, _: Mapping[str, ColumnType]) -> type_inference.Watcher:
        self.fingerprints = column_advice.ColumnFingerprints(self.target)
        return self.fingerprints

    def _take(self, column: str, fault: UserError) -> None:
        """Read ``column`` in another way, or not at all, because of this error. Raises: the error if that is no use."""
        if isinstance(fault, read_errors.MisfitError) and column in self.supposed:
            self.fixed.pop(column, None)
            self.supposed.remove(column)
        elif isinstance(fault, read_errors.MisfitError) and column not in self.fixed:
            if column in self.mixed:
                raise fault
            self.mixed[column] = fault.text
            self.mixed |= {name: text for name, text in fault.others.items() if name not in self.fixed}
        elif isinstance(fault, read_errors.CrowdedError) and (possible := _date_types(column, fault.texts, self.names)):
            self.fixed[column] = possible[0]
        else:
            self.fixed.pop(column, None)
            self.mixed.pop(column, None)
            self.names.remove(column)
            self.crowded[column] = f"names the rows: more than {type_inference.MOST_LEVELS:,} distinct texts"
            if isinstance(fault, read_errors.CrowdedError) and len(spellings.common(fault.texts, ".,")) > 1:
                self.crowded[column] = (
                    f"more than {type_inference.MOST_LEVELS:,} numbers of which nothing tells the decimal mark"
                )


def inspect(source: Source, target: str) -> InspectedTable:
    """Read the whole table; columns that mix numbers and texts are taken for categories.

    Raises: UserError if there is no such column, or the target cannot be one.
    """
    names = [name for name in header.column_names(source) if name]
    if target not in names:
        raise UserError(
            f"{source}: expected a column for --target, got "
            f"{quoted(target)}{read_errors.no_column(source, target, names)}"
        )
    reading = _Reading(source, target, names, column_advice.ColumnFingerprints(target))
    with progress.bar("look", source.size()) as seen:
        statistics = reading.survey(replace(stream.DEFAULTS, watch=seen))
    if statistics.rows == 0:
        raise UserError(f"{source}: expected rows below the header line, got none")
    if supposed := _compact_dates(statistics, reading.fingerprints, target):
        reading.fixed |= supposed
        reading.supposed |= {*supposed}
        statistics = reading.survey()
    return InspectedTable(
        source=source,
        target=target,
        statistics=statistics,
        classes=target_classes.classes_of(source, target, statistics.levels[target], as_text=False),
        fingerprints=reading.fingerprints,
        mixed=reading.mixed,
        crowded=reading.crowded,
        dates=_dates_in(statistics, target),
        undecided=type_inference.undecided(source, reading.columns, statistics),
        codes=type_inference.codes(source, reading.columns, statistics),
    )


def _compact_dates(
    statistics: ColumnStatistics, fingerprints: column_advice.ColumnFingerprints, target: str
) -> dict[str, ColumnType]:
    """The type of each column of whole numbers such as 20241231, which in a sample all are dates."""
    dated: dict[str, ColumnType] = {}
    for name, column_type in statistics.types.items():
        moments = statistics.moments.get(name)
        if name == target or column_type != PLAIN or moments is None or hides_a_part(name, statistics.types):
            continue
        date_type = dates.compact(moments.minimum, moments.maximum) if moments.all_integers else None
        if date_type is not None:
            distinct = np.unique(np.concatenate(fingerprints.sample[name]).view(np.float64))
            if dates.are_of(date_type, distinct[~np.isnan(distinct)].tolist()):
                dated[name] = date_type
    return dated


def _dates_in(statistics: ColumnStatistics, target: str) -> dict[str, list[ColumnType]]:
    """The types that each column of dates can be of."""
    dated = {name: [column_type] for name, column_type in statistics.types.items() if is_date(column_type)}
    for name, levels in statistics.levels.items():
        if name != target and len(levels) > 1 and (possible := _date_types(name, levels, statistics.types)):
            dated[name] = possible
    return dated


def _date_types(column: str, texts: Collection[str], names: Collection[str]) -> list[ColumnType]:
    """The types of dates that all texts are of; none where a part of the column is called as another of ``names``."""
    if hides_a_part(column, names):
        return []
    possible = dates.possible(texts)
    return possible[:1] if ISO in possible else possible


def hides_a_part(column: str, names: Collection[str]) -> bool:
    """Whether another column is called as a part of this one would be, were it one of dates."""
    return any(part_name(column, part) in names for part in DATE_PARTS)

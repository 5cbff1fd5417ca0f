"""The type of each column: number, boolean or text, decided over all rows and never by a sample of the first ones.

The target, the columns that split, declared categories and what Parquet holds as text are read as text whatever they
hold; a column whose type is given is read as that, and only a given type makes dates.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pyarrow as pa

from pipeline.dataset.columns import Chunk, ColumnType, is_number
from pipeline.errors import UserError, quoted
from pipeline.table import locate, parsing, read_errors, sources, spellings, stream, type_rules
from pipeline.table.column_statistics import ColumnStatistics
from pipeline.table.sources import TableSource
from pipeline.table.spellings import Spelling
from pipeline.table.type_rules import TextEvidence

# A first guess costs nothing when it is wrong: the whole table decides.
_GUESS_BYTES = 1 << 20

# Distinct texts that are counted in a column: with their sorting and their JSON, about a kilobyte of memory each.
MOST_LEVELS = 500_000


class Watcher:
    """A second consumer of a reading: ``look`` runs on threads, ``see`` gets its results in the order of the rows."""

    def look(self, chunk: Chunk) -> Any:
        """Work on one chunk, whose first row is not known yet."""

    def see(self, chunk: Chunk, looked: Any) -> None:
        """Take in a chunk and the result of ``look``."""


StartCallback = Callable[[Mapping[str, ColumnType]], Watcher]


@dataclass(frozen=True)
class Columns:
    """The columns to read, in order.

    ``declared`` ones are text, ``fixed`` ones are what they say; levels of ``uncounted`` texts are not counted, and
    ``weights`` names the column that the moments of numbers are weighted by. Rows without a value in ``required``, a
    declared column, decide types like all others, but are not surveyed. ``decimal``: the mark in numbers, or auto.
    """

    names: Sequence[str]
    declared: Collection[str] = ()
    uncounted: Collection[str] = ()
    fixed: Mapping[str, ColumnType] = field(default_factory=dict)
    weights: str | None = None
    required: str | None = None
    decimal: str = "auto"

    @property
    def marks(self) -> str:
        """The characters that may be a decimal mark."""
        return spellings.MARKS[self.decimal]


@dataclass
class _Inference:
    """State of the inference: ``types`` of all columns, ``declared`` texts, and types that a value ``refused``.

    ``codes``: columns that were read as numbers, and are whole numbers of which some begin with a zero.
    """

    source: TableSource
    missing_values: Sequence[str]
    types: dict[str, ColumnType]
    declared: frozenset[str]
    refused: dict[str, set[ColumnType]]
    columns: Columns
    codes: set[str] = field(default_factory=set)

    def mixture(self, column: str) -> read_errors.MisfitError:
        return read_errors.mixture(self.source, column, self.missing_values, self.columns.marks)


def learn(
    source: TableSource,
    columns: Columns,
    missing_values: Sequence[str],
    watch: StartCallback = lambda _: Watcher(),
    options: stream.ReadOptions = stream.DEFAULTS,
) -> ColumnStatistics:
    """Read the whole table once and survey ``columns``. The types stand in the statistics.

    Where a value contradicts the type assumed so far, the column's type is widened and reading starts again; ``watch``
    is called with the types at each start and gives the watcher that sees every chunk.
    Raises: UserError for a column that mixes numbers and texts, a text with a byte 0, or a file that is not proper CSV.
    """
    texts = frozenset(columns.declared) | sources.texts_of(source)
    plain = spellings.COMMA if columns.decimal == "," else spellings.PLAIN
    guessed = _guess(source, columns, missing_values)
    types: dict[str, ColumnType] = {
        name: "text" if name in texts else guessed.get(name, plain) for name in columns.names
    }
    types |= {
        name: plain if column_type == spellings.PLAIN else column_type for name, column_type in columns.fixed.items()
    }
    reading = _Inference(source, missing_values, types, texts, {}, columns)
    while True:
        statistics = _attempt(reading, watch(reading.types), options)
        if statistics is not None and not _share_mark(reading, statistics):
            _refuse_nul(source, statistics)
            return statistics


def undecided(source: TableSource, columns: Columns, statistics: ColumnStatistics) -> dict[str, list[Spelling]]:
    """Per column of texts that are numbers of two spellings, both of them, the decimal point first."""
    declared = {*columns.declared, *sources.texts_of(source)}
    candidates = {
        name: spellings.common(levels, columns.marks)
        for name, levels in statistics.levels.items()
        if name not in declared and levels
    }
    return {name: possible for name, possible in candidates.items() if len(possible) > 1}


def codes(source: TableSource, columns: Columns, statistics: ColumnStatistics) -> dict[str, str]:
    """Per column that nobody declared and that is text since some of its whole numbers begin with a zero, the first."""
    declared = {*columns.declared, *sources.texts_of(source)}
    return {
        name: next(filter(spellings.is_padded, levels))
        for name, levels in statistics.levels.items()
        if name not in declared and type_rules.are_codes(levels)
    }


def _guess(source: TableSource, columns: Columns, missing_values: Sequence[str]) -> dict[str, ColumnType]:
    """Kinds of the first rows; nothing if they cannot be read, which the whole reading will explain."""
    rows = stream.head(source, columns.names, missing_values, _GUESS_BYTES)
    if rows is None:
        return {}
    types = {name: type_rules.of_parsed(rows.column(name), columns.marks) for name in rows.column_names}
    if any(type_rules.decimal_mark(column_type) == "," for column_type in types.values()):
        integers = [name for name in types if pa.types.is_integer(rows.schema.field(name).type)]
        types |= dict.fromkeys(integers, spellings.COMMA)
    return types


def _share_mark(reading: _Inference, statistics: ColumnStatistics) -> bool:
    """Whether columns are to be read with the decimal mark that others show; their types are then changed."""
    if reading.columns.decimal != "auto":
        return False
    marks = {type_rules.decimal_mark(column_type) for column_type in reading.types.values()} - {None}
    changed: dict[str, ColumnType] = {}
    for name, column_type in reading.types.items():
        if "," in marks and column_type == spellings.PLAIN and name not in reading.columns.fixed:
            changed[name] = spellings.COMMA
    for name, possible in undecided(reading.source, reading.columns, statistics).items() if len(marks) == 1 else ():
        changed[name] = next(spelling.column_type for spelling in possible if {spelling.decimal} == marks)
    changed = {
        name: column_type for name, column_type in changed.items() if column_type not in reading.refused.get(name, ())
    }
    reading.types.update(changed)
    return bool(changed)


def _attempt(reading: _Inference, watcher: Watcher, options: stream.ReadOptions) -> ColumnStatistics | None:
    """One reading of the table: its statistics, or None after a type had to be changed."""
    statistics = ColumnStatistics(reading.types, reading.columns.uncounted, reading.columns.weights)
    judged = {name: TextEvidence() for name in statistics.levels if name not in reading.declared | reading.codes}
    padded: set[str] = set()

    def look(chunk: Chunk) -> tuple[ColumnStatistics, Any]:
        return statistics.of(chunk.having(reading.columns.required)), watcher.look(chunk)

    request = stream.Reading(statistics.types, reading.missing_values, options)
    try:
        for chunk, (part, looked) in stream.mapped(reading.source, request, look):
            statistics.merge(part)
            padded |= chunk.padded
            watcher.see(chunk, looked)
            _refuse_mixtures(reading, statistics, judged)
            _refuse_names_of_rows(reading, statistics)
    except parsing.WrongTypeError as wrong:
        _widen(reading, statistics, wrong.column)
        _widen_like(reading, statistics, wrong.rows)
        return None
    changed = [_narrow(reading, statistics, judged), _take_codes(reading, statistics, padded)]
    return None if any(changed) else statistics


def _refuse_mixtures(reading: _Inference, statistics: ColumnStatistics, judged: Mapping[str, TextEvidence]) -> None:
    """Stop at the first chunk that shows a mixture: a column of numbers read as text would fill the memory."""
    mixed: dict[str, str] = {}
    for name, column in judged.items():
        marks = reading.columns.marks
        levels = statistics.levels[name]
        for level in islice(levels, column.levels, None) if len(levels) > column.levels else ():
            if not column.add(level, marks):
                mixed[name] = next((text for text in levels if not spellings.of_text(text, marks)), level)
                break
    if mixed:
        fault = reading.mixture(next(iter(mixed)))
        fault.others = {name: text for name, text in mixed.items() if name != fault.column}
        raise fault


def _refuse_names_of_rows(reading: _Inference, statistics: ColumnStatistics) -> None:
    """Refuse a column with too many distinct texts before they fill memory."""
    for name, levels in statistics.levels.items():
        if len(levels) > MOST_LEVELS:
            if name in reading.refused and (fault := reading.mixture(name)).text:
                raise fault
            are_codes = name in reading.codes
            raise read_errors.CrowdedError(reading.source, name, levels, MOST_LEVELS, are_codes, reading.columns.marks)


def _refuse_nul(source: TableSource, statistics: ColumnStatistics) -> None:
    """Bytes 0 are no text: a file was damaged, or is written in an encoding of two bytes a character."""
    for name, levels in statistics.levels.items():
        if any("\0" in level for level in levels):
            place, text = locate.find_cell(source, name, lambda cell: "\0" in cell)
            raise UserError(
                f"{place}: expected text, got {quoted(text)}, which holds bytes 0; was the file cut or damaged?"
            )


def _widen(reading: _Inference, statistics: ColumnStatistics, column: str) -> None:
    """Read ``column`` in another spelling or as text from now on, unless numbers and then a word were seen in it."""
    column_type = reading.types[column]
    if column in reading.columns.fixed:
        raise read_errors.misfit(reading.source, column, column_type, reading.missing_values)
    reading.types[column] = "text"
    if is_number(column_type):
        reading.refused.setdefault(column, set()).add(column_type)
        reading.types[column] = _other_spelling(reading, column, column_type, has_numbers=statistics.count(column) > 0)


def _widen_like(reading: _Inference, statistics: ColumnStatistics, rows: Any) -> None:
    """Change the types of all columns that had no value before these ``rows``, which a guess then knew nothing of.

    Else each of thousands of such columns would start the reading once more.
    """
    if rows is None:
        return
    for name, column in zip(rows.column_names, rows.columns, strict=True):
        column_type = reading.types[name]
        is_empty = statistics.count(name) == 0 and name not in reading.columns.fixed
        if is_empty and is_number(column_type) and pa.types.is_string(column.type):
            reading.refused.setdefault(name, set()).add(column_type)
            reading.types[name] = type_rules.of_parsed(column, reading.columns.marks)


def _other_spelling(reading: _Inference, column: str, column_type: ColumnType, has_numbers: bool) -> ColumnType:
    """The next type for a column of numbers that are not all of this type. Raises: UserError if it mixes."""
    text = read_errors.misfit(reading.source, column, column_type, reading.missing_values).text
    own = spellings.of_text(text, reading.columns.marks)
    if (has_numbers and not own) or column_type in {spelling.column_type for spelling in own}:
        raise reading.mixture(column)
    if column_type == spellings.COMMA:
        # The table has decimal commas, so that 1.200 is twelve hundred, unless another value says that it is not.
        own = [spelling for spelling in own if spelling.decimal == ","] or own
    possible = {spelling.column_type for spelling in spellings.simplest(own)} - reading.refused[column]
    return possible.pop() if len(possible) == 1 and len(spellings.simplest(own)) == 1 else "text"


def _narrow(reading: _Inference, statistics: ColumnStatistics, judged: Mapping[str, TextEvidence]) -> bool:
    """Whether a column that was read as text turns out to hold numbers or booleans only; its type is then changed."""
    changed = {
        name: column_type
        for name, column in judged.items()
        if column.levels and (column_type := _natural_type(reading, name, statistics.levels[name], column)) != "text"
    }
    reading.types.update(changed)
    return bool(changed)


def _take_codes(reading: _Inference, statistics: ColumnStatistics, padded: Collection[str]) -> bool:
    """Whether columns that were read as numbers turn out to hold codes; they are then read as text."""
    # Only a column without currencies and thousands separators may hold codes.
    possible = (
        name for name in padded if name not in reading.columns.fixed and statistics.types[name] in spellings.BARE
    )
    codes = [name for name in possible if statistics.moments[name].all_integers]
    reading.codes.update(codes)
    reading.types.update(dict.fromkeys(codes, "text"))
    return bool(codes)


def _natural_type(reading: _Inference, column: str, levels: Collection[str], judged: TextEvidence) -> ColumnType:
    """The type that holds all of ``levels``; refuses infinities, and numbers that float32 cannot hold."""
    if judged.has_words:
        if all(locate.is_infinite(level) for level in levels):
            raise reading.mixture(column)
        return "boolean" if {*levels} <= {*parsing.TRUE_WORDS, *parsing.FALSE_WORDS} else "text"
    possible = spellings.simplest(judged.spellings)
    if len(possible) == 1 and possible[0].column_type in spellings.BARE and type_rules.are_codes(levels):
        return "text"
    if len(possible) == 1 and possible[0].column_type in reading.refused.get(column, ()):
        raise reading.mixture(column)
    return possible[0].column_type if len(possible) == 1 else "text"

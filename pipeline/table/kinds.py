"""Which kind each column is: number, boolean or text, decided over the whole table and never by a sample of its head.

The rule, which knows no order of rows:
- all values are decimal numbers: number;
- all values are true or false (also True, TRUE, ...): boolean;
- no value is a decimal number: text, that is a category;
- numbers and texts mixed: an error that names the first text, unless the column is declared a category.

The target, the columns that split, declared categories and what Parquet holds as text are read as text whatever they
hold; a column whose type is given is read as that, and only a given type makes dates.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

import pyarrow as pa

from pipeline.errors import UserError
from pipeline.table import dates, faults, parsing, places, sources, stream
from pipeline.table.columns import Chunk, Kind
from pipeline.table.sources import Where
from pipeline.table.survey import Survey

# A first guess costs nothing when it is wrong: the whole table decides.
_GUESS_BYTES = 1 << 20

# Distinct texts that are counted in a column: with their sorting and their JSON, about a kilobyte of memory each.
MOST_LEVELS = 500_000


class CrowdedError(UserError):
    """A ``column`` of more distinct ``texts`` than are counted."""

    def __init__(self, source: Where, column: str, texts: Collection[str]) -> None:
        super().__init__(
            f"{source}, column {column}: expected at most {MOST_LEVELS:,} distinct texts, got more\n"
            "  leave it out of prepare.features, or, if it holds dates, give it the type date in prepare.types; what "
            "its rows have in common, such as a prefix, belongs in a column of its own"
        )
        self.column = column
        self.texts = texts


class Watcher(Protocol):
    """What else a reading gathers: ``look`` runs on threads, ``see`` gets its results in the order of the rows."""

    def look(self, chunk: Chunk) -> Any:
        """Work on one chunk, whose first row is not known yet."""

    def see(self, chunk: Chunk, looked: Any) -> None:
        """Take in a chunk and what ``look`` made of it."""


class _Nobody:
    def look(self, chunk: Chunk) -> None: ...

    def see(self, chunk: Chunk, looked: None) -> None: ...


Watch = Callable[[Mapping[str, Kind]], Watcher]


@dataclass(frozen=True)
class Columns:
    """The columns to read, in order.

    ``declared`` ones are text, ``fixed`` ones are what they say; levels of ``uncounted`` texts are not counted, and
    ``weights`` names the column that the moments of numbers are weighted by. Rows without a value in ``required``, a
    declared column, decide kinds like all others, but are not surveyed.
    """

    names: Sequence[str]
    declared: Collection[str] = ()
    uncounted: Collection[str] = ()
    fixed: Mapping[str, Kind] = field(default_factory=dict)
    weights: str | None = None
    required: str | None = None


def require_type(declared: str) -> str:
    """The type that a person declares a column to be of: a kind, or category for text.

    Raises: ValueError, which says what was expected, for any other.
    """
    if dates.is_date(declared):
        dates.require_format(declared)
    elif declared not in ("number", "category", "boolean"):
        raise ValueError(f"number, category, boolean, date, or a format such as 'date %d/%m/%Y', got {declared!r}")
    return declared


@dataclass
class _Reading:
    """What is known so far: ``kinds`` of all columns, ``declared`` texts, and those ``refused`` as numbers."""

    source: Where
    missing_values: Sequence[str]
    kinds: dict[str, Kind]
    declared: frozenset[str]
    refused: set[str]
    columns: Columns


def learn(
    source: Where,
    columns: Columns,
    missing_values: Sequence[str],
    watch: Watch = lambda _: _Nobody(),
    pace: stream.Pace = stream.PACE,
) -> Survey:
    """Read the whole table once and survey ``columns``. The kinds stand in the survey.

    Where a value contradicts the kind assumed so far, the column's kind is widened and reading starts again; ``watch``
    is called with the kinds at each start and gives the watcher that sees every chunk.
    Raises: UserError for a column that mixes numbers and texts, a text with a byte 0, or a file that is not proper CSV.
    """
    texts = frozenset(columns.declared) | sources.texts_of(source)
    guessed = _guess(source, columns.names, missing_values)
    kinds: dict[str, Kind] = {name: "text" if name in texts else guessed.get(name, "number") for name in columns.names}
    kinds |= columns.fixed
    reading = _Reading(source, missing_values, kinds, texts, set(), columns)
    while True:
        survey = _attempt(reading, watch(reading.kinds), pace)
        if survey is not None:
            _refuse_nul(source, survey)
            return survey


def _guess(source: Where, columns: Sequence[str], missing_values: Sequence[str]) -> dict[str, Kind]:
    """Kinds of the first rows; nothing if they cannot be read, which the whole reading will explain."""
    schema = stream.guess(source, columns, missing_values, _GUESS_BYTES)
    return {} if schema is None else {field.name: _kind_of(field.type) for field in schema}


def _kind_of(arrow: pa.DataType) -> Kind:
    types = pa.types
    if types.is_integer(arrow) or types.is_floating(arrow) or types.is_null(arrow):
        return "number"
    return "boolean" if types.is_boolean(arrow) else "text"


def _attempt(reading: _Reading, watcher: Watcher, pace: stream.Pace) -> Survey | None:
    """One reading of the table: its survey, or None after a kind had to be changed."""
    survey = Survey(reading.kinds, reading.columns.uncounted, reading.columns.weights)
    judged = dict.fromkeys(survey.levels, 0)

    def look(chunk: Chunk) -> tuple[Survey, Any]:
        return survey.of(chunk.having(reading.columns.required)), watcher.look(chunk)

    try:
        for seen in stream.mapped(reading.source, stream.Reading(survey.kinds, reading.missing_values, pace), look):
            part, looked = seen.result
            survey.merge(part)
            watcher.see(seen.chunk, looked)
            _refuse_mixtures(reading, survey, judged)
            _refuse_names_of_rows(reading, survey)
    except parsing.WrongKindError as wrong:
        _widen(reading, survey, wrong.column)
        return None
    return None if _narrow(reading, survey) else survey


def _refuse_mixtures(reading: _Reading, survey: Survey, judged: dict[str, int]) -> None:
    """Stop at the first chunk that shows a mixture: a column of numbers read as text would fill the memory."""
    for name, levels in survey.levels.items():
        if name not in reading.declared and len(levels) > judged[name]:
            # The levels judged before are all of one sort, so the first stands for them.
            first = islice(levels, 1)
            _natural_kind(reading, name, [*first, *islice(levels, judged[name], None)])
            judged[name] = len(levels)


def _refuse_names_of_rows(reading: _Reading, survey: Survey) -> None:
    """Stop before the texts of a column that is another in every row fill the memory, at any size of the table."""
    for name, levels in survey.levels.items():
        if len(levels) > MOST_LEVELS:
            raise CrowdedError(reading.source, name, levels)


def _refuse_nul(source: Where, survey: Survey) -> None:
    """Bytes 0 are no text: a file was damaged, or is written in an encoding of two bytes a character."""
    for name, levels in survey.levels.items():
        if any("\0" in level for level in levels):
            place, text = places.find_cell(source, name, lambda cell: "\0" in cell)
            raise UserError(f"{place}: expected text, got {text!r}, which holds bytes 0; was the file cut or damaged?")


def _widen(reading: _Reading, survey: Survey, column: str) -> None:
    """Read ``column`` as text from now on, unless numbers were already seen in it."""
    if column in reading.columns.fixed:
        raise faults.misfit(reading.source, column, reading.columns.fixed[column], reading.missing_values)
    if reading.kinds[column] == "number":
        reading.refused.add(column)
        if survey.count(column) > 0:
            raise faults.misfit(reading.source, column, "number", reading.missing_values)
    reading.kinds[column] = "text"


def _narrow(reading: _Reading, survey: Survey) -> bool:
    """Whether a column that was read as text turns out to hold numbers or booleans only; its kind is then changed."""
    natural = {
        name: _natural_kind(reading, name, levels)
        for name, levels in survey.levels.items()
        if name not in reading.declared and levels
    }
    for name, kind in natural.items():
        if kind == "text" and all(places.is_infinite(level) for level in survey.levels[name]):
            raise faults.misfit(reading.source, name, "number", reading.missing_values)
    changed = {name: kind for name, kind in natural.items() if kind != "text"}
    reading.kinds.update(changed)
    return bool(changed)


def _natural_kind(reading: _Reading, column: str, levels: Collection[str]) -> Kind:
    """The kind that holds all of ``levels``; refuses a mixture, and numbers that float32 cannot hold."""
    numbers = {places.is_number(level) for level in levels}
    unusable = numbers == {True} and column in reading.refused
    if len(numbers) == 2 or unusable:
        raise faults.misfit(reading.source, column, "number", reading.missing_values)
    if numbers == {True}:
        return "number"
    return "boolean" if {*levels} <= {*parsing.TRUE_WORDS, *parsing.FALSE_WORDS} else "text"

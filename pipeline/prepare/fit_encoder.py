"""Fit the encoder: from statistics of the training rows to the encoding of every table."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from pipeline.dataset import columns
from pipeline.dataset.columns import DATE_PARTS, Class, ColumnType, DatePart, part_name
from pipeline.dataset.encoder import MISSING, OTHER, UNSEEN, CategoryColumn, DType, Encoder, NumberColumn
from pipeline.errors import UserError, listed, quoted
from pipeline.table import dates, locate
from pipeline.table.column_statistics import ColumnStatistics
from pipeline.table.sources import TableSource
from pipeline.table.weighted_moments import WeightedMoments

# Levels of a category that have a column of W each, unless the params say otherwise.
MAX_LEVELS = 10_000


def fit(
    source: TableSource,
    training: ColumnStatistics,
    features: Sequence[str],
    target: str,
    classes: Sequence[Class],
    missing_values: Sequence[str],
    standardise: bool,
    date_parts: Sequence[DatePart] = (),
    max_levels: int = MAX_LEVELS,
    dtype: DType = "float32",
) -> Encoder:
    """The encoder for ``features``, in that order, given the statistics of the training rows.

    Standardising takes mean and population standard deviation (divided by n) of the values that are present; a constant
    column keeps scale 1, booleans stay 0 and 1.
    Raises: UserError for a column without a value in the training rows, or two features of one name.
    """
    empty = [name for name in features if training.count(name) == 0 or _weightless(training, name)]
    if empty:
        raise UserError(
            f"{source}: no value in any training row of column {listed(empty)}; leave it out of prepare.features, "
            "or see whether prepare.missing_values takes its values for missing"
        )
    encoder = Encoder(
        numbers=tuple(number for name in features for number in _numbers(training, name, standardise, date_parts)),
        categories=tuple(_category(training, name, max_levels) for name in features if name in training.levels),
        target=target,
        classes=tuple(classes),
        missing_values=tuple(missing_values),
        dtype=dtype,
    )
    _refuse_twins(source, encoder)
    return encoder


def _weightless(training: ColumnStatistics, name: str) -> bool:
    """Whether all values of a weighted number column have weight 0."""
    name = part_name(name, DATE_PARTS[0]) if columns.is_date(training.types[name]) else name
    moments = training.moments.get(name)
    return isinstance(moments, WeightedMoments) and moments.weights.total == 0


def _numbers(
    training: ColumnStatistics, name: str, standardise: bool, date_parts: Sequence[DatePart]
) -> Iterator[NumberColumn]:
    column_type = training.types[name]
    if not columns.is_date(column_type):
        if name in training.moments:
            yield _number(training, name, column_type, standardise)
        return
    for position, part in enumerate(_parts(column_type, date_parts)):
        number = _number(training, part_name(name, part), column_type, standardise)
        # A date is missing with all its parts: one column of W for it is enough.
        yield replace(number, indicator=number.indicator and position == 0)


def _parts(column_type: ColumnType, date_parts: Sequence[DatePart]) -> Sequence[DatePart]:
    """Of ``date_parts`` those that dates of this type tell; of a time of day, hour and minute in any case."""
    available = dates.parts_of(column_type)
    asked = [part for part in date_parts if part in available]
    return available if dates.is_time_of_day(column_type) or not asked else asked


def _number(training: ColumnStatistics, name: str, column_type: ColumnType, standardise: bool) -> NumberColumn:
    moments = training.moments[name]
    standardised = standardise and column_type != "boolean"
    return NumberColumn(
        name=name,
        kind=column_type if column_type != "text" else "number",
        mean=moments.mean(),
        shift=moments.mean() if standardised else 0.0,
        scale=(moments.standard_deviation() or 1.0) if standardised else 1.0,
        indicator=training.missing[name] > 0,
    )


def _category(training: ColumnStatistics, name: str, max_levels: int) -> CategoryColumn:
    levels = training.levels[name]
    missing = [MISSING] if training.missing[name] else []
    if len(levels) <= max_levels:
        return CategoryColumn(name, (*ordered(levels), *missing, UNSEEN))
    # The levels of most rows, or of most weight, stay; of as many rows, those that sort first.
    worth = training.level_weights.get(name, levels)
    common = sorted(levels, key=lambda level: (-worth[level], level))[:max_levels]
    return CategoryColumn(name, (*ordered(common), *missing, OTHER, UNSEEN))


def ordered(levels: Iterable[str]) -> list[str]:
    """Levels sorted by code point, but codes that are all numbers as numbers: 2 before 10."""
    texts = sorted(levels)
    return sorted(texts, key=float) if all(locate.is_number(text) for text in texts) else texts


def _refuse_twins(source: TableSource, encoder: Encoder) -> None:
    seen: set[str] = set()
    for name in encoder.features:
        if name in seen:
            raise UserError(f"{source}: two columns of W would both be named {quoted(name)}; rename one in the header")
        seen.add(name)

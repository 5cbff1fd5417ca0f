"""The lines that `prepare` prints, with its doubts: what is allowed but seldom meant.

Refusals are in `table.data_checks`; doubts before a table is prepared in `commands.init`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.columns import Class
from pipeline.dataset.encoder import OTHER, Encoder
from pipeline.dataset.shard import SPLITS
from pipeline.errors import listed, quoted
from pipeline.prepare.fit_encoder import ordered
from pipeline.prepare.schema import EXACT_INTEGERS, READ_EXACTLY
from pipeline.table import likeness, locate, spellings
from pipeline.table.column_statistics import ColumnStatistics
from pipeline.table.sources import Source
from pipeline.table.spellings import Spelling

_NAMED = 3
_COLUMNS = 10  # or classes, that a line of the report names


def source_line(source: Source) -> str:
    """The report's line on the files, and on what their text was taken for, be it told or sniffed."""
    first = source.files[0]
    many = "1 file" if len(source.files) == 1 else f"{len(source.files):,} files"
    form = "Parquet" if source.is_parquet else f"separator {first.separator!r}, encoding {first.encoding}"
    return f"source    {many}, {form}"


def report_lines(
    statistics: ColumnStatistics,
    encoder: Encoder,
    class_rows: Mapping[Class, int],
    split_rows: Mapping[str, int],
    dropped: int = 0,
) -> list[str]:
    """A few lines for the terminal: what was read, what was filled in, and what to look at twice."""
    numbers, categories = len(encoder.numbers), len(encoder.categories)
    shares = [f"{name} ({rows:,})" for name, rows in class_rows.items()]
    without_label = f"dropped   {dropped:,} of {statistics.rows + dropped:,} rows, which have no {encoder.target}"
    return [
        f"rows      {statistics.rows:,}: " + ", ".join(f"{name} {rows:,}" for name, rows in split_rows.items() if rows),
        f"features  {len(encoder.features)} from {_columns(numbers, 'number')} and {_columns(categories, 'category')}",
        f"target    {encoder.target}: {len(class_rows)} classes: {listed(shares, _COLUMNS)}",
        *_spelled(statistics),
        *([without_label] if dropped else []),
        *_filled(statistics, encoder),
        *_merged(statistics, encoder),
        *(f"warning   {warning}" for warning in warnings(statistics, encoder)),
    ]


def _columns(count: int, column_type: str) -> str:
    return f"{count} {column_type} column" + ("" if count == 1 else "s")


def kept_lines(kept: Collection[str]) -> Iterator[str]:
    """The report's line on the columns that are kept, if there are any."""
    if kept:
        yield f"kept      {listed(kept, _COLUMNS)}: no features; digests of their values lie beside the rows"


def header_doubts(names: Sequence[str], target: str, levels: Mapping[str, Collection[str]]) -> Iterator[str]:
    """Doubt about a first row of data where the header should be.

    All names beside the target's are numbers, or texts that the column holds: one number at least, or a target called
    as one of its labels. 0, 1, 2, ... are names that programs give, and no doubt.
    """
    features = [name for name in names if name != target]
    counted = all(name == str(position) for position, name in enumerate(names))
    numbers = [name for name in features if locate.is_number(name)]
    others = [name for name in features if not locate.is_number(name)]
    are_values = all(name in levels.get(name, ()) for name in others)
    if features and not counted and are_values and (numbers or target in levels.get(target, ())):
        what = "numbers" if not others else "values that they hold"
        yield (
            f"all columns are called by {what} ({listed(features)}): if the first line is a row of data, the header "
            "line with the names is missing; add it, or that row is lost"
        )


def grouping_doubts(cells: Mapping[str, str]) -> Iterator[str]:
    """Doubt about thousands that are read as fractions; ``cells``: per column, one such cell."""
    if cells:
        cell = next(iter(cells.values()))
        value = cell.replace(".", "")
        yield (
            f"{listed(cells, _COLUMNS)}: every point has three digits behind it, so {cell} may be {value}: read as "
            f'{float(cell):g}; set prepare.decimal: "," if the points stand between thousands, or "."'
        )


def label_doubts(target: str, levels: Collection[str]) -> Iterator[str]:
    """Doubts about labels that look like one class and are two, or like no label at all."""
    groups = likeness.alike(levels)
    for group in groups[:_NAMED]:
        yield (
            f"{target}: {', '.join(map(quoted, group[:_NAMED]))} are classes of their own, though they differ only in "
            "case, blanks or characters that no screen shows; correct them if they are one"
        )
    if len(groups) > _NAMED:
        yield f"{target}: {len(groups) - _NAMED:,} more groups of classes differ only so"
    for level in levels:
        if level and not level.strip():
            yield f"{target}: {quoted(level)} is a class; if it means no label, add it to prepare.missing_values"


def label_lines(target: str, classes: Mapping[str, Class]) -> Iterator[str]:
    """The report's lines on labels that are not written as the class is called; ``classes`` has that of each text."""
    texts: dict[Class, list[str]] = {}
    for text, label in classes.items():
        texts.setdefault(label, []).append(text)
    cure = (
        f"prepare.categories: [{target if target.isidentifier() else quoted(target)}] keeps labels as they are written"
    )
    merged = [f"{label} is {' and '.join(map(quoted, own[:_NAMED]))}" for label, own in texts.items() if len(own) > 1]
    padded = next((text for text, label in classes.items() if text != label and spellings.is_padded(text)), None)
    if merged:
        yield f"labels    several texts are one class: {listed(merged, _NAMED, str, '; ')}; {cure}"
    elif padded is not None:
        yield f"labels    whole numbers, so that {padded} is {classes[padded]}; {cure}"


def spelling_doubts(
    statistics: ColumnStatistics, undecided: Mapping[str, Sequence[Spelling]], declared: Collection[str] = ()
) -> Iterator[str]:
    """Doubts about numbers that are read as a category or as other numbers since nothing in the table tells.

    Nothing is doubted of columns whose type is ``declared``.
    """
    for name, possible in undecided.items():
        text = next(text for text in statistics.levels[name] if all(spelling.matches(text) for spelling in possible))
        values = " or ".join(f"{spelling.value_of(text):.12g}" for spelling in possible)
        yield (
            f"{name}: {text} may be {values}: read as a category; set prepare.decimal: "
            + " or ".join(f'"{spelling.decimal}"' for spelling in possible)
        )
    commas = [
        name
        for name, column_type in statistics.types.items()
        if (spelling := spellings.of_type(column_type)) is not None and spelling.decimal == ","
    ]
    for name, column_type in statistics.types.items() if commas else ():
        if column_type == spellings.PLAIN and name not in declared:
            yield (
                f"{name}: read as numbers with a decimal point, though {commas[0]} has decimal commas; "
                'set prepare.decimal: "," if the points stand between thousands'
            )


def _spelled(statistics: ColumnStatistics) -> Iterator[str]:
    columns: dict[str, list[str]] = {}
    for name, column_type in statistics.types.items():
        if (spelling := spellings.of_type(column_type)) is not None:
            columns.setdefault(str(spelling), []).append(name)
    for how, names in columns.items():
        yield f"numbers   read {how}: {listed(names, _COLUMNS)}"


def code_lines(names: Collection[str]) -> Iterator[str]:
    """The report's line on columns that are no numbers only because of the zeros that some of their values begin with.

    The type that brings the numbers back is told of the first.
    """
    if names:
        name = next(iter(names))
        first = name if name.isidentifier() else quoted(name)
        yield (
            f"codes     read as categories, since some begin with 0: {listed(names, _COLUMNS)}; "
            f"prepare.types: {{{first}: number}} reads numbers"
        )


def _filled(statistics: ColumnStatistics, encoder: Encoder) -> Iterator[str]:
    gaps = [f"{name} ({statistics.missing[name]:,})" for name in encoder.types if statistics.missing[name]]
    if gaps:
        means = "numbers by the mean of the training rows, categories by a level of their own"
        yield f"missing   filled in: {', '.join(gaps)}; {means}"


def _merged(statistics: ColumnStatistics, encoder: Encoder) -> Iterator[str]:
    for category in encoder.categories:
        if OTHER in category.levels:
            own_levels = frozenset(category.levels)
            rest = {level: rows for level, rows in statistics.levels[category.name].items() if level not in own_levels}
            yield (
                f"other     {category.name}: {len(rest):,} rare levels with {sum(rest.values()):,} rows are one, "
                f"{OTHER}: {listed(ordered(rest), _NAMED, quoted)}; prepare.max_levels is the limit"
            )


def straddling_lines(rows: int) -> Iterator[str]:
    """The report's line on rows held out of training that equal a training row, if there are any."""
    if rows:
        were = "row of validation and test equals a" if rows == 1 else "rows of validation and test equal a"
        way_out = "split.method hash without a key keeps them together"
        yield f"warning   {rows:,} {were} training row in features and label; {way_out}"


def held_out_lines(
    asked_for: Mapping[str, float], class_rows: Mapping[str, NDArray[np.int64]], classes: Sequence[Class]
) -> Iterator[str]:
    """The report's lines on rows held out of training that judge no model.

    ``asked_for`` are the shares of the split; ``class_rows`` has, for each split, the rows of weight above 0 of each of
    the k classes, (k,).
    """
    for name in SPLITS[1:]:
        rows, present = int(class_rows[name].sum()), np.flatnonzero(class_rows[name])
        if not rows and name in asked_for:
            yield (
                f"warning   {name}: no row, though split.{name} is {asked_for[name]:g}; there are too few rows for "
                "such a share: raise it, or set it to 0"
            )
        elif len(present) == 1 and len(classes) > 1:
            were = "its only row is" if rows == 1 else f"all its {rows:,} rows are"
            yield (
                f"warning   {name}: {were} of class {classes[present[0]]}; accuracy, balanced accuracy and F1 "
                "say nothing of the other classes there"
            )


def warnings(statistics: ColumnStatistics, encoder: Encoder) -> Iterator[str]:
    """Warnings on columns: rounded whole numbers, and categories that may name the rows."""
    for column in encoder.numbers:
        moments = statistics.moments[column.name]
        largest = max(abs(moments.minimum), abs(moments.maximum))
        is_rounded = moments.all_integers and encoder.dtype == "float32"
        if moments.all_integers and largest >= READ_EXACTLY:
            yield (
                f"{column.name}: whole numbers up to {largest:.6g} are read as float64, which is exact up to "
                f"{READ_EXACTLY:,}; add it to prepare.categories if it is a code"
            )
        elif is_rounded and largest > EXACT_INTEGERS and column.shift == 0.0 and column.scale == 1.0:
            yield (
                f"{column.name}: whole numbers up to {largest:.0f} are rounded to float32, which is exact up to "
                f"{EXACT_INTEGERS:,}; set prepare.dtype: float64 or prepare.standardise, or add it to "
                "prepare.categories if it is a code"
            )
    for category in encoder.categories:
        if statistics.names_rows(category.name):
            levels = len(statistics.levels[category.name])
            yield (
                f"{category.name}: {levels:,} levels in {statistics.count(category.name):,} rows; "
                "if it names the rows, leave it out of prepare.features"
            )

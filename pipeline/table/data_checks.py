"""Refusals: a table that cannot be learnt from, each fault with its lines.

Doubts, which stop nothing, are in `prepare.report` and in `commands.init`.
"""

from collections.abc import Mapping, Sequence

from pipeline.dataset.columns import Class
from pipeline.dataset.encoder import RESERVED
from pipeline.errors import UserError, listed, quoted, shortened
from pipeline.table import locate, spellings
from pipeline.table.column_statistics import ColumnStatistics
from pipeline.table.sources import TableSource
from pipeline.table.spellings import Spelling


def require_labels(
    source: TableSource, target: str, missing_values: Sequence[str], statistics: ColumnStatistics, dropped: int = 0
) -> None:
    """Check that there are rows, and that each has a label but those that were ``dropped`` before."""
    if statistics.rows + dropped == 0:
        raise UserError(f"{source}: expected rows below the header line, got none")
    missing = statistics.missing[target]
    if missing:
        lines = locate.lines_without_value(source, target, missing_values, limit=5)
        numbers = ", ".join(map(str, lines)) + (", ..." if missing > len(lines) else "")
        raise UserError(
            f"{source}, column {shortened(target)}: {missing:,} of {statistics.rows:,} rows have no label: "
            f"line {numbers}; set prepare.missing_target: drop, or correct prepare.missing_values if a label is taken "
            "for missing"
        )


def refuse_undecided(source: TableSource, undecided: Mapping[str, Sequence[Spelling]]) -> None:
    """Stop before rows are split by the text of numbers that another value may decide, which would move them."""
    for name, possible in undecided.items():
        types = " or ".join(f"'{spelling.column_type}'" for spelling in possible)
        raise UserError(
            f"{source}, column {shortened(name)}: split.method hash would move rows once a value tells whether "
            f"these are {types}\n"
            "  set prepare.decimal, or give the column one of them as its type in prepare.types, or category"
        )


def require_no_reserved_text(source: TableSource, statistics: ColumnStatistics, features: Sequence[str]) -> None:
    """Check that no category holds a text by which the encoder names a level of its own."""
    for name in features:
        for reserved in RESERVED:
            if reserved in statistics.levels.get(name, ()):
                place, _ = locate.find_cell(source, name, reserved.__eq__)
                raise UserError(f"{place}: the text {reserved!r} is reserved; write it differently")


def require_weights(
    source: TableSource, column: str, missing_values: Sequence[str], statistics: ColumnStatistics, others: locate.Others
) -> None:
    """Check that every row that ``others`` hold of has a weight, none below 0."""
    if statistics.missing[column] == 0 and statistics.moments[column].minimum >= 0:
        return

    spelling = spellings.of_type(statistics.types[column])

    def is_wrong(cell: str) -> bool:
        return cell in missing_values or (float(cell) if spelling is None else spelling.value_of(cell)) < 0

    place, text = locate.find_cell(source, column, is_wrong, others)
    raise UserError(f"{place}: expected a weight >= 0, got {quoted(text)}")


def require_weight_to_train(source: TableSource, column: str, training: ColumnStatistics) -> None:
    """Check that not all training rows have weight 0."""
    if training.moments[column].maximum <= 0:
        raise UserError(
            f"{source}, column {shortened(column)}: all training rows have weight 0; correct prepare.weights"
        )


def require_training_rows(
    source: TableSource, target: str, classes: Mapping[str, Class], training: ColumnStatistics
) -> None:
    """Check that each class has training rows; ``classes`` maps each label's text to its class."""
    trained = {classes[text] for text in training.levels[target]}
    absent = sorted(set(classes.values()) - trained)
    if absent:
        raise UserError(
            f"{source}: the split leaves no training row of class {listed(absent, write=quoted)}; "
            "change prepare.split, or remove the rows of that class"
        )

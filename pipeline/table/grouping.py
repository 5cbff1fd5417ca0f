"""Points that may stand between thousands: 1.200 beside 300 is 1.2 to a program, and 1,200 in much of Europe."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pipeline.table import locate, sources, spellings
from pipeline.table.column_statistics import ColumnStatistics
from pipeline.table.sources import TableSource

_LOOKED_AT = 300_000  # cells, in half a second; most columns are settled by their first ones
_FEWEST, _FEWEST_OF_MANY = 3, 1_000
_GROUPED = re.compile(r"[ \t]*[+-]?[1-9][0-9]{0,2}\.[0-9]{3}[ \t]*")
_BELOW_A_THOUSAND = re.compile(r"[ \t]*[+-]?(0|[1-9][0-9]{0,2})[ \t]*")


@dataclass
class _Cells:
    """The first cell with three digits behind its point, how many there are, and whole numbers below a thousand."""

    first: str = ""
    grouped: int = 0
    below: int = 0


def doubtful(
    source: TableSource, statistics: ColumnStatistics, missing_values: Sequence[str], declared: Collection[str] = ()
) -> dict[str, str]:
    """Per column of plain numbers all of whose points have three digits behind them, one such cell.

    Beside them stand whole numbers below a thousand, as a program that writes decimals in full would not write them;
    where cells are separated by semicolons, as they are beside decimal commas, they need not.
    """
    first = sources.files_of(source)[0]
    if sources.texts_of(first) or first.is_parquet:
        return {}
    open_columns = {
        name: _Cells()
        for name, column_type in statistics.types.items()
        if column_type == spellings.PLAIN and name not in declared and _may_be_grouped(statistics, name)
    }
    place_of: dict[str, int] = {}
    looked_at = 0
    for record in locate.records(first) if open_columns else ():
        if not place_of:
            place_of = {name: place for place, name in enumerate(record.cells)}
            continue
        for name in list(open_columns):
            cell, seen = record.cells[place_of[name]], open_columns[name]
            if _GROUPED.fullmatch(cell):
                seen.first = seen.first or cell.strip()
                seen.grouped += 1
            elif _BELOW_A_THOUSAND.fullmatch(cell):
                seen.below += 1
            elif cell not in missing_values:
                del open_columns[name]
        looked_at += len(open_columns)
        if not open_columns or looked_at > _LOOKED_AT:
            break
    fewest = _FEWEST if looked_at <= _LOOKED_AT else _FEWEST_OF_MANY
    return {
        name: seen.first
        for name, seen in open_columns.items()
        if seen.grouped >= fewest and (seen.below or first.separator == ";")
    }


def _may_be_grouped(statistics: ColumnStatistics, name: str) -> bool:
    moments = statistics.moments[name]
    return not moments.all_integers and max(abs(moments.minimum), abs(moments.maximum)) < 1_000

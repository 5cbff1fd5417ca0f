"""schema.json: each column of the source with its role, type and content."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.dataset.columns import DATE_PARTS, is_date, part_name
from pipeline.prepare.fit_encoder import ordered
from pipeline.table.column_statistics import ColumnStatistics

# float32 holds every integer up to the first, float64 up to the second.
EXACT_INTEGERS = 2**24
READ_EXACTLY = 2**53


def describe(
    statistics: ColumnStatistics,
    roles: Mapping[str, str],
    ignored: Sequence[str],
    dropped: int = 0,
    straddling: int | None = None,
) -> dict[str, Any]:
    """The content of schema.json: each column that was read, over all rows, and the names of those that were not.

    ``roles``: per column "feature", "target", "split", "key", "weights" or "kept". Numbers carry exact moments,
    correctly rounded. ``dropped`` rows had no label and are not among those counted. ``straddling`` rows are held out
    and equal a training row; None where the split keeps equal rows together.
    """
    columns = [
        {
            "name": name,
            "role": roles[name],
            "kind": column_type,
            "count": statistics.count(name),
            "missing": statistics.missing[name],
        }
        | _content(statistics, name)
        for name, column_type in statistics.types.items()
    ]
    without_label = {"rows_without_label": dropped} if dropped else {}
    held_out_twins = {} if straddling is None else {"straddling_rows": straddling}
    return {"rows": statistics.rows, **without_label, **held_out_twins, "columns": columns, "ignored": list(ignored)}


def _content(statistics: ColumnStatistics, name: str) -> dict[str, Any]:
    if name in statistics.levels:
        levels = statistics.levels[name]
        return {"levels": [{"level": level, "rows": levels[level]} for level in ordered(levels)]}
    if is_date(statistics.types.get(name, "")):
        return {"parts": {part: _content(statistics, part_name(name, part)) for part in DATE_PARTS}}
    moments = statistics.moments.get(name)
    if moments is None or moments.count == 0:
        return {}
    return {
        "whole_numbers": moments.all_integers,
        "minimum": moments.minimum,
        "maximum": moments.maximum,
        "mean": moments.mean(),
        "standard_deviation": moments.standard_deviation(),
    }

"""CSV tables that stages leave: some columns of text, some of numbers."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.errors import listed, quoted
from pipeline.results.checks import refuse


def parse_table(
    content: bytes,
    place: object,
    *,
    texts: Sequence[str] = (),
    numbers: Sequence[str] = (),
    optional: Sequence[str] = (),
    infinite: bool = False,
) -> list[dict[str, Any]]:
    """The lines of a table: ``texts`` as they are, ``numbers`` as floats, None where the cell is empty.

    ``optional`` are numbers whose column may be missing, and None then. Other columns are left out. Numbers are finite,
    unless they may be ``infinite``.
    Raises: UserError that names ``place`` and the line.
    """
    lines = _lines(content, place)
    header = next(lines, [])
    if len(set(header)) != len(header) or not {*texts, *numbers} <= set(header):
        refuse(place, f"the columns {', '.join((*texts, *numbers))}, each once", listed(header) or "none")
    at = {name: header.index(name) for name in (*texts, *numbers, *optional) if name in header}
    table = []
    for number, line in enumerate(lines, 2):
        if len(line) != len(header):
            refuse(f"{place}, line {number}", f"{len(header)} cells", f"{len(line)}")
        cells: dict[str, Any] = {name: line[at[name]] for name in texts}
        for name in (*numbers, *optional):
            text = line[at[name]] if name in at else ""
            cells[name] = _number(text, f"{place}, line {number}", name, infinite) if text else None
        table.append(cells)
    return table


def _lines(content: bytes, place: object) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
    except (ValueError, csv.Error):
        refuse(place, "a table of comma-separated values", "something else")


def _number(text: str, place: str, name: str, infinite: bool) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) and not (infinite and math.isinf(value)):
        refuse(place, f"a number as {name}", quoted(text))
    return value

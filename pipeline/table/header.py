"""The header of a table's files: the names of its columns."""

import re
from collections.abc import Iterator, Sequence

from pipeline.errors import UserError, listed, quoted
from pipeline.table import locate, read_errors, sources
from pipeline.table.sources import File, TableSource

# What Excel writes above a table, or is told so, to say what separates cells.
_SEPARATOR_LINE = re.compile(r"sep=\W?", re.IGNORECASE)


def column_names(source: TableSource) -> list[str]:
    """Column names of a CSV file, in order; several may have none.

    Raises: UserError if there is no such file, it is no CSV or empty, its header is not UTF-8 or names a column twice.
    """
    with sources.as_user_error(source):
        sources.files_of(source)[0].require_text()
        first = next(locate.records(source), None)
    if first is None:
        raise UserError(f"{source}: the file is empty; expected a header line with column names, then rows")
    names = first.cells
    if any("\udc80" <= character <= "\udcff" for name in names for character in name):
        raise read_errors.not_utf8(source)
    if any("\0" in name for name in names):
        raise UserError(
            f"{source}: expected text, got bytes 0 in the first line; is it a table of text or Parquet? "
            "UTF-16 without a mark needs prepare.encoding: utf-16-le or utf-16-be"
        )
    place = f"{source}, line {first.line}"
    if _SEPARATOR_LINE.fullmatch("".join(names)):
        raise UserError(
            f"{place}: expected the header, got {quoted(names[0])}, which only Excel reads; "
            "delete the line, separators are found without it"
        )
    seen = {""}
    for name in names:
        if name and name in seen:
            raise UserError(
                f"{place}: two columns are named {quoted(name)}; rename one in the header, "
                "or add the header line if it is missing"
            )
        seen.add(name)
    return names


def require_columns(source: TableSource, columns: Sequence[str]) -> None:
    """Check that the file has ``columns``; their order and further columns do not matter."""
    names = column_names(source)
    there = frozenset(names)
    absent = [name for name in columns if name not in there]
    if absent:
        plural = "column" if len(absent) == 1 else "columns"
        hint = read_errors.closest(absent[0], names)
        raise UserError(f"{source}: missing {plural} {listed(absent)}{hint}")


def of_files(source: TableSource) -> Iterator[tuple[File, Sequence[str]]]:
    """The files and their columns. Raises: UserError for a file whose columns are not those of the first."""
    expected: list[str] = []
    for file in sources.files_of(source):
        names = column_names(file)
        expected = expected or names
        for name in sorted({*names} ^ {*expected}):
            has = "lacks" if name in expected else "has"
            raise UserError(
                f"{file}: {has} the column {quoted(name)}, unlike the first file; all files need the same columns"
            )
        yield file, names

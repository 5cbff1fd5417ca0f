"""Errors of a CSV file that cannot be used: the place, what was expected, what came, what to do."""

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from itertools import islice

from pipeline.dataset import columns
from pipeline.dataset.columns import ColumnType, is_number
from pipeline.errors import MOST_CHARACTERS, UserError, listed, quoted, shortened
from pipeline.table import dates, locate, spellings
from pipeline.table.parsing import CONVERSION, FALSE_WORDS, TRUE_WORDS, WrongTypeError
from pipeline.table.sources import TableSource
from pipeline.table.spellings import Spelling

# Titles and comments that programs write above a table.
_ROWS_ABOVE_HEADER = 20

# A file in UTF-16 tells so by its first byte.
_UTF16_MARKS = ((1, 0xFE), (1, 0xFF))


class MisfitError(UserError):
    """A ``text`` in ``column`` that is not of the type that the rest of the column is of.

    ``others``: what else is known by then, the texts of further columns.
    """

    def __init__(self, message: str, column: str, text: str) -> None:
        super().__init__(message)
        self.column = column
        self.text = text
        self.others: Mapping[str, str] = {}


class CrowdedError(UserError):
    """A ``column`` of more distinct ``texts`` than the ``most`` that are counted."""

    def __init__(
        self, source: TableSource, column: str, texts: Collection[str], most: int, are_codes: bool, marks: str
    ) -> None:
        super().__init__(
            f"{source}, column {shortened(column)}: expected at most {most:,} distinct texts, got more\n"
            "  leave it out of prepare.features, or, if it holds dates, give it the type date in prepare.types; what "
            "its rows have in common, such as a prefix, belongs in a column of its own"
            + ("; it holds whole numbers, some of which begin with 0: type number reads numbers" if are_codes else "")
            + _way_to_numbers(texts, marks)
        )
        self.column = column
        self.texts = texts


def _way_to_numbers(texts: Collection[str], marks: str) -> str:
    """Advice on texts that are numbers of which nothing tells the decimal mark."""
    possible = spellings.common(texts, marks)
    if len(possible) < 2:
        return ""
    text = next(iter(texts))
    ways = " or ".join(f'"{one.decimal}" makes {shortened(text)} {one.value_of(text):.12g}' for one in possible)
    return f"; these may be numbers: prepare.decimal {ways}"


def _folded(name: str) -> str:
    """A name for comparing; of a long one the beginning, since comparing takes the product of two lengths."""
    return name[:MOST_CHARACTERS].casefold().strip()


def closest(name: str, names: Collection[str]) -> str:
    """A hint for a name that is not among ``names``: the one most like it, or all of them if none is."""
    folded = {_folded(other): other for other in names}
    near = difflib.get_close_matches(_folded(name), list(folded), n=1)
    if near:
        return f"; did you mean {quoted(folded[near[0]])}?"
    return f"; the file has {listed(names, 20)}"


def no_column(source: TableSource, name: str, names: Collection[str]) -> str:
    """A hint for a column that the header does not have: where it seems to stand instead, or the name most like it."""
    if len(names) == 1 and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", only := next(iter(names))) and only != name:
        return f"; the header is one cell, {quoted(only)}: separate cells by commas, semicolons, tabs or |"
    for record in islice(locate.records(source), 1, _ROWS_ABOVE_HEADER):
        cells = {part.strip("\"' ") for cell in record.cells for part in re.split(r"[,;\t|]", cell)}
        if name in cells and len(cells) > 1:
            return f"; line {record.line} looks like the header: delete the lines above it"
    return closest(name, names)


def fault(text: str, column_type: ColumnType) -> str | None:
    """The value that a column of this type expects instead of ``text``; None for one that it can hold."""
    if column_type == "text":
        return None
    if columns.is_date(column_type):
        return None if dates.moment_of(text, column_type) else dates.expected(column_type)
    spelling = spellings.of_type(column_type)
    if spelling is not None:
        return _fault_of_spelling(text, spelling)
    if column_type == "number":
        return locate.fault_of(text)
    return None if text in (*TRUE_WORDS, *FALSE_WORDS) else "true or false"


def misfit(source: TableSource, column: str, column_type: ColumnType, missing_values: Sequence[str]) -> "MisfitError":
    """The error for the first value in ``column`` that is not of ``column_type``, with its line and what to do."""

    def is_wrong(cell: str) -> bool:
        return cell not in missing_values and fault(cell, column_type) is not None

    place, text = locate.find_cell(source, column, is_wrong)
    param = "prepare.categories" if is_number(column_type) else "prepare.types"
    return _misfit(place, column, text, fault(text, column_type), param)


def _misfit(place: str, column: str, text: str, expected: str | None, param: str) -> "MisfitError":
    own = spellings.simplest(spellings.of_text(text, spellings.MARKS["auto"]))
    way_out = {"prepare.categories": "declare the column in prepare.categories"}.get(
        param, f"change the column in {param}"
    )
    advice = f"correct it, add it to prepare.missing_values, or {way_out}"
    if own and not locate.is_number(text):
        types = " or ".join(f"'{spelling.column_type}'" for spelling in own)
        advice = f"correct it, give the column the type {types} in prepare.types, or {way_out}"
    return MisfitError(f"{place}: expected {expected}, got {quoted(text)}\n  {advice}", column, text)


def _fault_of_spelling(text: str, spelling: Spelling) -> str | None:
    if locate.is_infinite(text):
        return "a finite number"
    if not spelling.matches(text):
        return f"a number such as {spelling.example}"
    return locate.fault_of_size(spelling.value_of(text))


def mixture(source: TableSource, column: str, missing_values: Sequence[str], marks: str) -> "MisfitError":
    """The error for a column that holds numbers and does not hold numbers of one spelling only.

    It tells the first value that is no number in any spelling, or too large; without one, the first whose spelling the
    values before it do not have. ``marks``: what may be a decimal mark.
    """

    def fault_of_cell(text: str) -> str | None:
        if text in missing_values:
            return None
        if "." in marks and locate.is_number(text):
            return locate.fault_of(text)
        own = spellings.simplest(spellings.of_text(text, marks))
        return _fault_of_spelling(text, own[0]) if own else locate.fault_of(text) or "a number with a decimal comma"

    place, text = locate.find_cell(source, column, lambda cell: fault_of_cell(cell) is not None)
    if (expected := fault_of_cell(text)) is not None and text:
        return _misfit(place, column, text, expected, "prepare.categories")
    seen: list[tuple[str, list[Spelling]]] = []

    def differs(text: str) -> bool:
        if text in missing_values:
            return False
        fitting = [one for one in spellings.of_text(text, marks) if not seen or one in seen[-1][1]]
        if fitting:
            seen.append((text, fitting))
            del seen[1:-1]
        return not fitting

    place, text = locate.find_cell(source, column, differs)
    expected = f"a number written as {quoted(seen[0][0])} is" if seen else "a number"
    return _misfit(place, column, text, expected, "prepare.categories")


def from_arrow(source: TableSource, message: str) -> Exception:
    """The exception that says in the user's terms what Arrow found."""
    conversion = CONVERSION.search(message)
    if conversion:
        return WrongTypeError(_names(source)[int(conversion[1])])
    if "invalid UTF8" in message:
        return not_utf8(source)
    width = len(_names(source))
    for ragged in locate.find(source, lambda record: len(record.cells) != width):
        return _ragged(ragged, width)
    return UserError(f"{source}: not a CSV file that can be read: {shortened(message)}")


def _ragged(row: locate.CsvRow, width: int) -> UserError:
    """The error for a row that has not as many cells as the header, with what its form suggests."""
    came = len(row.cells)
    advice = (
        "a cell that holds the separator or a newline must stand in double quotes, which no blank may precede; "
        "a decimal comma separates too"
    )
    if came == 1:
        return UserError(
            f"{row.file}, line {row.line}: expected {width} cells as in the header, got 1: {quoted(row.cells[0])}\n"
            "  if it is a title, a comment or a footer, delete the line"
        )
    first = next(islice(locate.records(row.file), 1, None))
    if came == width + 1 and first.line == row.line:
        advice += "; if only the first or the last column has no name in the header, add one"
    return UserError(f"{row.file}, line {row.line}: expected {width} cells as in the header, got {came}\n  {advice}")


def open_quote(file: TableSource, line: int) -> UserError:
    """The error for a file whose last row, from this line on, is the rest of it, behind a quote that nothing closes."""
    return UserError(
        f"{file}, line {line}: expected a quote that closes the quoted cell, got the end of the file\n"
        '  close the quote, or write a quote that belongs to the text as "" in a quoted cell'
    )


def _names(source: TableSource) -> list[str]:
    return next(locate.records(source)).cells


def not_utf8(source: TableSource) -> UserError:
    place_of_byte = locate.first_invalid_byte(source)
    if place_of_byte is None:
        return UserError(f"{source}: expected UTF-8 text")
    line, byte, value = place_of_byte
    if (byte, value) in _UTF16_MARKS:
        return UserError(
            f"{source}: expected UTF-8 text, got UTF-16; set prepare.encoding: utf-16, or save the file as UTF-8"
        )
    return UserError(
        f"{source}, line {line}: expected UTF-8 text, got byte 0x{value:02x} (byte {byte} of the file)\n"
        "  set prepare.encoding if it is written in another, such as windows-1252, or save the file as UTF-8"
    )

"""What a person reads about a CSV file that cannot be used: the place, what was expected, what came, what to do."""

import difflib
from collections.abc import Collection, Sequence

from pipeline.errors import UserError
from pipeline.table import places
from pipeline.table.columns import Kind
from pipeline.table.parsing import CONVERSION, FALSE_WORDS, TRUE_WORDS, WrongKindError, moment_of
from pipeline.table.sources import Where

# A file in UTF-16 tells so by its first byte.
_UTF16_MARKS = ((1, 0xFE), (1, 0xFF))


class MisfitError(UserError):
    """A ``text`` in ``column`` that is not of the kind that the rest of the column is of."""

    def __init__(self, message: str, column: str, text: str) -> None:
        super().__init__(message)
        self.column = column
        self.text = text


def closest(name: str, names: Collection[str]) -> str:
    """A hint for a name that is not among ``names``: the one most like it, or all of them if none is."""
    folded = {other.casefold().strip(): other for other in names}
    near = difflib.get_close_matches(name.casefold().strip(), list(folded), n=1)
    if near:
        return f"; did you mean {folded[near[0]]!r}?"
    shown = list(names)[:20]
    return f"; the file has {', '.join(shown)}" + (", ..." if len(names) > len(shown) else "")


def misfit(source: Where, column: str, kind: Kind, missing_values: Sequence[str]) -> UserError:
    """The error for the first value in ``column`` that is not of ``kind``, with its line and what to do."""
    words = {*TRUE_WORDS, *FALSE_WORDS}

    def fault(text: str) -> str | None:
        if text in missing_values:
            return None
        if kind == "date":
            return None if moment_of(text) else "a date such as 2024-12-31 or 2024-12-31T23:59"
        return places.fault_of(text) if kind == "number" else None if text in words else "true or false"

    place, text = places.find_cell(source, column, lambda cell: fault(cell) is not None)
    message = (
        f"{place}: expected {fault(text)}, got {text!r}\n"
        "  correct it, add it to prepare.missing_values, or declare the column in prepare.categories"
    )
    return MisfitError(message, column, text)


def plural(names: Sequence[str]) -> str:
    return "column" if len(names) == 1 else "columns"


def require_same_columns(file: Where, names: Sequence[str], wanted: Sequence[str]) -> None:
    """Check that a file of a table has the columns of the first file, in any order."""
    for name in sorted({*names} ^ {*wanted}):
        has = "lacks" if name in wanted else "has"
        raise UserError(f"{file}: {has} the column {name!r}, unlike the first file; all files need the same columns")


def told(source: Where, message: str) -> Exception:
    """The exception that says in the user's terms what Arrow found."""
    conversion = CONVERSION.search(message)
    if conversion:
        return WrongKindError(_names(source)[int(conversion[1])])
    if "invalid UTF8" in message:
        return not_utf8(source)
    width = len(_names(source))
    for ragged in places.find(source, lambda record: len(record.cells) != width):
        return UserError(
            f"{ragged.file}, line {ragged.line}: expected {width} cells as in the header, got {len(ragged.cells)}\n"
            "  a cell that holds a comma or a newline must stand in double quotes"
        )
    return UserError(f"{source}: not a CSV file that can be read: {message}")


def _names(source: Where) -> list[str]:
    return next(places.records(source)).cells


def not_utf8(source: Where) -> UserError:
    found = places.first_invalid_byte(source)
    if found is None:
        return UserError(f"{source}: expected UTF-8 text")
    line, byte, value = found
    if (byte, value) in _UTF16_MARKS:
        return UserError(f"{source}: expected UTF-8 text, got UTF-16; save the file as UTF-8 (in Excel: CSV UTF-8)")
    return UserError(
        f"{source}, line {line}: expected UTF-8 text, got byte 0x{value:02x} (byte {byte} of the file)\n"
        "  save the file as UTF-8, for example with: iconv -f WINDOWS-1252 -t UTF-8"
    )

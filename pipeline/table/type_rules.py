"""The rules by which values decide a column's type, whatever the order of the rows.

- all values are whole numbers, and some begin with a zero, as 00334 does but 0 does not: text, since they are codes;
- all values are decimal numbers: number; of one other spelling (`pipeline.table.spellings`): a number of that type;
- all values are true or false (also True, TRUE, ...): boolean;
- no value is a number in any spelling: text, that is a category;
- all values are numbers, and nothing tells a decimal mark from one between thousands, as in 12,345: text;
- numbers and texts mixed, or numbers of two spellings: an error that names the first text, unless the column is
  declared a category.
A file is written with one decimal mark: where any column shows a decimal comma, all columns of numbers may have one,
and what a column leaves open the others decide: 1.200 is twelve hundred there, if no value says that it is not.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.dataset.columns import ColumnType, is_date
from pipeline.errors import quoted
from pipeline.table import dates, spellings
from pipeline.table.spellings import Spelling


def require_type(declared: str) -> str:
    """The type that a person declares for a column, where category stands for text.

    Raises: ValueError, which says what was expected, for any other.
    """
    if is_date(declared):
        dates.require_format(declared)
    elif declared not in ("number", "category", "boolean") and spellings.of_type(declared) is None:
        raise ValueError(
            "number, category, boolean, date, a format such as 'date %d/%m/%Y', or 1234.5 as the numbers are written, "
            f"such as 'number 1.234,5' or 'number $1234.5', got {quoted(declared)}"
        )
    return declared


@dataclass
class TextEvidence:
    """Evidence of the first ``levels`` of a column of texts: numbers of any of these ``spellings``, or words."""

    levels: int = 0
    spellings: Sequence[Spelling] = ()
    has_words: bool = False

    def add(self, level: str, marks: str) -> bool:
        """Judge one level more; returns whether it goes with the others: a word, or a number of their spelling."""
        fitting = [one for one in self.spellings if one.matches(level)]
        agrees = bool(fitting)
        if not agrees:
            fitting = spellings.of_text(level, marks)
            agrees = self.levels == 0 or (self.has_words and not fitting)
        self.levels, self.spellings, self.has_words = self.levels + 1, fitting, not fitting
        return agrees


def of_parsed(column: Any, marks: str) -> ColumnType:
    """The type of an Arrow column whose type Arrow guessed; ``marks``: the characters that may be a decimal mark."""
    types = pa.types
    if types.is_integer(column.type) or types.is_floating(column.type) or types.is_null(column.type):
        return spellings.COMMA if marks == "," else spellings.PLAIN
    if types.is_boolean(column.type):
        return "boolean"
    texts = dict.fromkeys(column.to_pylist()) if types.is_string(column.type) else {}
    possible = spellings.common((text for text in texts if text is not None), marks)
    return possible[0].column_type if len(possible) == 1 else "text"


def decimal_mark(column_type: ColumnType) -> str | None:
    """The decimal mark of a file that has numbers of this type, which for many types may be either."""
    spelling = spellings.of_type(column_type)
    if spelling is None:
        return None
    return "," if spelling.decimal == "," else "." if spelling.thousands == "," else None


def are_codes(levels: Collection[str]) -> bool:
    """Whether the texts are whole numbers of which some begin with a zero."""
    return any(map(spellings.is_padded, levels)) and all(map(_is_integer, levels))


def _is_integer(text: str) -> bool:
    return any(one.matches(text) and one.value_of(text).is_integer() for one in spellings.BARE.values())

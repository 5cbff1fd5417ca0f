"""Numbers as people write them: with a decimal comma, thousands separators, a currency or percent sign.

A spelling stands in a column's type as the number 1234.5 written in it: ``number 1.234,5``, ``number $1,234.5``. A
column has one spelling: whether 12,345 is twelve thousand or twelve, only its other values tell, or the person.
"""

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.dataset.columns import ColumnType

PLAIN: ColumnType = "number"
COMMA: ColumnType = "number 1234,5"

# A regular expression, of Python and of RE2, for a decimal number as Arrow reads it.
DECIMAL = r"[ \t]*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t]*"

# One for digits that begin with a zero, which numbers are not written with, but codes are.
PADDED = r"[ \t]*[+-]?0[0-9]+[ \t]*"

# What may be the decimal mark, the likelier first.
MARKS = {"auto": ".,", ".": ".", ",": ","}

_SIGNS = "$€£¥₹₽₺₩₴₪₫₱₦₡₲₸₼₾₵฿¢"
_CODES = (
    "EUR|USD|GBP|CHF|JPY|CNY|INR|SEK|NOK|DKK|PLN|CZK|HUF|RON|BGN|AUD|CAD|NZD|BRL|MXN|ZAR|TRY|RUB|KRW|SGD|HKD|ILS|THB"
)
_SIGN = f"(?:[A-Z]{{0,3}}[{_SIGNS}]|{_CODES}|%)"

# Blanks between digits are also written as no-break spaces, the wide and the narrow one.
_BLANKS = " \t\u00a0\u202f"
# Between a sign and a number. Any number of them would take Python's expressions quadratic time.
_GAP = f"[{_BLANKS}]{{0,99}}"
_SEPARATORS = (",", ".", " ", "\u00a0", "\u202f", "'", "\u2019")
_AROUND = re.compile(
    rf"[+-]?(?P<prefix>{_SIGN}?){_GAP}[+-]?[0-9,.](?:[0-9,.{_BLANKS}'\u2019]*[0-9.])?"
    rf"(?:[eE][+-]?[0-9]+)?{_GAP}(?P<suffix>{_SIGN}?)"
)
_PADDED = re.compile(PADDED)
_TYPE = re.compile(rf"number (?P<prefix>{_SIGN}?)1(?P<thousands>[^0-9]?)234(?P<decimal>[.,])5(?P<suffix>{_SIGN}?)")

_NAMES = {",": "commas", ".": "points", "'": "apostrophes", "\u2019": "apostrophes"}


@dataclass(frozen=True)
class Spelling:
    """How numbers are written: a sign before or after, a mark that may stand between thousands, a decimal mark."""

    prefix: str
    thousands: str
    decimal: str
    suffix: str

    @property
    def example(self) -> str:
        return f"{self.prefix}1{self.thousands}234{self.decimal}5{self.suffix}"

    @property
    def column_type(self) -> ColumnType:
        """The type of columns of this spelling."""
        return PLAIN if self == _PLAIN else f"{PLAIN} {self.example}"

    @functools.cached_property
    def pattern(self) -> str:
        """A regular expression, of Python and of RE2, for a whole cell."""
        if self == _PLAIN:
            return DECIMAL
        return f"[{_BLANKS}]*{self._bare_pattern}[{_BLANKS}]*"

    @functools.cached_property
    def _bare_pattern(self) -> str:
        """The pattern of a cell without blanks around it."""
        before, after = re.escape(self.prefix), re.escape(self.suffix)
        sign = f"(?:[+-]?{before}{_GAP}|{before}{_GAP}[+-])" if before else "[+-]?"
        grouped = f"|[1-9][0-9]{{0,2}}(?:[{self.thousands}][0-9]{{3}})+" if self.thousands else ""
        digits = f"(?:(?:[0-9]+{grouped})(?:[{self.decimal}][0-9]+)?|[{self.decimal}][0-9]+)"
        return f"{sign}{digits}(?:[eE][+-]?[0-9]+)?" + (_GAP + after if after else "")

    @functools.cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern if self == _PLAIN else self._bare_pattern)

    def matches(self, text: str) -> bool:
        return self._compiled.fullmatch(text if self == _PLAIN else text.strip(_BLANKS)) is not None

    @property
    def dropped(self) -> str:
        """The characters between the signs that mean nothing, as a class of a regular expression."""
        return f"[+{_BLANKS}{self.thousands}]"

    def value_of(self, text: str) -> float:
        """The number that a text of this spelling stands for."""
        bare = text.replace(self.prefix, "", 1) if self.prefix else text
        bare = bare.replace(self.suffix, "") if self.suffix else bare
        return float(re.sub(f"[{_BLANKS}{self.thousands}]", "", bare).replace(self.decimal, "."))

    def __str__(self) -> str:
        """The spelling in words: 'with a decimal comma, without € and thousands points'."""
        without = [sign for sign in (self.prefix, self.suffix) if sign]
        if self.thousands:
            without.append(f"thousands {_NAMES.get(self.thousands, 'blanks')}")
        parts = ["with a decimal comma"] if self.decimal == "," else []
        parts += [f"without {' and '.join(without)}"] if without else []
        percent = f", so that 12{self.decimal}5% is 12.5" if "%" in without else ""
        return ", ".join(parts) + percent


_PLAIN = Spelling("", "", ".", "")

# Per type, spellings without a sign or separators: the digits of codes may be read as their numbers.
BARE = {spelling.column_type: spelling for spelling in (_PLAIN, Spelling("", "", ",", ""))}


@functools.cache
def of_type(column_type: ColumnType) -> Spelling | None:
    """The spelling of a type of numbers that is not the plain one; None for any other type."""
    match = _TYPE.fullmatch(column_type)
    if match is None or match["thousands"] not in ("", *_SEPARATORS) or match["thousands"] == match["decimal"]:
        return None
    return Spelling(match["prefix"], match["thousands"], match["decimal"], match["suffix"])


@functools.cache
def _all(prefix: str, suffix: str, marks: str) -> tuple[Spelling, ...]:
    return tuple(
        Spelling(prefix, thousands, decimal, suffix)
        for decimal in marks
        for thousands in ("", *_SEPARATORS)
        if thousands != decimal
    )


def of_text(text: str, marks: str) -> list[Spelling]:
    """All spellings of which the text is a number, with a decimal mark among ``marks``; none for other texts."""
    around = _AROUND.fullmatch(text.strip(_BLANKS))
    if around is None or (around["prefix"] and around["suffix"]):
        return []
    return [spelling for spelling in _all(around["prefix"], around["suffix"], marks) if spelling.matches(text)]


def is_padded(text: str) -> bool:
    """Whether the text is digits that begin with a zero, such as 00334, and not 0."""
    return _PADDED.fullmatch(text) is not None


def simplest(spellings: Sequence[Spelling]) -> list[Spelling]:
    """Of spellings that all values of a column have, those that say no more than the values do.

    One, or two if the column leaves open whether a mark is the decimal one or stands between thousands.
    """
    by_mark: dict[str, Spelling] = {}
    for spelling in spellings:
        by_mark.setdefault(spelling.decimal, spelling)
    candidates = list(by_mark.values())
    if _PLAIN in candidates:
        return [_PLAIN]
    # The same separator and either mark: no value has a decimal mark.
    return candidates[:1] if len({spelling.thousands for spelling in candidates}) < len(candidates) else candidates


def common(texts: Iterable[str], marks: str) -> list[Spelling]:
    """The simplest spellings that all of the texts, of which there must be one, have."""
    fitting: list[Spelling] | None = None
    for text in texts:
        own = fitting if fitting is not None else of_text(text, marks)
        fitting = [spelling for spelling in own if spelling.matches(text)]
        if not fitting:
            return []
    return simplest(fitting or [])

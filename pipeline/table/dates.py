"""Dates as they are written, read as one number a part: of ISO 8601, or of a format that the person gives."""

import re
from collections.abc import Iterable
from datetime import datetime

from pipeline.table.columns import Kind

# Dates of ISO 8601; followed by a format it is a kind of its own, such as "date %d/%m/%Y".
ISO: Kind = "date"

_DIRECTIVE = re.compile(r"%(.)", re.DOTALL)
_YEARS = frozenset("yYG")
# %Z knows the time zone of the machine besides UTC and GMT.
_REFUSED = frozenset("Z")
_PROBE = datetime(2024, 12, 31, 23, 59)

# What dates in tables look like most often; only the order of day and month is ever in doubt.
_DAYS = [order.replace("/", mark) for mark in "/.-" for order in ("%d/%m/%Y", "%m/%d/%Y")]
_TIMES = ("", " %H:%M", " %H:%M:%S")
COMMON: tuple[Kind, ...] = (
    ISO,
    *(f"{ISO} {day}{time}" for day in (*_DAYS, "%Y/%m/%d", "%d %b %Y", "%b %d, %Y") for time in _TIMES),
)


def is_date(kind: Kind) -> bool:
    """Whether columns of this kind hold dates."""
    return kind == ISO or kind.startswith(f"{ISO} ")


def format_of(kind: Kind) -> str | None:
    """The format of a kind of dates, in the directives of Python's ``strptime``; None for ISO 8601."""
    return kind.removeprefix(ISO).strip() or None


def require_format(kind: Kind) -> None:
    """Raises: ValueError, which says what was expected, for a format that does not tell one moment everywhere."""
    form = format_of(kind)
    if form is None:
        return
    directives = {*_DIRECTIVE.findall(form)}
    try:
        datetime.strptime(_PROBE.strftime(form), form)
    except (ValueError, re.error):
        # Python tells of a directive that stands there twice as a fault of its own pattern.
        directives = set()
    if not directives & _YEARS or directives & _REFUSED:
        raise ValueError(
            f"date and a format of Python's strptime with a year and without %Z, such as 'date %d/%m/%Y', got {kind!r}"
        )


def moment_of(text: str, kind: Kind = ISO) -> tuple[int, ...] | None:
    """The DATE_PARTS of a date of this kind, in its own time zone; None for another text.

    What a format leaves out is the first: a date without a day is its month's first. Names of months are English.
    """
    form = format_of(kind)
    try:
        moment = datetime.fromisoformat(text.strip()) if form is None else datetime.strptime(text.strip(), form)
    except ValueError:
        return None
    return moment.year, moment.month, moment.day, moment.weekday(), moment.hour, moment.minute


def expected(kind: Kind) -> str:
    """What a column of this kind is expected to hold, with an example."""
    form = format_of(kind)
    if form is None:
        return "a date such as 2024-12-31 or 2024-12-31T23:59"
    return f"a date as {form}, such as {_PROBE.strftime(form)}"


def possible(texts: Iterable[str]) -> list[Kind]:
    """The kinds of COMMON that every one of the texts is of; several where day and month could be exchanged."""
    kinds = list(COMMON)
    for text in texts:
        kinds = [kind for kind in kinds if moment_of(text, kind) is not None]
        if not kinds:
            break
    return kinds

"""Dates as they are written, read as one number a part: of ISO 8601, or of a format that the person gives."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from itertools import islice

from pipeline.dataset.columns import DATE_PARTS, ISO, ColumnType, DatePart
from pipeline.errors import quoted

_DIRECTIVE = re.compile(r"%(.)", re.DOTALL)
_YEARS = frozenset("yYG")
_HOURS = frozenset("HI")
_OF_THE_DAY = frozenset("HIMSfp%")
# %Z knows the time zone of the machine besides UTC and GMT.
_REFUSED = frozenset("Z")
_PROBE = datetime(2024, 12, 31, 23, 59)

# What dates in tables look like most often. Of a day written in two or three numbers the order may be in doubt; that
# the year comes first of three numbers of two digits is known with dashes only.
_DAYS = [order.replace("/", mark) for mark in "/.-" for order in ("%d/%m/%Y", "%m/%d/%Y")]
_SHORT_DAYS = [order.replace("/", mark) for mark in "/.-" for order in ("%d/%m/%y", "%m/%d/%y")]
_NAMED_DAYS = ["%d %b %Y", "%b %d, %Y", "%d-%b-%Y", "%d-%b-%y", "%d %B %Y", "%B %d, %Y"]
_MONTHS = ["%b-%Y", "%b %Y", "%B %Y", "%B-%Y", "%b-%y", "%m/%Y", "%m.%Y", "%m-%Y", "%Y/%m", "%Y-%m"]
_CLOCKS = ["%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p"]
COMMON: tuple[ColumnType, ...] = (
    ISO,
    *(
        f"{ISO} {day}{time}"
        for day in (*_DAYS, "%Y/%m/%d", *_NAMED_DAYS, *_SHORT_DAYS, "%y-%m-%d")
        for time in ("", *(f" {clock}" for clock in _CLOCKS))
    ),
    *(f"{ISO} {form}" for form in (*_MONTHS, *_CLOCKS)),
)

# Of texts that are looked at to tell which types may be common in a column.
_LOOKED_AT = 1_000

# A column that was written by several hands has no more forms than this.
_MOST_FORMS = 4

# Dates written as whole numbers: their bounds.
_COMPACT: Mapping[ColumnType, tuple[int, int]] = {
    f"{ISO} %Y%m%d": (18000101, 22001231),
    f"{ISO} %Y%m": (180001, 220012),
}
_FEWEST_COMPACT = 6

# What a directive may stand for, with 0 for a digit and a for a letter. strptime takes a blank for a leading zero.
_OUTLINES = {
    **dict.fromkeys("dmHIy", "[ 0]0?"),
    **dict.fromkeys("MS", "00"),
    "Y": "0000",
    **dict.fromkeys("bBp", "a+"),
}
_LONGEST = 40


def format_of(date_type: ColumnType) -> str | None:
    """The format of a type of dates, in the directives of Python's ``strptime``; None for ISO 8601."""
    return date_type.removeprefix(ISO).strip() or None


def require_format(date_type: ColumnType) -> None:
    """Raises: ValueError, which says what was expected, for a format that does not tell one moment everywhere."""
    form = format_of(date_type)
    if form is None:
        return
    directives = {*_DIRECTIVE.findall(form)}
    try:
        datetime.strptime(_PROBE.strftime(form), form)
    except (ValueError, re.error):
        # Python tells of a directive that stands there twice as a fault of its own pattern.
        directives = set()
    tells_a_moment = directives & _YEARS or (directives & _HOURS and directives <= _OF_THE_DAY)
    if not tells_a_moment or directives & _REFUSED:
        raise ValueError(
            "date and a format of Python's strptime with a year, or of a time of day, and without %Z, "
            f"such as 'date %d/%m/%Y', got {quoted(date_type)}"
        )


@lru_cache
def parts_of(date_type: ColumnType) -> tuple[DatePart, ...]:
    """The DATE_PARTS that dates of this type tell: a month has no day and no weekday, a time of day no year."""
    form = format_of(date_type)
    if form is None:
        return DATE_PARTS
    first, second = _PROBE, datetime(2023, 1, 2, 1, 1)
    read = [moment_of(moment.strftime(form), date_type) or () for moment in (first, second)]
    varying = [part for part, *values in zip(DATE_PARTS, *read, strict=True) if len({*values}) > 1]
    return tuple(part for part in varying if part != "weekday" or "day" in varying)


def is_time_of_day(date_type: ColumnType) -> bool:
    """Whether dates of this type are times without a date."""
    return {*parts_of(date_type)} <= {"hour", "minute"}


def has_short_years(date_type: ColumnType) -> bool:
    """Whether years are written in two digits: 69 to 99 are read as 1969 to 1999, 00 to 68 as 2000 to 2068 (POSIX)."""
    return "y" in _DIRECTIVE.findall(format_of(date_type) or "")


def moment_of(text: str, date_type: ColumnType = ISO) -> tuple[int, ...] | None:
    """The DATE_PARTS of a date of this type, in its own time zone; None for another text.

    What a format leaves out is the first: a date without a day is its month's first. Names of months are English.
    """
    form = format_of(date_type)
    try:
        moment = datetime.fromisoformat(text.strip()) if form is None else datetime.strptime(text.strip(), form)
    except ValueError:
        return None
    return moment.year, moment.month, moment.day, moment.weekday(), moment.hour, moment.minute


def expected(date_type: ColumnType) -> str:
    """The content expected of a column of this type, with an example."""
    form = format_of(date_type)
    if form is None:
        return "a date such as 2024-12-31 or 2024-12-31T23:59"
    return f"a {'time' if is_time_of_day(date_type) else 'date'} as {form}, such as {_PROBE.strftime(form)}"


def possible(texts: Iterable[str]) -> list[ColumnType]:
    """The types of COMMON that every one of the texts is of; several where they would be read as other moments."""
    read: dict[ColumnType, int] = {}
    for number, text in enumerate(texts):
        moments = {
            date_type: moment_of(text, date_type) for date_type in _alike(text) if number == 0 or date_type in read
        }
        # All moments so far, as a digest: there may be half a million texts.
        read = {
            date_type: hash((read.get(date_type), moment))
            for date_type, moment in moments.items()
            if moment is not None
        }
        if not read:
            break
    first_with: dict[int, ColumnType] = {}
    for date_type, digest in read.items():
        first_with.setdefault(digest, date_type)
    return list(first_with.values())


def forms(texts: Mapping[str, int]) -> tuple[dict[ColumnType, int], list[str]]:
    """The types of COMMON that the texts are of, the commonest first, and the texts that are of none.

    Each type with the rows of the texts that no type before it takes; the first 1,000 texts of those left tell which.
    """
    rows_of: dict[ColumnType, int] = {}
    left = list(texts)
    while left and len(rows_of) < _MOST_FORMS:
        rows: Counter[ColumnType] = Counter()
        for text in islice(left, _LOOKED_AT):
            rows.update(
                {date_type: texts[text] for date_type in _alike(text) if moment_of(text, date_type) is not None}
            )
        if not rows:
            break
        [(date_type, _)] = rows.most_common(1)
        others = [text for text in left if moment_of(text, date_type) is None]
        rows_of[date_type] = sum(texts[text] for text in left) - sum(texts[text] for text in others)
        left = others
    return rows_of, left


def compact(smallest: float, largest: float) -> ColumnType | None:
    """The type of dates that whole numbers between these may be, written as 20241231 or, of months, 202412."""
    return next(
        (date_type for date_type, (first, last) in _COMPACT.items() if first <= smallest and largest <= last), None
    )


def are_of(date_type: ColumnType, numbers: Collection[float]) -> bool:
    """Whether distinct whole numbers are all dates of a ``compact`` type, and so many that this is no accident.

    Of numbers of another meaning one in thirty reads as a day, one in eight as a month.
    """
    return len(numbers) >= _FEWEST_COMPACT and all(moment_of(f"{number:.0f}", date_type) for number in numbers)


def _alike(text: str) -> tuple[ColumnType, ...]:
    """The types of COMMON that a text of such characters may be of; far cheaper than to try every format."""
    if len(text) > _LONGEST:
        return ()
    return _of_outline(re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "0", text.strip())))


@lru_cache(maxsize=1 << 12)
def _of_outline(outline: str) -> tuple[ColumnType, ...]:
    """The types whose dates may have this outline: a text with 0 for each digit and a for each letter."""
    return tuple(date_type for date_type in COMMON if date_type == ISO or re.fullmatch(_outlines(date_type), outline))


@lru_cache(maxsize=len(COMMON))
def _outlines(date_type: ColumnType) -> str:
    """A regular expression for the outlines of a type's dates, and perhaps of other texts."""
    pieces = re.split(r"%(.)|\s+", format_of(date_type) or "")
    return "".join(
        re.escape(piece or "") if place % 2 == 0 else r"\s+" if piece is None else _OUTLINES[piece]
        for place, piece in enumerate(pieces)
    )

"""Names and numbers as they stand on the page: short, visible, and the same on every machine."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pipeline.dataset.columns import Class, class_text
from pipeline.errors import on_one_line, shortened
from pipeline.report.blocks import Cell, Span

_NAME, _END, _TITLE, _SENTENCE = 40, 10, 200, 600
_LARGE, _SMALL = 1e6, 1e-3
_FINER = 6

NONE = Cell("–", is_number=True)
MINUS = "\u2212"


def name(value: object, most: int = _NAME) -> Cell:
    """A name of a person's table: at most ``most`` characters, up to 200 of a longer one in its title."""
    text = class_text(value) if isinstance(value, bool) else str(value)
    short = on_one_line(text[:most])
    if len(text) <= most and len(short) <= most:
        return Cell(short or "(empty)", is_isolated=True)
    last = min(_END, most // 3)
    end = on_one_line(text[-last:])[-last:]
    return Cell(f"{short[: most - last - 1]}…{end}", shortened(text, _TITLE), is_isolated=True)


def names(values: Sequence[Class], most: int = 8) -> list[Span]:
    """The first ``most`` names of a list, and how many follow."""
    parts: list[Span] = []
    for place, value in enumerate(values[:most]):
        parts += [", ", name(value)] if place else [name(value)]
    return [*parts, f" and {len(values) - most:,} more"] if len(values) > most else parts


def file_text(sentence: str) -> Cell:
    """A sentence that a file holds, which may name what a person's table holds."""
    return Cell(shortened(sentence, _SENTENCE), is_isolated=True)


def capitalised(sentence: str) -> str:
    """The sentence with a capital; the rest stays as it is."""
    return sentence[:1].upper() + sentence[1:]


def number(value: Any, digits: int = 4) -> Cell:
    """A number: whole ones with thousands apart, others with ``digits`` after the point.

    What that would make 0, or is very large, has an exponent.
    """
    return NONE if value is None else Cell(number_text(value, digits), is_number=True)


def number_text(value: float, digits: int = 4) -> str:
    """The text of ``number``."""
    if isinstance(value, int):
        text = f"{value:,}"
    elif value == 0 or 0.5 * 10**-digits <= abs(value) < _LARGE:
        text = f"{value:,.{digits}f}"
    else:
        text = f"{value:.1e}"
    return text.replace("-", MINUS)


def digits_of(values: Sequence[float], digits: int = 4) -> int:
    """Digits after the point that a row of numbers shares: more where one is small."""
    return _FINER if any(0 < abs(value) < _SMALL for value in values) else digits


def count(value: float | None) -> Cell:
    """Rows, or a sum of weights: whole where it is."""
    if value is None:
        return NONE
    return number(int(value)) if float(value).is_integer() else number(float(value), 1)


def share(value: float | None) -> Cell:
    """A share in per cent."""
    return NONE if value is None else Cell(share_text(value), is_number=True)


def share_text(value: float) -> str:
    """The text of ``share``: no more than 0 looks like 0, nothing less than 1 like 1."""
    if value in (0, 1):
        return f"{value:.0%}"
    text = f"{value:.1%}"
    if text == "0.0%" and value > 0:
        return "< 0.1%"
    return "> 99.9%" if text == "100.0%" and value < 1 else text


def interval(low: float | None, high: float | None, digits: int = 4) -> Cell:
    """From a bound to another."""
    if low is None or high is None:
        return NONE
    return Cell(f"{number_text(low, digits)} to {number_text(high, digits)}", is_number=True)


def estimate(value: float | None, low: float | None, high: float | None, digits: int = 4) -> Cell:
    """A number with its interval below, where it has one."""
    cell = number(value, digits)
    return cell if low is None or high is None else replace(cell, below=interval(low, high, digits).text)


def p_value(value: float | None) -> Cell:
    """A p-value."""
    if value is None:
        return NONE
    return Cell("< 0.0001" if value < 1e-4 else f"{value:.4f}", is_number=True)


def plural(count_of: float, one: str, many: str = "") -> str:
    """A count with its noun."""
    text = f"{int(count_of):,}" if float(count_of).is_integer() else number_text(count_of, 1)
    return f"{text} {one if count_of == 1 else many or one + 's'}"

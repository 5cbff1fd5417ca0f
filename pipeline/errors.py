"""The one exception that stands for a mistake of the person who uses the tool, and how it quotes what came."""

import reprlib
from collections.abc import Callable, Collection
from itertools import islice
from typing import TypeVar
from unicodedata import category

# No cell, name or value of an input stands in a message with more characters than this.
MOST_CHARACTERS = 200

_MOST_OF_A_LIST = 60
_END = 20

Item = TypeVar("Item")


class UserError(Exception):
    """A mistake in an input, told in one message.

    The message names the place as the user typed it, what was expected, what came and what to do.
    ``python -m pipeline`` prints it and exits with status 1; every other exception is a bug and keeps its traceback.
    """


def printable(text: str) -> str:
    """Text for a terminal: control characters, which could move its cursor or colour it, as Python escapes them.

    Line feeds and tabs stay.
    """
    return "".join(
        _escaped(char) if category(char) in ("Cc", "Cf", "Cs") and char not in "\n\t" else char for char in text
    )


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def shortened(text: object, most: int = MOST_CHARACTERS) -> str:
    """A name or text from outside as it stands in a message: on one line, of at most ``most`` characters.

    What no screen shows (line ends, escape sequences, lone surrogates) is written as Python's escapes; of a long text
    the beginning, the end and the length remain.
    """
    given = str(text)
    if len(given) <= most and given.isprintable():
        return given
    # Of a mebibyte only what can be shown is escaped.
    escaped = on_one_line(given[:most])
    if len(given) <= most and len(escaped) <= most:
        return escaped
    length = f" ({len(given):,} characters)"
    end = on_one_line(given[-_END:])[-_END:]
    return f"{escaped[: most - len(length) - len(end) - 3]}...{end}{length}"


def quoted(value: object, most: int = MOST_CHARACTERS) -> str:
    """A value from outside as Python writes it, of at most ``most`` characters; the length of a longer text follows."""
    if not isinstance(value, str):
        return shortened(_REPR.repr(value), most)
    literal = repr(value[:most])
    if len(value) <= most and len(literal) <= most:
        return literal
    length = f" ({len(value):,} characters)"
    room = most - len(length) - 3
    end = repr(value[-_END:])[1:-1][-_END:]
    return f"{literal[: room - len(end) - 1]}...{end}{literal[0]}{length}"


def short_name(name: object) -> str:
    """A name as it stands among others in a message."""
    return shortened(name, _MOST_OF_A_LIST)


def listed(
    items: Collection[Item], most: int = 5, write: Callable[[Item], str] = short_name, separator: str = ", "
) -> str:
    """The first ``most`` of a list, each as ``write`` has it, and how many follow: "a, b, c and 4 more"."""
    first = separator.join(map(write, islice(items, most)))
    before = " " if separator == ", " else separator
    return first if len(items) <= most else f"{first}{before}and {len(items) - most:,} more"


def on_one_line(text: str) -> str:
    """Text of any length in which nothing moves a terminal's cursor: what does not print, as Python escapes it."""
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


class _Bounded(reprlib.Repr):
    """``repr`` whose length does not grow with the value, however deep or often a list stands in itself."""

    def repr_int(self, value: int, _level: int) -> str:
        """An integer; Python refuses to write one of more than 4,300 digits."""
        return repr(value) if value.bit_length() < 256 else f"an integer of {value.bit_length():,} bits"


_REPR = _Bounded()
_REPR.maxlevel = 3
_REPR.maxstring = _REPR.maxother = 60

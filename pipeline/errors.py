"""The one exception that stands for a mistake of the person who uses the tool."""

from unicodedata import category


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

"""What a person sees while and after something runs: sentences that fit the screen, and on a terminal how far it is.

Of workers the first one shows anything; errors are told by each.
"""

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TextIO
from unicodedata import combining, east_asian_width

from pipeline.errors import printable
from pipeline.parallel import workers

WIDEST = 100
_NARROWEST = 40

# Stands for a space at which no line is broken: Unicode keeps it for a program's own use, so names do not have it.
_SOLID = "\ufdd0"
# A command in backticks, or what has no space: neither is broken.
_WORD = re.compile(r"(?:`[^`]{1,90}`|\S)+")

_CTRL_C = "^C"  # as a terminal shows it, behind the bar

_SECONDS_BEFORE, _SECONDS_BETWEEN = 1.0, 0.5  # a bar is drawn for the first time, and again

_FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt} of {total_fmt} {unit}, {remaining} left{postfix}"  # of tqdm


def width(stream: TextIO | None = None) -> int:
    """Columns of a line on this stream, standard output by default: the terminal's, or COLUMNS, and at most 100."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given):
        columns = int(given)
    else:
        try:
            columns = os.get_terminal_size((stream or sys.stdout).fileno()).columns or WIDEST
        except (AttributeError, OSError, ValueError):  # none, closed, no terminal
            columns = WIDEST
    return max(_NARROWEST, min(WIDEST, columns))


def _cells(text: str) -> int:
    """Columns that a terminal gives to a text."""
    return sum(0 if combining(one) else 2 if east_asian_width(one) in "FW" else 1 for one in text)


def unbroken(name: object) -> str:
    """A path or another text with spaces, for ``say``: no line ends within it."""
    return printable(str(name)).replace(" ", _SOLID)


def wrapped(text: str, columns: int, indent: int = 2) -> str:
    """Each line of ``text`` on lines of at most so many columns, if its words allow; the further ones are indented.

    Spaces between words stay as they are, so that what was aligned stays aligned.
    """
    return "\n".join(_broken(line, columns, indent) for line in text.split("\n"))


def _broken(line: str, columns: int, indent: int) -> str:
    lines, start, end = [], 0, 0
    margin = ""
    for word in _WORD.finditer(line):
        if end > start and _cells(margin + line[start : word.end()]) > columns:
            lines.append(margin + line[start:end])
            margin, start = " " * indent, word.start()
        end = word.end()
    return "\n".join([*lines, margin + line[start:]]).replace(_SOLID, " ")


def say(text: str, *, indent: int = 2, error: bool = False) -> None:
    """Print sentences to standard output, or error: within 100 columns, and so that no name moves a cursor.

    Standard error that is no terminal gets a sentence on one line, since logs are searched line by line.
    """
    stream = sys.stderr if error else sys.stdout
    if stream is None or (workers.rank() and not error):
        return
    sentences = printable(text)
    fits = not error or stream.isatty()
    lines = wrapped(sentences, width(stream), indent) if fits else sentences.replace(_SOLID, " ")
    print(_writable(lines, stream), file=stream, flush=True)


def _writable(text: str, stream: TextIO) -> str:
    """The text with escapes in place of what the stream's encoding lacks, as ASCII lacks most names."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


class Bar:
    """How far something has come. Whoever works sets ``count`` and ``note``; a thread draws, so setting costs nothing.

    ``note`` are a few words on how it goes.
    """

    def __init__(self, name: str, total: float | None, unit: str, count: float, form: str) -> None:
        """As ``bar`` says."""
        self.count, self.note = count, ""
        self._name, self._total, self._unit, self._form = name, total, unit, form
        self._initial, self._began = count, monotonic()

    def restart(self) -> None:
        """Begin anew: 0 of the total, from now on."""
        self.count = 0
        self._initial, self._began = 0.0, monotonic()

    def advance(self, count: float = 1) -> None:
        """Add to ``count``."""
        self.count += count

    def text(self, columns: int, ascii_only: bool = False) -> str:
        """The line as it is now."""
        from tqdm import tqdm  # where nothing takes long, it is not loaded

        elapsed = monotonic() - self._began
        if self._total is None:
            parts = [self.note, tqdm.format_interval(elapsed)]
            return f"{self._name}: {', '.join(filter(None, parts))}"[:columns]
        line: str = tqdm.format_meter(
            self.count,
            self._total,
            elapsed,
            columns,
            self._name,
            ascii_only,
            self._unit,
            bar_format=self._form,
            postfix=self.note,
            initial=self._initial,
        )
        return line[:columns]


class _Line:
    """The last line of a terminal, on which the innermost of the open bars is drawn."""

    def __init__(self) -> None:
        self.bars: list[Bar] = []
        self._filled = 0

    def draw(self, bar: Bar, stream: TextIO) -> None:
        if self.bars[-1:] != [bar]:
            return
        text = bar.text(width(stream) - 1 - len(_CTRL_C), "utf" not in (stream.encoding or "utf").lower())
        self._put(text, stream)

    def clear(self, stream: TextIO) -> None:
        if self._filled:
            self._filled += len(_CTRL_C)
            self._put("", stream)

    def _put(self, text: str, stream: TextIO) -> None:
        """In one write, so that what others print comes before or after it."""
        cells = _cells(text)
        stream.write("\r" + text + " " * (self._filled - cells) + ("" if text else "\r"))
        stream.flush()
        self._filled = cells


_line = _Line()


@contextmanager
def bar(
    name: str, total: float | None = None, unit: str = "", *, done: float = 0, form: str = _FORMAT
) -> Iterator[Bar]:
    """A bar that shows after a second on standard error, if that is a terminal, and goes when the block ends.

    Without a total, where nobody knows how much is to come, it shows name, note and the time that passed. ``done`` was
    done before; ``form`` is a bar_format of tqdm.
    """
    progress = Bar(name, total, unit, done, form)
    stream = sys.stderr
    if workers.rank() or stream is None or stream.closed or not stream.isatty():
        yield progress
        return
    over = threading.Event()
    thread = threading.Thread(target=_keep_drawing, args=(progress, stream, over), daemon=True)
    _line.bars.append(progress)
    thread.start()
    try:
        yield progress
    finally:
        over.set()
        thread.join()
        _line.bars.remove(progress)
        _line.clear(stream)


def _keep_drawing(progress: Bar, stream: TextIO, over: threading.Event) -> None:
    wait = _SECONDS_BEFORE
    try:
        while not over.wait(wait):
            _line.draw(progress, stream)
            wait = _SECONDS_BETWEEN
    except OSError:
        pass  # the terminal is gone

"""How far reading a table has come, for a person who waits: rows a second and time left, on a terminal only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from pipeline import screen

# Takes the rows read so far, and the bytes of the source that they took.
ProgressCallback = Callable[[int, int], None]

_FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {remaining} left{postfix}"


@contextmanager
def bar(name: str, size: int) -> Iterator[ProgressCallback]:
    """A bar of ``size`` bytes, all of the source."""
    began = latest = monotonic()
    with screen.bar(name, size, form=_FORMAT) as bar:

        def see(rows: int, position: int) -> None:
            nonlocal began, latest
            if position < bar.count:
                # A type turned out otherwise, or a split needs another pass: reading has started again.
                began = latest
                bar.restart()
            latest = monotonic()
            bar.note = f"{rows / max(latest - began, 1e-9):,.0f} rows/s"
            bar.count = position

        yield see

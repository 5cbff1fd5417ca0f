"""How far reading a table has come, for a person who waits: rows a second and time left, on a terminal only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from tqdm import tqdm

# Takes the rows read so far, and the bytes of the source that they took.
ProgressCallback = Callable[[int, int], None]

_FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {remaining} left{postfix}"


@contextmanager
def bar(name: str, size: int) -> Iterator[ProgressCallback]:
    """A bar that shows after a second, if the error stream is a terminal; ``size`` in bytes is the whole of it."""
    began = monotonic()
    with tqdm(total=size, desc=name, bar_format=_FORMAT, disable=None, delay=1, leave=False) as progress:

        def see(rows: int, position: int) -> None:
            nonlocal began
            if position < progress.n:
                # A type turned out otherwise, or a split needs another pass: reading has started again.
                began = monotonic()
                progress.reset()
                progress.clear()
            progress.set_postfix_str(f"{rows / max(monotonic() - began, 1e-9):,.0f} rows/s", refresh=False)
            progress.update(position - progress.n)

        yield see

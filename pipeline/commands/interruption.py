"""Ctrl-C: what it leaves, and how to go on. Whoever works says so; `python -m pipeline` prints it and exits 130."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def advised(sentence: str | Callable[[], str]) -> Iterator[None]:
    """Add a sentence to a Ctrl-C within the block; a function is asked then."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(sentence if isinstance(sentence, str) else sentence())
        raise


def advice(error: BaseException | None) -> str:
    """The sentences that were added, the innermost first; none if it was no Ctrl-C."""
    return "; ".join(getattr(error, "__notes__", []))


def again() -> str:
    """The way to begin once more what runs now."""
    return "the next `dvc repro`" if "DVC_STAGE" in os.environ else "the same command"

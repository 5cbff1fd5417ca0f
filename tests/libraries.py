"""The compiled arithmetic, taken away for a while."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipeline.arithmetic import compiled


@contextmanager
def not_compiled() -> Iterator[None]:
    """As in an environment for which nothing was compiled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, compiled.LIBRARY, None)  # as Python leaves a module that must not be found
        _forget()
        try:
            yield
        finally:
            _forget()


def _forget() -> None:
    compiled.load.cache_clear()
    compiled.function.cache_clear()

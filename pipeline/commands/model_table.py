"""The table that a word is about: the one that a person names, or the one that the model was prepared from."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline import params
from pipeline.params import PARAMS_FILE
from pipeline.prepare.params import PrepareParams
from pipeline.table import find_source
from pipeline.table.sources import Source


@contextmanager
def opened(source: str | None) -> Iterator[Source]:
    """The table at ``source``, or that of prepare.source, read as `prepare` reads it."""
    if source is not None:
        with find_source.find_or_copy(source) as table:
            yield table
    else:
        prepare = params.load(PARAMS_FILE, "prepare", PrepareParams)
        yield find_source.find(prepare.source, prepare.files, prepare.separator, prepare.encoding)

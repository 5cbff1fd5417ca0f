"""A source that must stay as it was found while it is read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline.errors import UserError
from pipeline.table.sources import Source


class UnchangedSource:
    """The ``source`` that ``find`` gives now. Raises: what ``find`` does; UserError for a file that is not there."""

    def __init__(self, find: Callable[[], Source]) -> None:
        self.source = find()
        self._find = find
        self._stamps = self.source.stamps()

    @contextmanager
    def blaming_changes(self) -> Iterator[None]:
        """Tell of a source that changed rather than of a fault that is there because it changed."""
        try:
            yield
        except UserError:
            self.require_unchanged()
            raise

    def require_unchanged(self) -> None:
        """Raises: UserError if ``find`` gives other files by now, or one of them was written to."""
        try:
            again = self._find()
            is_same = again == self.source and again.stamps() == self._stamps
        except (OSError, UserError):
            is_same = False
        if not is_same:
            raise UserError(f"{self.source}: the source changed while it was being read; run again when it is complete")

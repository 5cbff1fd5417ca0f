"""Values of category columns that training never saw, and that are scored as <unseen>."""

from collections.abc import Mapping

from pipeline.dataset.columns import Chunk
from pipeline.dataset.encoder import OTHER, Encoder


class KnownLevels:
    """The levels of a model's category columns, but of those that have a level for all others."""

    def __init__(self, encoder: Encoder) -> None:
        self._levels: Mapping[str, frozenset[str]] = {
            category.name: frozenset(category.levels) for category in encoder.categories if OTHER not in category.levels
        }

    def unseen(self, chunk: Chunk) -> dict[str, list[str]]:
        """The texts of a chunk that training never saw, by column, each once; columns without any are left out."""
        new = {
            column: [level for level in chunk.texts[column].levels if level not in levels]
            for column, levels in self._levels.items()
        }
        return {column: levels for column, levels in new.items() if levels}

"""Training rows with the names that sentences about them need."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.numerics.data.accelerator import Accelerator
from pipeline.numerics.data.block import Block


@dataclass(frozen=True)
class TrainingRows:
    """The training rows: blocks, levels of each category, names of the d columns of W, and the k labels.

    Passes over all of them run on the ``accelerator``, if there is one.
    """

    blocks: Sequence[Block]
    levels: Sequence[int]
    features: Sequence[str]
    labels: Sequence[object]
    accelerator: Accelerator | None = None

    @property
    def classes(self) -> int:
        """k."""
        return len(self.labels)

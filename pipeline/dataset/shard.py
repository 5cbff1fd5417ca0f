"""One shard of a dataset: rows of one split as arrays, and the constants of the format."""

from collections.abc import Container
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = "softmax-prepared/1"
SPLITS = ("train", "validation", "test")
BLOCK_ROWS = 16_384
SHARD_ROWS = 4 * BLOCK_ROWS


@dataclass(frozen=True)
class Shard:
    """Rows of one split, at most SHARD_ROWS; arrays that were read lie in the file and cannot be written.

    Shapes: n rows, p numbers, c categories, m kept columns; numbers (n, p), codes (n, c), kept (n, m), the others (n,).
    """

    numbers: NDArray[np.floating[Any]]
    codes: NDArray[np.integer[Any]]
    labels: NDArray[np.int32]
    rows: NDArray[np.int64]
    weights: NDArray[np.float64] | None = None
    groups: NDArray[np.uint64] | None = None
    kept: NDArray[np.uint64] | None = None

    def tensors(self) -> dict[str, NDArray[Any]]:
        """The arrays that are there, by name."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: array for name, array in named.items() if array is not None}

    @property
    def counted(self) -> slice | NDArray[np.bool_]:
        """An index of the rows of positive weight, into any of the arrays."""
        return slice(None) if self.weights is None else self.weights > 0

    def part(self, start: int, stop: int | None = None) -> "Shard":
        """Rows from ``start`` to before ``stop``."""
        return Shard(**{name: array[start:stop] for name, array in self.tensors().items()})


def most_held_out(splits: Container[str]) -> str:
    """Of the splits that have rows, the one that says most of new rows: test, else validation, else train."""
    return next((split for split in reversed(SPLITS) if split in splits), "train")


def file_name(split: str, position: int) -> str:
    return f"{split}-{position:05d}.safetensors"

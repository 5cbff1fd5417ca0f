"""A device beside the processor that passes over all rows can run on, and the rows there.

An accelerator wants few large pieces of rows, where threads want many small ones: blocks are joined, moved, and stay
there if they fit, else they are moved anew in every pass. No bit of a result depends on which of the two it is. What is
small (theta, samples, curvature, steps) stays on the processor. Sums meet as integers here too, so that a device gives
its own bits again and again; another kind of device may give others, since its products round differently.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from pipeline.numerics.data.block import Block, joined, row_counts
from pipeline.parallel.lazy import CachedSequence, LazySequence

_ROWS_AT_ONCE, _NUMBERS_AT_ONCE = 1 << 20, 1 << 26
_SHARE_OF_MEMORY = 0.6  # for rows; the rest is for what a pass makes of a piece


@dataclass(frozen=True)
class Accelerator:
    """The device, and how many bytes of rows may stay on it."""

    device: torch.device
    room: int

    def keeps(self, blocks: Sequence[Block], more: int = 0) -> bool:
        """Whether all rows fit, with so many numbers ``more`` a row."""
        first = blocks[0]
        parts = [first.numbers, first.codes, first.labels, *([] if first.weights is None else [first.weights])]
        a_row = sum(part.element_size() * part[0].numel() for part in parts) + more * first.numbers.element_size()
        return a_row * sum(row_counts(blocks)) <= self.room

    def moved(self, blocks: Sequence[Block]) -> Sequence[Block]:
        """The same rows in larger pieces on the device, moved there whenever one is asked for."""
        groups = _groups(row_counts(blocks), blocks[0].numbers.shape[1])
        return LazySequence(
            lambda place: joined([blocks[position] for position in groups[place]]).to(self.device), len(groups)
        )

    def placed(self, blocks: Sequence[Block]) -> Sequence[Block]:
        """As ``moved``; they stay there if they fit."""
        moved = self.moved(blocks)
        return CachedSequence(moved.__getitem__, len(moved)) if self.keeps(blocks) else moved


def find(name: str) -> Accelerator | None:
    """The device called cpu, cuda, or auto, which is cuda where there is one; None is the processor.

    Each worker of a machine takes the next of its devices.
    Raises: RuntimeError if cuda is asked for and torch finds none.
    """
    if name == "cpu":
        return None
    if not torch.cuda.is_available():
        if name == "auto":
            return None
        raise RuntimeError("torch finds no CUDA device")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    free, _ = torch.cuda.mem_get_info(device)
    return Accelerator(device, int(free * _SHARE_OF_MEMORY))


def _groups(counts: Sequence[int], columns: int) -> list[range]:
    """Neighbouring blocks that make a piece; a function of the sizes alone."""
    most = min(_ROWS_AT_ONCE, _NUMBERS_AT_ONCE // max(1, columns))
    edges, rows = [0], 0
    for place, count in enumerate(counts):
        if rows and rows + count > most:
            edges.append(place)
            rows = 0
        rows += count
    return [range(first, last) for first, last in zip(edges, [*edges[1:], len(counts)], strict=True)]

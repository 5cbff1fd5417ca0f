"""The course of a training: its history, and snapshots of W and b."""

import csv
import io
from typing import Any

from numpy.typing import NDArray

from pipeline.errors import listed, quoted
from pipeline.results.checks import parse_tensors, refuse, require_tensor

# Epochs, and what stands beside them: MLflow counts steps in int64, and float64 holds no larger integer exactly.
_MOST_EPOCHS = 2**53


def parse_history(content: bytes, place: object) -> dict[str, list[float]]:
    """The columns of history.csv, ``epoch`` and ``cost`` among them; epochs are whole numbers that rise.

    Raises: UserError that names ``place`` and the line.
    """
    try:
        names, *rows = csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
    except (ValueError, csv.Error):
        refuse(place, "a table of epochs", "something else")
    if len(set(names)) != len(names) or not {"epoch", "cost"} <= set(names):
        refuse(place, "a header with epoch and cost, each name once", listed(names))
    if not rows:
        refuse(place, "a line for each epoch", "none")
    table = [_line(row, len(names), f"{place}, line {number}") for number, row in enumerate(rows, 2)]
    columns = dict(zip(names, map(list, zip(*table, strict=True)), strict=True))
    _require_epochs(columns["epoch"], place)
    return columns


def _line(row: list[str], count: int, place: str) -> list[float]:
    if len(row) != count:
        refuse(place, f"{count} numbers", f"{len(row)} cells")
    for cell in row:
        try:
            float(cell)
        except ValueError:
            refuse(place, "a number", quoted(cell))
    return [float(cell) for cell in row]


def _require_epochs(epochs: list[float], place: object) -> None:
    before = -1.0
    for number, epoch in enumerate(epochs, 2):
        if not (before < epoch <= _MOST_EPOCHS and epoch == int(epoch)):
            refuse(f"{place}, line {number}", "an epoch, a whole number above the one before", repr(epoch))
        before = epoch


def parse_snapshots(content: bytes, place: object, shape: tuple[int, int]) -> dict[str, NDArray[Any]]:
    """``epoch`` (s,) int64, W (s, k, d) and b (s, k) float64 from snapshots.safetensors; ``shape`` is (k, d).

    Raises: UserError that names ``place``.
    """
    tensors = parse_tensors(content, place, ("epoch", "W", "b"))
    count = max(1, tensors["epoch"].size)
    expected = {"epoch": ("int64", (count,)), "W": ("float64", (count, *shape)), "b": ("float64", (count, shape[0]))}
    for name, (kind, size) in expected.items():
        require_tensor(tensors, name, kind, size, place)
    epochs = tensors["epoch"]
    if epochs[0] < -1 or epochs[-1] > _MOST_EPOCHS or (epochs[1:] <= epochs[:-1]).any():
        refuse(f"{place}: tensor epoch", "epochs that rise from -1", "others")
    return tensors

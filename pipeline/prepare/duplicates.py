"""Rows held out of training that equal a training row, counted on disk so that memory stays flat."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.row_digests import Digests
from pipeline.prepare.split import TRAIN

# Rows are dealt by the first 6 bits of their digests: equal rows meet in one file, a 64th of all.
_FILES_BITS = 6

_RECORD = np.dtype([("digest", "<u8"), ("split", "u1")])


class Duplicates:
    """Takes rows' digests and splits into files of ``folder``, then counts; 9 bytes of disk a row."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: list[NDArray[np.void]] = []
        self._rows = 0

    def add(self, digests: Digests, split: int) -> None:
        """Take in rows of one split, an index into ``SPLITS``. Shape: digests (n,)."""
        records = np.empty(len(digests), dtype=_RECORD)
        records["digest"], records["split"] = digests, split
        self._waiting.append(records)
        self._rows += len(records)
        if self._rows >= 1 << 20:
            self._deal()

    def _deal(self) -> None:
        """Append what waits to the files."""
        records = np.concatenate(self._waiting)
        file_of = (records["digest"] >> np.uint64(64 - _FILES_BITS)).astype(np.uint8)
        records = records[np.argsort(file_of, kind="stable")]
        ends = np.cumsum(np.bincount(file_of, minlength=1 << _FILES_BITS))
        for number, part in enumerate(np.split(records, ends[:-1])):
            with self._path(number).open("ab") as file:
                file.write(part.tobytes())
        self._waiting, self._rows = [], 0

    def count(self) -> int:
        """Rows outside training whose digest a training row has; the files are removed."""
        if self._waiting:
            self._deal()
        return sum(self._count_file(self._path(number)) for number in range(1 << _FILES_BITS))

    def _count_file(self, path: Path) -> int:
        if not path.exists():
            return 0
        records = np.fromfile(path, dtype=_RECORD)
        path.unlink()
        trains = records["split"] == TRAIN
        return int(np.isin(records["digest"][~trains], records["digest"][trains]).sum())

    def _path(self, number: int) -> Path:
        return self._folder / f"digests-{number}.part"

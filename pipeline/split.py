"""Row -> train, validation or test: all train, by seed and stratified, by a hash, or as a column of the table says.

Rows are assigned as uint8 indices into NAMES.
"""

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pipeline.errors import UserError, quoted
from pipeline.params import Section
from pipeline.table import places
from pipeline.table.columns import Texts
from pipeline.table.sources import Where

NAMES = ("train", "validation", "test")
TRAIN = 0

# The index of a row that is in no split, since it has no label.
DROPPED = 255

Assignment = NDArray[np.uint8]


class Split(Section):
    """Which rows train, validate and test; a method reads the params that it names, so all of them can stand there."""

    method: Literal["none", "seed", "hash", "column"] = Field(
        default="none",
        description="none: all rows train; seed: by lot, class by class; hash: by content; column: as a column says",
    )
    seed: int = Field(default=0, ge=0, description="which lot; another seed is another split")
    validation: float = Field(default=0.2, ge=0, lt=1, description="share of each class's rows")
    test: float = Field(default=0.2, ge=0, lt=1, description="share of each class's rows")
    column: str | None = Field(default=None, description="column of the words train, validation and test; no feature")

    key: str | None = Field(default=None, description="column whose equal values stay together; null: the whole row")

    @model_validator(mode="after")
    def _method_has_what_it_needs(self) -> "Split":
        if self.method in ("seed", "hash") and self.validation + self.test >= 1:
            both = f"{self.validation:g} + {self.test:g}"
            raise ValueError(f"validation + test to be less than 1, so that rows are left to train on, got {both}")
        if self.method == "column" and self.column is None:
            raise ValueError("the name of a column in split.column, since split.method is column, got null")
        return self

    @property
    def reads_column(self) -> str | None:
        """The column of the table that decides, where one does."""
        return self.column if self.method == "column" else None

    @property
    def reads_key(self) -> str | None:
        """The column whose hash decides, where one does."""
        return self.key if self.method == "hash" else None

    @property
    def holds_out(self) -> bool:
        """Whether a row by itself tells that it does not train."""
        return self.method in ("hash", "column")

    @property
    def asked_for(self) -> dict[str, float]:
        """Shares above 0 of the splits held out of training, where the method goes by shares."""
        shares = {"validation": self.validation, "test": self.test} if self.method in ("seed", "hash") else {}
        return {name: share for name, share in shares.items() if share}

    @property
    def may_straddle(self) -> bool:
        """Whether equal rows may come to lie in different splits."""
        return self.method in ("seed", "column") or self.reads_key is not None


def by_hash(digests: NDArray[np.uint64], split: Split) -> Assignment:
    """Assign rows by their digests alone, so that no row moves when others come or go. Shapes: digests (n,), (n,).

    Test takes the lowest digests and validation the highest: a share that grows takes rows from training only.
    """
    test, validation = (int(Fraction(repr(share)) * 2**64) for share in (split.test, split.validation))
    assigned = np.zeros(len(digests), dtype=np.uint8)
    if validation:
        assigned[digests > np.uint64(2**64 - 1 - validation)] = NAMES.index("validation")
    assigned[digests < np.uint64(test)] = NAMES.index("test")
    return assigned


def by_seed(labels: NDArray[np.integer], classes: Sequence[object], split: Split) -> Assignment:
    """Assign rows by lot. Shapes: labels (n,) indices into ``classes``, -1 for none: DROPPED; returns (n,).

    Each class draws from a generator of its own, PCG64 seeded with the seed and a digest of the class's name, so rows
    of one class stay where they are when rows of another come or go. PCG64's raw stream never changes between numpy
    versions; ``Generator.permutation`` may.
    """
    assigned = np.where(labels < 0, np.uint8(DROPPED), np.uint8(TRAIN))
    for index, name in enumerate(classes):
        rows = np.flatnonzero(labels == index)
        keys = _generator(split.seed, name).random_raw(len(rows))
        order = rows[np.argsort(keys, kind="stable")]
        train, validation, _ = counts(len(rows), split.validation, split.test)
        assigned[order[train : train + validation]] = NAMES.index("validation")
        assigned[order[train + validation :]] = NAMES.index("test")
    return assigned


def _generator(seed: int, name: object) -> np.random.PCG64:
    digest = hashlib.sha256(f"{type(name).__name__}:{name}".encode()).digest()
    return np.random.PCG64(np.random.SeedSequence([seed, int.from_bytes(digest[:16], "big")]))


def counts(rows: int, validation: float, test: float) -> tuple[int, int, int]:
    """How many of a class's rows train, validate and test; a class with rows always has one that trains.

    Shares are rounded down; the rows left over go one each to the largest remainders, ties to train, then validation.
    If that leaves none to train, test gives one back, or validation if test has none.
    Shares are taken as they are written, so that 0.2 of 10 rows is 2 whatever float64 makes of 0.2.
    """
    held_out = [Fraction(repr(validation)), Fraction(repr(test))]
    quotas = [rows * (1 - sum(held_out)), *(rows * share for share in held_out)]
    whole = [int(quota) for quota in quotas]
    by_remainder = sorted(range(3), key=lambda i: whole[i] - quotas[i])
    for i in by_remainder[: rows - sum(whole)]:
        whole[i] += 1
    if rows and whole[TRAIN] == 0:
        whole[2 if whole[2] else 1] -= 1
        whole[TRAIN] = 1
    return whole[0], whole[1], whole[2]


def by_column(source: Where, column: str, texts: Texts, others: places.Others = places.NO_OTHERS) -> Assignment:
    """Assign the rows of a chunk as its split column says, ``others`` being what holds of all its rows; returns (n,).

    Raises: UserError that names the line of a row that says anything else.
    """
    known = np.array([level in NAMES for level in texts.levels] + [False])
    if not known[texts.codes].all():
        place, text = places.find_cell(source, column, lambda cell: cell not in NAMES, others)
        raise UserError(f"{place}: expected train, validation or test, got {quoted(text)}")
    indices = [NAMES.index(level) if level in NAMES else DROPPED for level in texts.levels]
    return np.array(indices, dtype=np.uint8)[texts.codes]

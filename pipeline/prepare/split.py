"""Row -> train, validation or test: all train, by seed and stratified, by a hash, or as a column of the table says.

Rows are assigned as uint8 indices into SPLITS.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pipeline.dataset.columns import Chunk, Class, Texts
from pipeline.dataset.shard import SPLITS
from pipeline.errors import UserError, quoted, shortened
from pipeline.prepare.column_roles import Roles
from pipeline.prepare.params import SplitParams
from pipeline.table import locate, row_hash
from pipeline.table.sources import TableSource

TRAIN = 0

# The index of a row that is in no split, since it has no label.
DROPPED = 255

Assignment = NDArray[np.uint8]


def by_hash(digests: NDArray[np.uint64], split: SplitParams) -> Assignment:
    """Assign rows by their digests alone, so that no row moves when others come or go. Shapes: digests (n,), (n,).

    Test takes the lowest digests and validation the highest: a share that grows takes rows from training only.
    """
    test, validation = (int(Fraction(repr(share)) * 2**64) for share in (split.test, split.validation))
    assigned = np.zeros(len(digests), dtype=np.uint8)
    if validation:
        assigned[digests > np.uint64(2**64 - 1 - validation)] = SPLITS.index("validation")
    assigned[digests < np.uint64(test)] = SPLITS.index("test")
    return assigned


def by_seed(labels: NDArray[np.integer], classes: Sequence[object], split: SplitParams) -> Assignment:
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
        assigned[order[train : train + validation]] = SPLITS.index("validation")
        assigned[order[train + validation :]] = SPLITS.index("test")
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
    rounded = [int(quota) for quota in quotas]
    by_remainder = sorted(range(3), key=lambda i: rounded[i] - quotas[i])
    for i in by_remainder[: rows - sum(rounded)]:
        rounded[i] += 1
    if rows and rounded[TRAIN] == 0:
        rounded[2 if rounded[2] else 1] -= 1
        rounded[TRAIN] = 1
    return rounded[0], rounded[1], rounded[2]


def by_column(source: TableSource, column: str, texts: Texts, others: locate.Others = locate.NO_OTHERS) -> Assignment:
    """Assign the rows of a chunk as its split column says, ``others`` being what holds of all its rows; returns (n,).

    Raises: UserError that names the line of a row that says anything else.
    """
    known = np.array([level in SPLITS for level in texts.levels] + [False])
    if not known[texts.codes].all():
        place, text = locate.find_cell(source, column, lambda cell: cell not in SPLITS, others)
        raise UserError(f"{place}: expected train, validation or test, got {quoted(text)}")
    indices = [SPLITS.index(level) if level in SPLITS else DROPPED for level in texts.levels]
    return np.array(indices, dtype=np.uint8)[texts.codes]


Assign = Callable[[Chunk], Assignment]


def assign_row_wise(
    split: SplitParams, source: TableSource, columns: Roles, missing_values: Sequence[str], others: locate.Others
) -> Assign | None:
    """The assignment of a row that needs no other rows; None for a split that does.

    A row without a label is DROPPED, wherever it would belong. ``others``: what rows must hold to be found at fault.
    """
    if split.method == "seed":
        return None
    if split.method == "hash":
        hashed = [*columns.features, columns.target] if split.key is None else [split.key]
        return _of_labelled(
            columns.target, lambda chunk: _by_hash(split, source, chunk, hashed, missing_values, others)
        )
    if (column := split.reads_column) is None:
        return _of_labelled(columns.target, lambda chunk: np.zeros(chunk.rows, dtype=np.uint8))
    return _of_labelled(columns.target, lambda chunk: by_column(source, column, chunk.texts[column], others))


def _of_labelled(target: str, assign: Assign) -> Assign:
    """``assign`` that sees only rows with a label; the others are DROPPED."""

    def assigned(chunk: Chunk) -> Assignment:
        if not chunk.lacks(target):
            return assign(chunk)
        everywhere = np.full(chunk.rows, DROPPED, dtype=np.uint8)
        everywhere[chunk.texts[target].codes >= 0] = assign(chunk.having(target))
        return everywhere

    return assigned


def _by_hash(
    split: SplitParams,
    source: TableSource,
    chunk: Chunk,
    hashed: Sequence[str],
    missing_values: Sequence[str],
    others: locate.Others,
) -> Assignment:
    key = split.key
    if key is not None and chunk.lacks(key):
        line = locate.lines_without_value(source, key, missing_values, 1, others)[0]
        raise UserError(f"{source}, line {line}, column {shortened(key)}: expected a key to split by, got no value")
    return by_hash(row_hash.of_rows(chunk, hashed, split.seed), split)


def by_seed_over_table(
    split: SplitParams, texts: Sequence[str], codes: Sequence[NDArray[np.int32]], classes: Mapping[str, Class]
) -> Assign:
    """The assignment by the labels of all rows: ``codes``, in pieces (n,) in order, number them within ``texts``.

    Code -1 is no label.
    """
    names = sorted(set(classes.values()))
    of_text = np.array([*(names.index(classes[text]) for text in texts), -1], dtype=np.int32)
    assigned = by_seed(of_text[np.concatenate(codes)], names, split)
    return lambda chunk: assigned[chunk.first_row - 1 :][: chunk.rows]

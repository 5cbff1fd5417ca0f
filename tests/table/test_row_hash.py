"""Digests of rows: equal for equal values, the same on every machine, spread evenly."""

import numpy as np

from pipeline.dataset.columns import Chunk, Texts
from pipeline.table import row_hash


def _chunk(numbers: list[float], words: list[str | None]) -> Chunk:
    levels = tuple(dict.fromkeys(word for word in words if word is not None))
    codes = np.array([-1 if word is None else levels.index(word) for word in words], dtype=np.int32)
    return Chunk(1, len(numbers), {"n": np.array(numbers)}, {"t": Texts(codes, levels)})


def test_equal_rows_have_equal_digests() -> None:
    """Digests follow the values, not the rows around, the order of columns, the sign of zero or the codes."""
    first = row_hash.of_rows(_chunk([0.0, 1.5, np.nan], ["u", "v", None]), ["n", "t"])
    again = row_hash.of_rows(_chunk([np.nan, 9.0, -0.0, 1.5], [None, "w", "u", "v"]), ["t", "n"])
    assert first.tolist() == again[[2, 3, 0]].tolist()
    assert len({*first.tolist(), *again.tolist()}) == 4


def test_digests_never_change() -> None:
    """The digests of two rows are those that every earlier version gave: a split would move otherwise."""
    hashes = row_hash.of_rows(_chunk([1.0, np.nan], ["é", None]), ["n", "t"], seed=7)
    assert [f"{digest:016x}" for digest in hashes.tolist()] == GOLDEN


# Printed by the first version; no other implementation exists to compare with.
GOLDEN = ["8a32efb35438728d", "8b3e511cd1afc50c"]


def test_columns_and_seeds_matter() -> None:
    """The same value in another column, or under another seed, has another digest."""
    chunk = Chunk(1, 1, {"a": np.array([1.0]), "b": np.array([1.0])}, {})
    hashes = {int(row_hash.of_rows(chunk, [name], seed)[0]) for name in ("a", "b") for seed in (0, 1)}
    assert len(hashes) == 4


def test_words_for_true_keep_their_digest_in_a_text_column() -> None:
    """A boolean column that becomes text, because another word joined, keeps its rows where they were."""
    boolean = Chunk(1, 2, {"x": np.array([1.0, 0.0])}, {})
    text = Chunk(1, 2, {}, {"x": Texts(np.array([1, 0], dtype=np.int32), ("FALSE", "true"))})
    assert row_hash.of_rows(boolean, ["x"]).tolist() == row_hash.of_rows(text, ["x"]).tolist()


def test_digests_are_spread_evenly() -> None:
    """Of 100,000 consecutive numbers each 16th of the range gets its share, within five standard deviations."""
    values = np.arange(100_000, dtype=np.float64)
    hashes = row_hash.of_rows(Chunk(1, len(values), {"x": values}, {}), ["x"])
    counts = np.bincount((hashes >> np.uint64(60)).astype(int), minlength=16)
    assert np.abs(counts - 6_250).max() < 5 * np.sqrt(6_250 * 15 / 16)
    assert len(np.unique(hashes)) == len(values)

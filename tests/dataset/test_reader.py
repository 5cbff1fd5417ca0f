"""The prepared format: what is written comes back, memory-mapped, and damage is told by file."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load_file

from pipeline import files
from pipeline.dataset import reader
from pipeline.dataset.encoder import UNSEEN, CategoryColumn, Encoder, NumberColumn
from pipeline.dataset.row_digests import mixed
from pipeline.dataset.shard import SHARD_ROWS, Shard
from pipeline.dataset.writer import Writer
from pipeline.errors import UserError

ENCODER = Encoder(
    numbers=(NumberColumn("a", "number", 0.5, 0.0, 1.0, False), NumberColumn("b", "number", 0.5, 0.0, 1.0, False)),
    categories=(CategoryColumn("c", ("u", UNSEEN)),),
    target="y",
    classes=("p", "q"),
    missing_values=("NA",),
)


def _rows(first: int, count: int, weights: bool = False) -> Shard:
    rows = np.arange(first, first + count, dtype=np.int64)
    return Shard(
        numbers=np.stack([rows, -rows], axis=1).astype(np.float32),
        codes=(rows % 2).astype(np.uint8)[:, np.newaxis],
        labels=(rows % 2).astype(np.int32),
        rows=rows,
        weights=rows / 3 if weights else None,
    )


def _write(folder: Path, parts: list[tuple[str, Shard]], encoder: Encoder = ENCODER, kept: tuple[str, ...] = ()) -> str:
    with files.new_folder(folder) as new:
        writer = Writer(new)
        for split, part in parts:
            writer.add(split, part)
        return writer.finish({"rows": 0}, encoder, kept)


def test_rows_come_back_in_order(tmp_path: Path) -> None:
    """Rows of interleaved splits, added in uneven parts, lie in full shards of 65,536 rows in their order."""
    sizes = [1, 70_000, 0, 3, 130_000, 65_536]
    starts = np.cumsum([1, *sizes[:-1]])
    parts = [
        (("train", "test")[i % 2], _rows(int(s), n, True)) for i, (s, n) in enumerate(zip(starts, sizes, strict=True))
    ]
    digest = _write(tmp_path / "prepared", parts)
    prepared = reader.open_dataset(tmp_path / "prepared")
    assert (prepared.digest, prepared.encoder, prepared.schema) == (digest, ENCODER, {"rows": 0})
    assert set(prepared.splits) == {"train", "test"}
    for name, split in prepared.splits.items():
        expected = np.concatenate([part.rows for where, part in parts if where == name])
        np.testing.assert_array_equal(np.concatenate([shard.rows for shard in split.shards]), expected)
        assert split.rows == len(expected)
        assert all(len(shard.rows) == SHARD_ROWS for shard in split.shards[:-1])
        for shard in split.shards:
            np.testing.assert_array_equal(shard.numbers, np.stack([shard.rows, -shard.rows], axis=1).astype(np.float32))
            np.testing.assert_array_equal(shard.codes[:, 0], shard.rows % 2)
            np.testing.assert_array_equal(shard.labels, shard.rows % 2)
            np.testing.assert_array_equal(shard.weights, shard.rows / 3)


def test_shards_are_plain_safetensors(tmp_path: Path) -> None:
    """The safetensors library reads what is memory-mapped here; nothing is copied and nothing can be written."""
    _write(tmp_path / "prepared", [("train", _rows(1, 9))])
    shard = reader.open_dataset(tmp_path / "prepared").splits["train"].shards[0]
    library = load_file(tmp_path / "prepared" / "train-00000.safetensors")
    assert set(library) == {"numbers", "codes", "labels", "rows"}
    for name, array in shard.tensors().items():
        np.testing.assert_array_equal(array, library[name])
        assert array.dtype == library[name].dtype
        assert not array.flags.owndata
        assert not array.flags.writeable
    assert shard.weights is None


@given(st.integers(1, 5), st.integers(0, 3), st.integers(0, 3), st.sampled_from(["uint8", "int16", "int32"]))
@settings(max_examples=25, deadline=None)
def test_any_shape_comes_back(tmp_path_factory: pytest.TempPathFactory, n: int, p: int, c: int, code: str) -> None:
    """Tables without numbers or without categories keep arrays of shape (n, 0)."""
    shard = Shard(
        numbers=np.arange(n * p, dtype=np.float32).reshape(n, p),
        codes=np.arange(n * c).astype(code).reshape(n, c),
        labels=np.zeros(n, dtype=np.int32),
        rows=np.arange(1, n + 1),
    )
    folder = tmp_path_factory.mktemp("shapes") / "prepared"
    numbers = tuple(NumberColumn(f"n{i}", "number", 0.5, 0.0, 1.0, False) for i in range(p))
    categories = tuple(CategoryColumn(f"c{i}", (*map(str, range(n * c)), UNSEEN)) for i in range(c))
    _write(folder, [("train", shard)], Encoder(numbers, categories, "y", ("p", "q"), ()))
    read = reader.open_dataset(folder).splits["train"].shards[0]
    for name, array in shard.tensors().items():
        np.testing.assert_array_equal(getattr(read, name), array)
        assert getattr(read, name).dtype == array.dtype


def test_digest_is_of_content_only(tmp_path: Path) -> None:
    """The digest depends neither on how rows were added nor on where the folder lies, and changes with one value."""
    one_piece = _write(tmp_path / "a", [("train", _rows(1, 100))])
    cut = _write(tmp_path / "b", [("train", _rows(1, 30)), ("train", _rows(31, 70))])
    other = _write(tmp_path / "c", [("train", _rows(2, 100))])
    assert one_piece == cut != other
    for name in ("prepared.json", "train-00000.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("name", ["prepared.json", "encoder.json", "schema.json", "train-00000.safetensors"])
@pytest.mark.parametrize("damage", ["gone", "cut", "edited"])
def test_damage_is_told_by_file(tmp_path: Path, name: str, damage: str) -> None:
    """A file that is missing, cut short or edited is named when the folder is opened."""
    _write(tmp_path, [("train", _rows(1, 9))])
    path = tmp_path / name
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-9] if damage == "cut" else content.replace(b"0", b"1"))
    with pytest.raises(UserError) as caught:
        reader.open_dataset(tmp_path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "run `dvc repro`" in str(caught.value)


def test_another_format_is_told(tmp_path: Path) -> None:
    """Data prepared by another version of the format is not misread."""
    files.write_json(tmp_path / "prepared.json", {"format": "softmax-prepared/99"})
    with pytest.raises(UserError, match="expected format softmax-prepared/1, got 'softmax-prepared/99'"):
        reader.open_dataset(tmp_path)


def _keeping(first: int, count: int) -> Shard:
    rows = _rows(first, count)
    return replace(rows, kept=_digests(rows.rows))


def _digests(rows: NDArray[np.int64]) -> NDArray[np.uint64]:
    """(n, 2) what is kept of these rows."""
    return np.stack([mixed(rows.astype(np.uint64)), rows.astype(np.uint64)], axis=1)


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    """Its names, in their order, and a digest a row and name, through shards, splits and pieces of any size."""
    sizes = [1, 70_000, 3, 65_536]
    starts = np.cumsum([1, *sizes[:-1]])
    parts = [
        (("train", "test")[i % 2], _keeping(int(s), n)) for i, (s, n) in enumerate(zip(starts, sizes, strict=True))
    ]
    _write(tmp_path / "prepared", parts, kept=("shop", "customer"))
    prepared = reader.open_dataset(tmp_path / "prepared")
    assert prepared.kept == ("shop", "customer")
    assert json.loads((tmp_path / "prepared" / "prepared.json").read_text(encoding="utf-8"))["kept"] == [*prepared.kept]
    for split in prepared.splits.values():
        for shard in split.shards:
            assert shard.kept is not None
            assert (shard.kept.dtype.name, shard.kept.flags.owndata, shard.kept.flags.writeable) == (
                "uint64",
                False,
                False,
            )
            np.testing.assert_array_equal(shard.kept, _digests(shard.rows))


def test_without_what_is_kept_nothing_tells_of_it(tmp_path: Path) -> None:
    """Neither a tensor nor a key of prepared.json; the digest is that of data which knew nothing of it."""
    rows = [("train", _rows(1, 9))]
    assert _write(tmp_path / "a", rows, kept=()) == _write(tmp_path / "b", rows)
    assert "kept" not in (tmp_path / "a" / "prepared.json").read_text(encoding="utf-8")
    prepared = reader.open_dataset(tmp_path / "a")
    assert (prepared.kept, prepared.splits["train"].shards[0].kept) == ((), None)


def _seal(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "prepared.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    document.pop("digest")
    change(document)
    files.write_json(path, document | {"digest": files.sha256_text(files.canonical_json(document))})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(kept=["shop", "shop"]), "kept: expected each name once, got shop, shop"),
        (lambda d: d.update(kept=[]), "kept"),
        (lambda d: d.update(kept=None), "kept"),
        (lambda d: d.update(kept="shop"), "kept"),
        (lambda d: d.update(kept=["shop", 3]), "kept"),
        (lambda d: d.update(kept={"shop": "customer"}), "kept"),
    ],
)
def test_names_that_prepare_does_not_write_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    """Names twice, none, or no texts, though the digest matches."""
    _write(tmp_path, [("train", _keeping(1, 9))], kept=("shop", "customer"))
    _seal(tmp_path, change)
    with pytest.raises(UserError) as caught:
        reader.open_dataset(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'prepared.json'}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("names", "kept", "message"),
    [
        (("shop", "customer"), None, "expected the tensors numbers, codes, labels, rows, kept, got "),
        ((), np.zeros((9, 2), dtype=np.uint64), "expected the tensors numbers, codes, labels, rows, got "),
        (("shop",), np.zeros((9, 2), dtype=np.uint64), "tensor kept: expected U64 [9, 1], got 'U64' [9, 2]"),
        (("shop",), np.zeros(9, dtype=np.uint64), "tensor kept: expected U64 [9, 1], got 'U64' [9]"),
        (("shop",), np.zeros((8, 1), dtype=np.uint64), "tensor kept: expected U64 [9, 1], got 'U64' [8, 1]"),
        (("shop",), np.zeros((9, 1), dtype=np.int64), "tensor kept: expected U64 [9, 1], got 'I64' [9, 1]"),
    ],
)
def test_a_shard_that_does_not_hold_what_is_kept_is_refused(
    tmp_path: Path, names: tuple[str, ...], kept: Any, message: str
) -> None:
    """A tensor that is missing, that nothing names, or of another shape or type, though the digests match."""
    _write(tmp_path, [("train", replace(_rows(1, 9), kept=kept))], kept=names)
    with pytest.raises(UserError) as caught:
        reader.open_dataset(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'train-00000.safetensors'}: ")
    assert message in str(caught.value)


def test_every_shard_holds_what_is_kept(tmp_path: Path) -> None:
    """A shard of another split without it is named."""
    _write(tmp_path, [("train", _keeping(1, 9)), ("test", _rows(10, 5))], kept=("shop", "customer"))
    with pytest.raises(UserError, match=r"test-00000\.safetensors: expected the tensors"):
        reader.open_dataset(tmp_path)

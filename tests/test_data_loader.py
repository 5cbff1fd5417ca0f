"""Blocks over mapped shards, and what a damaged shard says."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import data_loader
from pipeline.dataset import reader, shard
from pipeline.dataset.encoder import UNSEEN, CategoryColumn, Encoder, NumberColumn
from pipeline.dataset.writer import Writer
from pipeline.errors import UserError

ROWS = 2 * shard.BLOCK_ROWS + 100


def _encoder() -> Encoder:
    numbers = tuple(NumberColumn(name, "number", 0.0, 0.0, 1.0, False) for name in ("height", "width"))
    return Encoder(numbers, (CategoryColumn("colour", ("red", UNSEEN)),), "y", ("a", "b"), ())


def _prepared(folder: Path, numbers: np.ndarray) -> reader.Dataset:
    """Shards as prepare writes them, but with any numbers; codes and labels alternate, weights are 1, 2, ..."""
    rows = np.arange(len(numbers))
    folder.mkdir()
    with Writer(folder) as writer:
        codes, labels = (rows % 2).astype(np.uint8)[:, None], (rows % 2).astype(np.int32)
        writer.add("train", shard.Shard(numbers, codes, labels, rows + 1, rows + 1.0))
        writer.finish({}, _encoder())
    return reader.open_dataset(folder)


def _numbers() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(ROWS, 2)).astype(np.float32)


def test_blocks_hold_all_rows_in_their_order(tmp_path: Path) -> None:
    """Numbers as stored, codes as columns of W, weights times those of the classes."""
    numbers = _numbers()
    prepared = _prepared(tmp_path / "prepared", numbers)
    blocks = data_loader.blocks_of(prepared, prepared.splits["train"], np.array([1.0, 10.0]))
    assert [len(block.labels) for block in blocks] == blocks.row_counts == [shard.BLOCK_ROWS, shard.BLOCK_ROWS, 100]
    assert np.array_equal(torch.cat([block.numbers for block in blocks]).numpy(), numbers)
    codes, labels = (torch.cat([getattr(block, name) for block in blocks]) for name in ("codes", "labels"))
    assert torch.equal(codes[:, 0] - 2, labels)
    weights = torch.cat([block.weights for block in blocks if block.weights is not None])
    assert torch.equal(weights, (torch.arange(ROWS) + 1) * (1.0 + 9 * labels))


def test_numbers_stay_in_the_mapped_file(tmp_path: Path) -> None:
    """Asked for twice, a block is made twice, but both times its numbers are the same memory."""
    prepared = _prepared(tmp_path / "prepared", _numbers())
    blocks = data_loader.blocks_of(prepared, prepared.splits["train"], None)
    assert blocks[1] is not blocks[1]
    assert blocks[1].numbers.data_ptr() == blocks[1].numbers.data_ptr()
    assert [len(block.labels) for block in blocks[1:]] == [shard.BLOCK_ROWS, 100]
    with pytest.raises(IndexError):
        blocks[3]


def _in_memory(numbers: np.ndarray, weights: np.ndarray) -> reader.Dataset:
    """Prepared data that never was a file, whose values nothing has checked."""
    rows = np.arange(len(numbers))
    codes, labels = (rows % 2).astype(np.uint8)[:, None], (rows % 2).astype(np.int32)
    split = reader.SplitRows(len(rows), [shard.Shard(numbers, codes, labels, rows + 1, weights)], [len(rows)])
    return reader.Dataset("", {}, _encoder(), {"train": split})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_is_named_with_block_and_column(value: float) -> None:
    """In the last row, which is in the third block."""
    numbers = _numbers()
    numbers[-1, 1] = value
    prepared = _in_memory(numbers, np.ones(ROWS))
    first, last = 2 * shard.BLOCK_ROWS, ROWS - 1
    where = rf"block 2 \(rows {first} to {last}\), column width"
    sentence = f"prepared data: {where}: expected a number, got {value} in row {last}"
    with pytest.raises(UserError, match=sentence + "; run `dvc repro -f prepare`"):
        data_loader.blocks_of(prepared, prepared.splits["train"], None)


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_a_weight_that_is_none_is_named_with_its_row(value: float) -> None:
    """Negative, NaN or infinite."""
    weights = np.ones(ROWS)
    weights[7] = value
    prepared = _in_memory(_numbers(), weights)
    sentence = f"the row's weight: expected a finite weight >= 0, got {value} in row 7; run"
    with pytest.raises(UserError, match=sentence):
        data_loader.blocks_of(prepared, prepared.splits["train"], None)


@pytest.mark.parametrize("class_weights", [None, np.array([0.0, 1.0])])
def test_rows_that_all_weigh_nothing_are_refused(class_weights: np.ndarray | None) -> None:
    """By their own weights, or by those of their classes together with them."""
    weights = np.zeros(ROWS)
    weights[::2] = 0.0 if class_weights is None else 1.0
    prepared = _in_memory(_numbers(), weights)
    blocks = data_loader.blocks_of(prepared, prepared.splits["train"], class_weights)
    with pytest.raises(UserError, match="expected training rows of weight above 0 in the prepared data, got none"):
        data_loader.require_weight(blocks)


def test_the_largest_float32_is_a_number(tmp_path: Path) -> None:
    """Its sum over a block is past float32, but no row is refused."""
    numbers = np.full((ROWS, 2), np.finfo(np.float32).max)
    prepared = _prepared(tmp_path / "prepared", numbers)
    assert len(data_loader.blocks_of(prepared, prepared.splits["train"], None)) == 3

"""W and b as printed tables: which epochs, which digits, and what a person gets wrong."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from pipeline import model
from pipeline.commands import weights
from pipeline.dataset.encoder import Encoder, NumberColumn
from pipeline.errors import UserError


def folder_of(
    folder: Path, epochs: list[int], result: dict[str, object], names: tuple[str, ...] = ("x1", "x2")
) -> Path:
    """A trained model of two classes and the snapshots of its training; after epoch e all of W is e / 10, b is e."""
    numbers = tuple(NumberColumn(name, "number", mean=0.0, shift=0.0, scale=1.0, indicator=False) for name in names)
    encoder = Encoder(numbers, (), "y", ("no", "yes"), ("",))
    shape = (2, len(names))
    trained = model.Model(np.full(shape, 7.0), np.array([7.0, -7.0]), encoder, {}, "", {"status": "x"} | result)
    model.save(folder, trained)
    at = np.array(epochs)
    snapshots = {"epoch": at, "W": np.ones((len(at), *shape)) * at[:, None, None] / 10, "b": np.ones((len(at), 2))}
    safetensors.numpy.save_file(snapshots, folder / "snapshots.safetensors")
    return folder


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines, without the blanks at their ends."""
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_a_table_stands_for_each_snapshot_and_for_the_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Titles say which epochs are done; the model itself stands for the last one."""
    weights.main(model=folder_of(tmp_path, [-1, 0, 200], {"epochs": 201}), epoch=None, digits=4)
    assert printed(capsys) == [
        "W and b before epoch 0, where training begins",
        "class       x1       x2       b",
        "───────────────────────────────",
        "no     -0.1000  -0.1000  1.0000",
        "yes    -0.1000  -0.1000  1.0000",
        "",
        "W and b after epoch 0 (1 epoch done)",
        "class      x1      x2       b",
        "─────────────────────────────",
        "no     0.0000  0.0000  1.0000",
        "yes    0.0000  0.0000  1.0000",
        "",
        "W and b after epoch 200 (201 epochs done): the model",
        "class      x1      x2        b",
        "──────────────────────────────",
        "no     7.0000  7.0000   7.0000",
        "yes    7.0000  7.0000  -7.0000",
        "",
    ]


@pytest.mark.parametrize(
    ("result", "title"),
    [
        ({"epochs": 6}, "W and b after epoch 5 (6 epochs done): the model"),
        # Its validation cost, the lowest, was measured before the update of epoch 3.
        ({"epochs": 6, "best_epoch": 3}, "W and b after epoch 2 (3 epochs done): the model"),
        ({"epochs": 6, "best_epoch": 0}, "W and b before epoch 0, where training begins: the model"),
    ],
)
def test_the_model_has_an_epoch_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], result: dict[str, object], title: str
) -> None:
    """The last that was run or, after early stopping, the one before the best."""
    weights.main(model=folder_of(tmp_path, [-1, 0, 4], result), epoch=None, digits=4)
    titles = [line for line in printed(capsys) if line.startswith("W and b")]
    assert [line for line in titles if line.endswith("the model")] == [title]


def test_one_epoch_is_printed_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With as many digits as asked for."""
    weights.main(model=folder_of(tmp_path, [-1, 0, 4], {"epochs": 9}), epoch=4, digits=1)
    assert [line for line in printed(capsys) if line][:3] == [
        "W and b after epoch 4 (5 epochs done)",
        "class   x1   x2    b",
        "────────────────────",
    ]


def test_of_many_snapshots_some_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Eleven, the first and the last among them, and how to get any other."""
    weights.main(model=folder_of(tmp_path, [-1, *range(500)], {"epochs": 500}), epoch=None, digits=4)
    lines = printed(capsys)
    titles = [line for line in lines if line.startswith("W and b")]
    assert len(titles) == 11
    assert titles[0].startswith("W and b before epoch 0")
    assert titles[-1].startswith("W and b after epoch 499")
    assert lines[-1] == "11 of 501 snapshots; --epoch N prints the one after epoch N."


def test_an_epoch_without_a_snapshot_is_refused(tmp_path: Path) -> None:
    """One sentence with the epochs that there are."""
    with pytest.raises(
        UserError, match=r"expected an epoch with a snapshot \(-1, 0, 5\), got 3; train\.snapshot_every"
    ):
        weights.main(model=folder_of(tmp_path, [-1, 0], {"epochs": 6}), epoch=3, digits=4)


def test_missing_files_are_named(tmp_path: Path) -> None:
    """No model, and a model whose snapshots are gone."""
    with pytest.raises(UserError, match=r"softmax\.json: no such file"):
        weights.main(model=tmp_path / "none", epoch=None, digits=4)
    folder = folder_of(tmp_path, [-1, 0], {"epochs": 1})
    (folder / "snapshots.safetensors").unlink()
    with pytest.raises(UserError, match=r"snapshots\.safetensors: no such file"):
        weights.main(model=folder, epoch=None, digits=4)

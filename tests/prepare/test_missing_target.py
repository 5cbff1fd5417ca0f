"""Rows without a label: refused or left out, and then the rest is prepared as if they had never stood in the file."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline.dataset import reader
from pipeline.errors import UserError
from pipeline.prepare import column_roles, survey_source, write_dataset
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.table import stream

SPLITS: list[dict[str, Any]] = [
    {"method": "none"},
    {"method": "seed"},
    {"method": "hash"},
    {"method": "hash", "key": "who"},
    {"method": "column", "column": "fold"},
]


def _frame(rows: int = 300) -> pd.DataFrame:
    """Every seventh row has no label; what else it holds would be refused, or sway a mean or a level, if it counted."""
    random = np.random.default_rng(2)
    row = np.arange(rows)
    gone = row % 7 == 3
    return pd.DataFrame(
        {
            "x": np.where(gone, 1e9, random.integers(0, 1_000, rows)),
            "colour": np.where(gone, "grey", random.choice(["red", "blue"], rows)),
            "who": np.where(gone, "", np.char.add("p", (row % 40).astype(str))),
            "fold": np.where(gone, "nowhere", np.array(["train", "validation", "test"])[row % 3]),
            "w": np.where(gone, "", (row % 4 + 1).astype(str)),
            "y": np.where(gone, "NA", random.choice(["yes", "no"], rows)),
        }
    )


def _prepared(frame: pd.DataFrame, folder: Path, **params: Any) -> reader.Dataset:
    folder.mkdir()
    frame.to_csv(folder / "t.csv", index=False)
    chosen = PrepareParams.model_validate(
        {"source": "", "target": "y", "features": ["x", "colour"], "standardise": True, "weights": "w"} | params
    )
    prepare.main(params=chosen, source=folder / "t.csv", out=folder / "out")
    return reader.open_dataset(folder / "out")


@pytest.mark.parametrize("split", SPLITS, ids=lambda split: "-".join(split.values()))
def test_dropped_rows_leave_no_trace(tmp_path: Path, split: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Encoder, split and rows are those of the file without the rows, which only the row numbers and a count tell."""
    frame = _frame()
    labelled = frame[frame["y"] != "NA"]
    dataset = _prepared(frame, tmp_path / "a", split=split, missing_target="drop")
    assert f"dropped   {len(frame) - len(labelled)} of 300 rows, which have no y\n" in capsys.readouterr().out
    expected = _prepared(labelled, tmp_path / "b", split=split)
    assert "dropped" not in capsys.readouterr().out
    assert dataset.encoder == expected.encoder
    assert dataset.schema == expected.schema | {"rows_without_label": len(frame) - len(labelled)}
    assert "rows_without_label" not in expected.schema
    assert list(dataset.splits) == list(expected.splits)
    for name, part in dataset.splits.items():
        for shard, other in zip(part.shards, expected.splits[name].shards, strict=True):
            assert shard.rows.tolist() == (labelled.index[other.rows - 1] + 1).tolist()
            ours, theirs = shard.tensors(), other.tensors()
            for tensor in ours.keys() - {"rows"}:
                np.testing.assert_array_equal(ours[tensor], theirs[tensor])


@pytest.mark.parametrize("split", SPLITS, ids=lambda split: "-".join(split.values()))
def test_dropping_does_not_depend_on_the_chunks(tmp_path: Path, split: dict[str, Any]) -> None:
    """Chunks of a few rows, some of which hold no label at all, give the bytes of one chunk."""
    source = tmp_path / "t.csv"
    frame = _frame(60)
    frame.loc[20:40, ["y", "fold", "who"]] = "NA"
    frame.to_csv(source, index=False)
    params = PrepareParams.model_validate(
        {"source": "", "target": "y", "features": ["x"], "split": split, "missing_target": "drop"}
    )
    roles = column_roles.roles_of(params, source)
    written = []
    for options in (stream.ReadOptions(64, 3), stream.DEFAULTS):
        folder = tmp_path / str(options.chunk_bytes)
        folder.mkdir()
        learned = survey_source.learn(params, source, roles, options)
        write_dataset.write(params, source, roles, learned, folder, options)
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("split", "column", "cell", "message"),
    [
        ({"method": "hash", "key": "who"}, "who", "", "column who: expected a key to split by"),
        (
            {"method": "column", "column": "fold"},
            "fold",
            "here",
            "column fold: expected train, .* got 'here'",
        ),
        ({"method": "none"}, "w", "-1", "column w: expected a weight >= 0, got '-1'"),
    ],
)
def test_faults_of_rows_that_stay_are_told(
    tmp_path: Path, split: dict[str, Any], column: str, cell: str, message: str
) -> None:
    """A key, a split or a weight that is wrong is told of the first row with a label, not of one that is dropped."""
    frame = _frame()
    frame.loc[11, column] = cell
    with pytest.raises(UserError, match=f"t.csv, line 13, {message}"):
        _prepared(frame, tmp_path / "a", split=split, missing_target="drop")


def test_without_the_param_they_are_refused(tmp_path: Path) -> None:
    """By default the lines are told, with the param that leaves them out; without any label no rows are left."""
    with pytest.raises(UserError, match=r"column y: 43 of 300 rows have no label: line 5, .*missing_target: drop"):
        _prepared(_frame(), tmp_path / "a", weights=None)
    with pytest.raises(UserError, match="got no label in any row"):
        _prepared(_frame().assign(y=""), tmp_path / "b", weights=None, missing_target="drop")

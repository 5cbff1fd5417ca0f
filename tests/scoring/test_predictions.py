"""The CSV of predictions: every number reads back as it was, every text too, and the file is whole or not there."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.scoring import predictions
from tests.prepare.test_interrupted import on_a_small_disk


def write(path: Path, classes: list, *blocks: predictions.Block) -> None:
    """All blocks into one file."""
    with predictions.open_csv(path, classes) as append:
        for block in blocks:
            append(block)


def test_floats_read_back_bit_for_bit(tmp_path: Path) -> None:
    """The shortest text of a float is still that float, from the smallest to the largest."""
    generator = np.random.default_rng(0)
    values = np.concatenate(
        [generator.random(500), 10.0 ** generator.uniform(-320, 308, 500), [0.0, 1.0, 5e-324, 0.1, 2.0**53 + 2]]
    )
    write(tmp_path / "p.csv", [0], {"value": values})
    with (tmp_path / "p.csv").open(encoding="utf-8") as file:
        read = [float(line) for line in list(file)[1:]]
    assert np.array(read).tobytes() == values.tobytes()


def test_blocks_follow_each_other_under_one_header(tmp_path: Path) -> None:
    """Columns keep their order and their names; rows keep theirs over blocks."""
    blocks = [
        {
            "row": np.array(rows),
            "predicted": predictions.class_names(["a", "b"], np.array([1, 0])),
            **predictions.class_columns("rank", ["a", "b"], np.array([[2, 1], [1, 2]])),
        }
        for rows in ([1, 2], [3, 4])
    ]
    write(tmp_path / "p.csv", ["a", "b"], *blocks)
    written = (tmp_path / "p.csv").read_text(encoding="utf-8")
    assert written == "row,predicted,rank_a,rank_b\n1,b,2,1\n2,a,1,2\n3,b,2,1\n4,a,1,2\n"


@pytest.mark.parametrize("odd", ["a,b", 'say "no"', "two\nlines", "ends in \r"])
def test_classes_with_commas_quotes_and_newlines_read_back(tmp_path: Path, odd: str) -> None:
    """Any text can be a class, in cells and in column names."""
    names = predictions.class_names([odd, "x"], np.array([0, 1, 0]))
    columns = predictions.class_columns("logit", [odd, "x"], np.zeros((3, 2)))
    write(tmp_path / "p.csv", [odd, "x"], {"predicted": names, **columns})
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["predicted"] for row in rows] == [odd, "x", odd]
    assert list(rows[0]) == ["predicted", f"logit_{odd}", "logit_x"]


def test_booleans_read_as_json_spells_them(tmp_path: Path) -> None:
    """False and true, which pandas takes for booleans again."""
    write(tmp_path / "p.csv", [False, True], {"predicted": predictions.class_names([False, True], np.array([1, 0]))})
    assert pd.read_csv(tmp_path / "p.csv")["predicted"].tolist() == [True, False]


def test_a_failure_leaves_the_earlier_file(tmp_path: Path) -> None:
    """Nothing half-written is ever seen under the name."""
    path = tmp_path / "p.csv"
    path.write_text("earlier", encoding="utf-8")
    ragged = {"value": np.zeros(3), "shorter": np.zeros(2)}
    with pytest.raises(ValueError, match="length"):
        write(path, [0], {"value": np.zeros(3), "shorter": np.zeros(3)}, ragged)
    assert [file.name for file in tmp_path.iterdir()] == ["p.csv"]
    assert path.read_text(encoding="utf-8") == "earlier"


def test_probabilities_that_do_not_sum_to_one_stop_the_writing() -> None:
    """A sum off by more than 1e-6, or not a number, is a bug and is never written."""
    predictions.check_sums(np.array([[0.5, 0.5], [0.3, 0.7 + 9e-7]]))
    for wrong in (0.7 + 2e-6, np.nan):
        with pytest.raises(ArithmeticError, match="row 1 of the block"):
            predictions.check_sums(np.array([[0.5, 0.5], [0.3, wrong]]))


@pytest.mark.slow
def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    """No traceback, no half-written file."""
    code = """import sys, numpy, pathlib
from pipeline import errors
from pipeline.scoring import predictions
folder = pathlib.Path(sys.argv[1])
try:
    with predictions.open_csv(folder / "p.csv", [0]) as append:
        append({"value": numpy.random.default_rng(0).random(100_000)})
except errors.UserError as error:
    print(error, list(folder.iterdir()))"""
    command = on_a_small_disk(tmp_path, [sys.executable, "-c", code, str(tmp_path)])
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == f"{tmp_path}/p.csv: cannot be written: no space left on device; make room and run again []\n"

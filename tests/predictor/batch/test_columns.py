"""Only the columns that are asked for, and those of the table that are kept, as they stand there."""

import csv
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from pipeline.commands import predict
from pipeline.commands.cli import cli
from pipeline.errors import UserError
from pipeline.predictor import output_columns
from pipeline.predictor.batch import columns
from tests.predictor.batch.problems import CLASSES, load, save_model, write_csv


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(tmp_path / "models")
    write_csv(tmp_path / "in.csv", 100)
    return tmp_path


def rows_of(folder: Path, **options: Any) -> list[list[str]]:
    """The lines of the table of predictions."""
    predict.main(source=folder / "in.csv", out=folder / "out.csv", model=folder / "models", **options)
    with (folder / "out.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize(
    "asked", [["predicted"], ["rank", "row"], ["probability_a", "predicted"], ['logit_b,"c"', "probability"]]
)
def test_columns_are_those_of_the_whole_table(folder: Path, asked: list[str]) -> None:
    """In its order, whatever order they are asked for in, with its values."""
    everything, chosen = rows_of(folder), rows_of(folder, columns=asked)
    places = [
        place
        for place, name in enumerate(everything[0])
        if name in asked or any(group in output_columns.BY_CLASS and name.startswith(f"{group}_") for group in asked)
    ]
    assert chosen == [[row[place] for place in places] for row in everything]


def test_kept_columns_are_the_texts_of_the_table(folder: Path) -> None:
    """Behind the row: quotes, leading zeros, a word that means no value, and a feature as it is written."""
    with (folder / "in.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    for options, place in (({}, 1), ({"columns": ["predicted"]}, 0)):
        header, *rows = rows_of(folder, keep=["the date", "id", "x"], **options)
        assert header[place : place + 3] == ["the date", "id", "x"]
        kept = [dict(zip(header[place : place + 3], row[place : place + 3], strict=True)) for row in rows]
        assert kept == [{name: row[name] for name in ("the date", "id", "x")} for row in table]
    predict.main(source=folder / "in.csv", out=folder / "out.parquet", model=folder / "models", keep=["id", "x"])
    read = pq.read_table(folder / "out.parquet")
    assert str(read.schema.field("x").type) == "string"
    assert read["id"].to_pylist() == [row["id"] or None for row in table]


def test_without_keep_and_columns_the_header_is_that_of_the_scorer(folder: Path) -> None:
    scorer = load(folder / "models")
    assert columns.choose(scorer).names == rows_of(folder)[0]
    assert len(columns.choose(scorer).names) == 2 + 3 * len(CLASSES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ["odds"]}, r"--columns 'odds': expected a column of the predictions: there are row, predicted, "),
        ({"columns": ["low"]}, r"--columns 'low': .* they are columns of --interval; there are row"),
        ({"columns": ["decision"]}, r"the model has no costs to decide by"),
        ({"columns": ["in_set"]}, r"the model has no prediction sets"),
        ({"columns": ["row", "row"]}, r"--columns 'row': expected it once, got it 2 times"),
        ({"keep": ["predicted"]}, r"--keep 'predicted': .* the predictions have one of this name"),
        ({"keep": ["id", "id"]}, r"--keep 'id': expected a column of its own, but it is named twice"),
        ({"keep": ["idd"]}, r"in\.csv: missing column idd"),
    ],
)
def test_a_column_that_is_not_there_is_one_sentence(folder: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        rows_of(folder, **options)
    assert not (folder / "out.csv").exists()


def test_a_column_may_be_named_as_one_that_is_not_asked_for(folder: Path) -> None:
    text = (folder / "in.csv").read_text(encoding="utf-8")
    (folder / "in.csv").write_text(text.replace("id,", "row,", 1), encoding="utf-8")
    assert rows_of(folder, keep=["row"], columns=["predicted"])[0] == ["row", "predicted"]


@pytest.mark.parametrize(
    "words",
    [
        ["--columns", "", "-o", "out.csv"],
        ["--columns", "a,,b", "-o", "out.csv"],
        ["--keep", '"a', "-o", "out.csv"],
        ["--keep", "id"],
        ["--columns", "row"],
        ["--workers", "2"],
        ["--workers", "0", "-o", "out.csv"],
    ],
)
def test_misuse_exits_2(words: list[str]) -> None:
    result = CliRunner().invoke(cli, ["predict", "in.csv", *words])
    assert result.exit_code == 2, result.output


def test_names_may_hold_commas_in_quotes(folder: Path) -> None:
    words = [str(folder / "in.csv"), "-o", str(folder / "o.csv"), "--model", str(folder / "models")]
    result = CliRunner().invoke(cli, ["predict", *words, "--columns", 'row,"probability_b,""c"""'])
    assert result.exit_code == 0, result.output
    assert (folder / "o.csv").read_text(encoding="utf-8").startswith('"row","probability_b,""c"""\n')

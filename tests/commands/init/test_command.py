"""`init`: a params.yaml that runs unedited, says what was found, and warns of what is seldom meant."""

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from pipeline import params
from pipeline.commands.init import command, inspect_table, section
from pipeline.commands.params_file import ParamsFile
from pipeline.dataset import reader
from pipeline.errors import UserError
from pipeline.params import read_params
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.table import find_source, stream, type_inference
from tests import tables

TEMPLATE = Path("params.yaml")


def _init(source: Path, target: str, out: Path, force: bool = False) -> str:
    command.main(address=str(source), target=target, out=out, template=TEMPLATE, force=force)
    return re.sub(r"\n *# {3}", " ", out.read_text(encoding="utf-8"))  # a warning of several lines on one


def _prepared(written: Path, out: Path) -> reader.Dataset:
    chosen = params.load(written, "prepare", PrepareParams)
    prepare.main(params=chosen, source=chosen.source, out=out)
    return reader.open_dataset(out)


def _table(rows: int = 400) -> dict[str, Any]:
    random = np.random.default_rng(4)
    label = random.choice(["yes", "no"], rows)
    return {
        "row": np.arange(1, rows + 1),
        "size of it": random.normal(size=rows),
        "copy": random.normal(size=rows),
        "one": [7] * rows,
        "name": [f"n{row}" for row in range(rows)],
        "day": pd.date_range("2024-01-01", periods=rows).strftime("%Y-%m-%d"),
        "mixed": random.choice(["1", "2", "many"], rows),
        "verdict": np.where(label == "yes", "guilty", "free"),
        "score": np.where(label == "yes", 1.0, -1.0) + random.normal(size=rows) / 100,
        "colour": random.choice(["red", "#1: blue"], rows),
        "y": label,
    }


def test_the_penguins_run_unedited(tmp_path: Path) -> None:
    """The penguins' params have every section and param, tell levels, gaps and classes, and prepare the table."""
    text = _init(Path("data/raw/penguins.csv"), "species", tmp_path / "p.yaml")
    assert "target: species                # 3 classes: Adelie (152), Gentoo (124), Chinstrap (68)" in text
    assert "# sex: category, 2 levels, 3.20% missing" in text
    assert "# warning" not in text
    written, ours = read_params(tmp_path / "p.yaml"), read_params(TEMPLATE)
    others = [name for name in ours if name not in ("prepare", "train")]
    assert [written[name] for name in others] == [ours[name] for name in others]
    assert list(written["train"]) == list(ours["train"])
    assert list(written["prepare"]) == list(ours["prepare"])
    assert written["prepare"]["split"].keys() == ours["prepare"]["split"].keys()
    assert _prepared(tmp_path / "p.yaml", tmp_path / "out").splits["train"].rows == 206


def test_doubtful_columns_are_found(tmp_path: Path) -> None:
    """Row numbers, constants, copies and names are left out; dates, mixtures and leaks of the target are told."""
    table = _table() | {"copy": _table()["size of it"]}
    pd.DataFrame(table).to_csv(tmp_path / "t.csv", index=False)
    text = _init(tmp_path / "t.csv", "y", tmp_path / "p.yaml")
    for line in (
        "# row: left out, numbers the rows",
        "# copy: left out, holds the values of size of it",
        "# one: left out, is constant",
        "# name: left out, names the rows: 400 levels in 400 rows",
        "# day: date, 2024-01-01 to 2025-02-03",
        "# mixed: category, 3 levels, mixes numbers and texts such as 'many'",
        "# warning: verdict gives y away: alone it is right in 100.0% of rows",
        "# warning: score gives y away: alone it is right in",
    ):
        assert line in text
    assert text.count("# warning") == 2
    prepared = _prepared(tmp_path / "p.yaml", tmp_path / "out")
    assert read_params(tmp_path / "p.yaml")["prepare"]["date_parts"] == ["year", "month", "day", "weekday"]
    assert {"day weekday", "size of it", "mixed=many", "colour=#1: blue"} <= set(prepared.encoder.features)
    assert not {"row", "one", "copy"} & set(prepared.encoder.features)


def test_imbalance_and_many_levels_are_told(tmp_path: Path) -> None:
    """A rare class, and a category of very many levels that does not name the rows, are warnings."""
    frame = pd.DataFrame({"code": [f"c{row % 1_500}" for row in range(6_000)], "y": ["a"] * 5_990 + ["b"] * 10})
    frame.to_csv(tmp_path / "t.csv", index=False)
    text = _init(tmp_path / "t.csv", "y", tmp_path / "p.yaml")
    assert "y is imbalanced: 'b' has 10 of 6,000 rows" in text
    assert "code has 1,500 levels" in text


@pytest.mark.parametrize(
    ("labels", "warning"),
    [
        ([f"n{row}" for row in range(3000)], "y has 3,000 classes in 3,000 rows, 3,000 of them with one row, of which"),
        ([f"c{row % 200}" for row in range(3000)], None),
        (np.random.default_rng(0).poisson(6, 3000), "whole numbers as classes; if it counts or measures something"),
        (
            np.random.default_rng(0).poisson(1.2, 3000),
            "balanced counts classes alike, but if it is a count leave it none",
        ),
        (["b" if row % 150 else "a" for row in range(3000)], "class_weight: balanced counts classes alike"),
    ],
    ids=["names", "equal", "counts", "few counts", "rare"],
)
def test_classes_are_doubted_by_their_rows(tmp_path: Path, labels: Sequence[object], warning: str | None) -> None:
    """Names of rows, many equal classes, counts and rare classes are told apart; none is told what another needs."""
    frame = pd.DataFrame({"x": np.random.default_rng(1).normal(size=3000).round(1), "y": labels})
    frame.to_csv(tmp_path / "t.csv", index=False)
    text = _init(tmp_path / "t.csv", "y", tmp_path / "params.yaml")
    assert warning is None or warning in text
    assert text.count("# warning: y ") == (warning is not None)
    assert ("balanced counts" in text) is ("balanced counts" in (warning or ""))


def test_gaps_are_told(tmp_path: Path) -> None:
    """Rows without a label are a warning, are left out, and the rest is prepared; so is a column without any value."""
    (tmp_path / "t.csv").write_text("x,void,y\n1,NA,a\n7,,b\n3,,NA\n4,,a\n5,,b\n")
    text = _init(tmp_path / "t.csv", "y", tmp_path / "p.yaml")
    assert "# warning: 1 row has no y, of 5; missing_target: drop leaves them out" in text
    assert "  missing_target: drop           # leaves out 1 row without a label; error stops at them\n" in text
    assert _prepared(tmp_path / "p.yaml", tmp_path / "out").schema["rows_without_label"] == 1
    assert "# void: left out, has no value in any row" in text


def test_a_date_whose_part_is_a_column_stays_text(tmp_path: Path) -> None:
    """Beside a column `day hour` the dates of `day` would give another of that name: they are left as categories."""
    lines = [f"2024-01-{row:02},{row % 24},{'ab'[row % 2]}\n" for row in range(1, 20)]
    (tmp_path / "t.csv").write_text("day,day hour,y\n" + "".join(lines), encoding="utf-8")
    _init(tmp_path / "t.csv", "y", tmp_path / "p.yaml")
    assert read_params(tmp_path / "p.yaml")["prepare"]["types"] is None
    assert _prepared(tmp_path / "p.yaml", tmp_path / "out").splits["train"].rows == 11


def test_dates_of_other_formats_are_guessed_where_clear(tmp_path: Path) -> None:
    """A day above 12 tells the order of day and month; without one both orders are told, and nothing is guessed."""
    row = np.arange(90)
    clear = pd.date_range("2024-01-01", periods=90).strftime("%d/%m/%Y")
    unclear = [f"{day:02}/{month:02}/2024" for day, month in zip(row % 7 + 1, row % 12 + 1, strict=True)]
    table = {"clear": clear, "unclear": unclear, "y": ["a", "b", "b"] * 30}
    pd.DataFrame(table).to_csv(tmp_path / "t.csv", index=False)
    text = _init(tmp_path / "t.csv", "y", tmp_path / "p.yaml")
    assert "types: {clear: date %d/%m/%Y}  #" in text
    assert "# clear: date %d/%m/%Y, 01/01/2024 to 30/03/2024" in text
    assert 'say which in types: unclear: "date %d/%m/%Y" or unclear: "date %m/%d/%Y"' in text
    columns = read_params(tmp_path / "p.yaml")["prepare"]["features"]
    assert columns == ["clear"]
    assert "clear month" in _prepared(tmp_path / "p.yaml", tmp_path / "out").encoder.features


@pytest.mark.slow
def test_columns_of_too_many_texts_are_dates_or_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moments become dates although there are more of them than texts are counted; names of rows are left out.

    So are numbers of two readings, which are told as such.
    """
    monkeypatch.setattr(type_inference, "MOST_LEVELS", 2_000)
    monkeypatch.setattr(stream, "DEFAULTS", stream.ReadOptions(1 << 14))
    rows = type_inference.MOST_LEVELS + 1
    moments = pd.date_range("2024-01-01", periods=rows, freq="min").strftime("%Y-%m-%d %H:%M")
    names = [f"n{row}" if row % 2 else str(row) for row in range(rows)]
    either = [f"{row // 900 + 1},{row % 900 + 100}" for row in range(rows)]
    table = {"at": moments, "name": names, "either": either, "y": (["a", "b"] * rows)[:rows]}
    pd.DataFrame(table).to_csv(tmp_path / "t.csv", index=False)
    text = _init(tmp_path / "t.csv", "y", tmp_path / "p.yaml")
    assert "# 2,001 rows, 4 columns" in re.sub(r"\n +# ", " ", text)
    assert "# at: date, 2024 to 2024" in text
    assert "  - weekday\n  - hour\n" in text
    assert "# name: left out, names the rows: more than 2,000 distinct texts" in text
    assert "# either: left out, more than 2,000 numbers of which nothing tells the decimal mark" in text
    assert re.search(r"categories: \[\] +# ", text)


def test_a_pattern_of_files_becomes_a_folder_and_files(tmp_path: Path) -> None:
    """DVC watches paths, not patterns: a glob is written as the folder and which of its files; Parquet is no text."""
    frame = pd.read_csv("data/raw/penguins.csv")
    for name in ("a.csv", "b.csv"):
        frame.to_csv(tmp_path / name, index=False)
    frame.to_parquet(tmp_path / "c.parquet")
    _init(tmp_path / "*.csv", "species", tmp_path / "p.yaml")
    written = read_params(tmp_path / "p.yaml")["prepare"]
    assert (written["source"], written["files"]) == (str(tmp_path), "*.csv")
    chosen = params.load(tmp_path / "p.yaml", "prepare", PrepareParams)
    assert [file.address for file in find_source.find(chosen.source, chosen.files).files] == [
        str(tmp_path / "a.csv"),
        str(tmp_path / "b.csv"),
    ]
    assert "encoding: utf-8 " in _init(tmp_path / "c.parquet", "species", tmp_path / "p.yaml", force=True)
    with pytest.raises(UserError, match="expected a pattern for files of one folder only"):
        _init(tmp_path.parent / "*/a.csv", "species", tmp_path / "p.yaml", force=True)


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    """A file that is there stays, unless it may be replaced; its other sections are kept, and those it lacks added."""
    out = tmp_path / "p.yaml"
    mine = "prepare: {}\ntrain:\n  lr: 12.5\nevaluate:\n  calibration_bins: 7  # mine\n"
    out.write_text(mine, encoding="utf-8")
    with pytest.raises(UserError, match=r"p.yaml: is there already; --force replaces"):
        _init(Path("data/raw/penguins.csv"), "species", out)
    assert out.read_text(encoding="utf-8") == mine
    text = _init(Path("data/raw/penguins.csv"), "species", out, force=True)
    assert "evaluate:\n  calibration_bins: 7  # mine\n" in text
    written = ParamsFile.model_validate(read_params(out))
    assert (written.train.solver, written.train.l2, written.train.lr) == ("auto", "auto", None)


@pytest.mark.parametrize(
    "mine", ["{prepare: {}, train: {lr: 12.5}}\n", "? prepare\n: {}\n", "prepare: &p {seed: 1}\nmine:\n  <<: *p\n"]
)
def test_a_file_of_which_no_section_can_be_cut_out_stays(tmp_path: Path, mine: str) -> None:
    """It is one sentence, and the file has the bytes that it had."""
    out = tmp_path / "p.yaml"
    out.write_text(mine, encoding="utf-8")
    with pytest.raises(UserError, match=r"p.yaml: expected sections on lines of their own .* write them so$"):
        _init(Path("data/raw/penguins.csv"), "species", out, force=True)
    assert out.read_text(encoding="utf-8") == mine


@pytest.mark.parametrize("name", ["t.csv", "link.csv", "twin.csv", "notes.txt", "."])
def test_what_is_no_params_file_is_never_replaced(tmp_path: Path, name: str) -> None:
    """Neither the table itself, by any of its names, nor another file or folder."""
    table = tmp_path / "t.csv"
    table.write_text("x,y\n1,a\n2,b\n")
    (tmp_path / "link.csv").symlink_to(table)
    (tmp_path / "twin.csv").hardlink_to(table)
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UserError, match=r"one of the files that are read|expected sections|got a folder"):
        command.main(address=str(table), target="y", out=tmp_path / name, template=Path("params.yaml"), force=True)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert (tmp_path / "link.csv").is_symlink()


@pytest.mark.parametrize(
    ("content", "target", "message"),
    [
        ("x,y\n1,a\n2,b\n", "z", "expected a column for --target, got 'z'"),
        ("x,y\n", "y", "expected rows below the header line"),
        ("x,y\n1,0.5\n2,0.7\n", "y", "looks continuous"),
        ("x,y\n1,\n2,NA\n", "y", "expected a target with two classes or more, got no label in any row"),
        ("x,z,y\n1,,a\n1,,b\n", "y", "to predict y from, found none: x is constant; z has no value in any row"),
        ("y\na\nb\n", "y", "expected a column to predict y from, found none$"),
    ],
)
def test_tables_that_cannot_be_learnt_are_told(tmp_path: Path, content: str, target: str, message: str) -> None:
    """A target that is not there or no class, and a table without rows, are one message."""
    source = tmp_path / "t.csv"
    source.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        section.section(inspect_table.inspect(find_source.find(str(source)), target))


def test_columns_that_may_name_the_rows_are_told(tmp_path: Path) -> None:
    """Row numbers of a part of a table, and numbers of customers, are warnings; a measure with ties is none."""
    table = {"row": np.arange(500, 800), "customer": np.arange(300) * 7919 % 100_003, "size": np.arange(300) // 2}
    pd.DataFrame(table | {"y": ["a", "b", "b"] * 100}).to_csv(tmp_path / "t.csv", index=False)
    text = _init(tmp_path / "t.csv", "y", tmp_path / "p.yaml")
    for name in ("row", "customer"):
        assert f"# warning: {name} holds another whole number in each row; if it names or numbers them" in text
    assert text.count("# warning") == 2


def test_names_of_few_rows_are_left_out_as_prepare_doubts_them(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Only the rows with a value count: 50 names in 200 rows, of which 50 have one, name these."""
    names = [f"n{row}" if row % 4 == 0 else None for row in range(200)]
    table = {"name": names, "x": np.arange(200) // 2, "y": ["a", "b"] * 100}
    pd.DataFrame(table).to_csv(tmp_path / "t.csv", index=False)
    assert "# name: left out, names the rows: 50 levels in 50 rows" in _init(
        tmp_path / "t.csv", "y", tmp_path / "p.yaml"
    )
    chosen = PrepareParams(source=str(tmp_path / "t.csv"), target="y")
    prepare.main(params=chosen, source=chosen.source, out=tmp_path / "out")
    assert "warning   name: 50 levels in 50 rows; if it names the rows" in capsys.readouterr().out


@pytest.mark.slow
@settings(max_examples=60)
@given(tables.tables())
def test_what_is_written_for_any_table_is_read_again(table: tables.Written) -> None:
    """Names and texts of any characters leave a section whose columns are those of the table, or there is one error."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "t.csv"
        source.write_bytes(table.data)
        try:
            written = _init(source, "y", Path(folder) / "p.yaml")
        except UserError:
            return
        columns = read_params(Path(folder) / "p.yaml")["prepare"]["features"]
    assert {*columns} < {*table.cells[0]}, written

"""Numbers as people write them are read as what they stand for, or it is said why not; nothing is guessed."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import model
from pipeline.dataset import reader
from pipeline.errors import UserError
from pipeline.predictor.scorer import Scorer
from pipeline.prepare import column_roles, survey_source, write_dataset
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.table import find_source, spellings, stream, type_inference

SPELLINGS = ["1234,5", "1.234,5", "1,234.5", "$1,234.5", "1234.5%", "€1234.5", "1 234,5", "1'234.5", "1\u202f234,5€"]


def _written(value: float, digits: int, spelling: str) -> str:
    """The value in the spelling of 1234.5, by Python's own format."""
    head, _, tail = spelling.partition("1")
    thousands, (decimal, _, sign) = tail.partition("234")[0], tail.partition("234")[2].partition("5")
    decimal, sign = tail.partition("234")[2][0], tail.partition("5")[2]
    text = f"{abs(value):,.{digits}f}".replace(",", "T").replace(".", decimal).replace("T", thousands)
    return f"{'-' if value < 0 else ''}{head}{text}{sign}"


def _prepare(folder: Path, text: str, name: str = "out", **params: Any) -> reader.Dataset:
    source = folder / "t.csv"
    source.write_text(text, encoding="utf-8")
    chosen = PrepareParams.model_validate({"source": "", "target": "y", "separator": ";", **params})
    prepare.main(params=chosen, source=source, out=folder / name)
    return reader.open_dataset(folder / name)


def _numbers(prepared: reader.Dataset) -> list[list[float]]:
    return np.concatenate([shard.numbers for shard in prepared.splits["train"].shards]).tolist()


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(SPELLINGS),
    st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(0, 4)), min_size=2, max_size=8),
)
def test_what_is_written_is_what_is_read(spelling: str, drawn: list[tuple[int, int]]) -> None:
    """Numbers in any spelling come back to the last bit; where two readings are left, neither is taken."""
    values = [number / 10**digits for number, digits in drawn]
    cells = [_written(value, digits, spelling) for value, (_, digits) in zip(values, drawn, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        rows = "".join(f"{cell};{'ab'[row % 2]}\n" for row, cell in enumerate(cells))
        prepared = _prepare(Path(folder), f"x;y\n{rows}")
        if prepared.encoder.categories:
            possible = spellings.common(cells, ".,")
            assert len(possible) == 2
            numbers = {tuple(map(one.value_of, cells)) for one in possible}
            assert tuple(values) in numbers
        else:
            assert _numbers(prepared) == [[float(np.float32(value))] for value in values]


EXCEL = "amount;rate;age;y\n6.230,31;9,99;68;ja\n912,5;10,5;31;nein\n-1.000,25;0,123;40;ja\n"


def test_a_file_with_decimal_commas_is_what_pandas_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Thousands points and decimal commas of an Excel export are read as pandas does that is told of them."""
    numbers = _numbers(_prepare(tmp_path, EXCEL))
    frame = pd.read_csv(tmp_path / "t.csv", sep=";", decimal=",", thousands=".")
    np.testing.assert_array_equal(numbers, frame[["amount", "rate", "age"]].to_numpy().astype(np.float32))
    lines = capsys.readouterr().out.splitlines()
    assert "numbers   read with a decimal comma, without thousands points: amount" in lines
    assert "numbers   read with a decimal comma: rate, age" in lines


@pytest.mark.slow
def test_bytes_depend_on_neither_chunks_nor_what_was_kept(tmp_path: Path) -> None:
    """Chunks of a row on three threads, one chunk, and columns kept from an earlier run give the same files."""
    rows = [f"{row % 7},{row % 100:02};${row},000.{row % 10};{row % 13}%;{'ab'[row % 2]}\n" for row in range(1, 400)]
    (tmp_path / "t.csv").write_text("a;b;c;y\n12;$7;5%;a\n" + "".join(rows), encoding="utf-8")
    params = PrepareParams.model_validate({"source": "", "target": "y", "standardise": True})
    source, written = find_source.find(str(tmp_path / "t.csv")), []
    for options in (stream.ReadOptions(32, 3), stream.DEFAULTS):
        folder = tmp_path / str(options.chunk_bytes)
        folder.mkdir()
        roles = column_roles.roles_of(params, source)
        write_dataset.write(params, source, roles, survey_source.learn(params, source, roles, options), folder, options)
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    for _ in range(2):
        prepare.main(params=params, source=tmp_path / "t.csv", out=tmp_path / "out", cache=tmp_path / "cache")
        written.append({path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()})
    assert all(other == written[0] for other in written)
    assert b'"number $1,234.5"' in written[0]["encoder.json"]


def test_what_two_readings_fit_is_not_guessed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """12,345 alone is a warning on top that names both readings; decimal or a type decides; a split by content asks."""
    text = "x;y\n12,345;a\n1,000;b\n"
    assert _prepare(tmp_path, text).encoder.types == {"x": "text"}
    warning = 'warning   x: 12,345 may be 12345 or 12.345: read as a category; set prepare.decimal: "." or ","'
    assert capsys.readouterr().out.splitlines()[0] == warning
    assert _numbers(_prepare(tmp_path, text, decimal=".")) == [[12345.0], [1000.0]]
    assert _numbers(_prepare(tmp_path, text, decimal=",")) == [[float(np.float32(12.345))], [1.0]]
    assert _numbers(_prepare(tmp_path, text, types={"x": "number 1,234.5"})) == [[12345.0], [1000.0]]
    assert "warning" not in capsys.readouterr().out
    with pytest.raises(UserError, match=r"column x: split\.method hash would move rows once a value tells whether"):
        _prepare(tmp_path, text, split={"method": "hash"})
    assert _prepare(tmp_path, text, categories=["x"]).encoder.types == {"x": "text"}


def test_a_decimal_comma_elsewhere_decides_or_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file has one decimal mark: another column's comma tells what 12,345 and 1.000 are; 1.25 is told."""
    text = "x;z;n;y\n12,345;1.000;1,5;a\n1,000;{};2;b\n"
    assert _numbers(_prepare(tmp_path, text.format("20")))[0] == pytest.approx([12.345, 1000.0, 1.5])
    printed = capsys.readouterr().out
    assert "numbers   read with a decimal comma, without thousands points: z" in printed
    assert "warning" not in printed
    assert _numbers(_prepare(tmp_path, text.format("1.25")))[0] == pytest.approx([12.345, 1.0, 1.5])
    warning, *_ = capsys.readouterr().out.splitlines()
    assert warning.startswith("warning   z: read as numbers with a decimal point, though x has decimal commas; set ")
    assert _numbers(_prepare(tmp_path, text.format("20"), decimal=","))[0] == pytest.approx([12.345, 1000.0, 1.5])
    assert "warning" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("cells", "params", "message"),
    [
        (["1,5", "2", "k.A."], {}, r"line 4, column x: expected a number, got 'k.A.'\n.*prepare.categories"),
        (["1,5", "2.5", "3"], {}, r"line 3, column x: expected a number written as '1,5' is, got '2.5'"),
        (["5%", "7%", "0"], {}, r"line 4, column x: expected a number written as '5%' is, got '0'"),
        (["1", "1,5", "inf"], {}, r"line 4, column x: expected a finite number, got 'inf'"),
        (["$1", "$1e39"], {}, r"line 3, column x: expected a number between .* got '\$1e39'"),
        (["1,5", "2,5"], {"types": {"x": "number"}}, r"line 2, .* give the column the type 'number 1234,5'"),
        (["1", "1.5"], {"decimal": ","}, r"line 3, column x: expected a number with a decimal comma, got '1.5'"),
        (["1", "1,5"], {"decimal": "."}, r"line 3, column x: expected a number, got '1,5'"),
        (["$1", "$2"], {"types": {"x": "number 1234,5€"}}, r"line 2, .* expected a number such as 1234,5€, got '\$1'"),
    ],
)
def test_the_cell_that_does_not_fit_is_named(
    tmp_path: Path, cells: list[str], params: dict[str, Any], message: str
) -> None:
    """Numbers of two spellings, words among numbers, and numbers that are too large are told by line and column."""
    rows = "".join(f"{cell};{'ab'[row % 2]}\n" for row, cell in enumerate(cells))
    with pytest.raises(UserError, match=r"(?s)t.csv, " + message):
        _prepare(tmp_path, f"x;y\n{rows}", **params)


@pytest.mark.slow
def test_a_late_spelling_of_a_large_column_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comma after more distinct numbers than texts are counted is read without a text for each, or told."""
    monkeypatch.setattr(type_inference, "MOST_LEVELS", 1_000)
    rows = "".join(f"{row};{'long' * 100};a\n" for row in range(3_000))
    prepared = _prepare(tmp_path, f"x;pad;y\n{rows}0,5;;b\n")
    assert prepared.encoder.types["x"] == "number 1234,5"
    with pytest.raises(UserError, match=r"line 3003, column x: expected a number written as '0' is, got '0\.5'"):
        _prepare(tmp_path, f"x;pad;y\n{rows}0,5;;b\n0.5;;a\n")


def test_a_spelling_moves_no_row(tmp_path: Path) -> None:
    """A split by content sends a table written with commas and units where it sends the same table without."""
    split = {"method": "hash"}
    commas = "".join(f"{row},25;{row}%;{'ab'[row % 2]}\n" for row in range(200))
    points = commas.replace(",", ".").replace("%", "")
    sent = []
    for text in (commas, points):
        prepared = _prepare(tmp_path, f"x;z;y\n{text}", split=split)
        sent.append({name: part.shards[0].rows.tolist() for name, part in prepared.splits.items()})
    assert sent[0] == sent[1]


def test_thousands_commas_elsewhere_decide(tmp_path: Path) -> None:
    """A column that shows thousands commas tells what 12,345 is in another; both marks in one file tell nothing."""
    assert _numbers(_prepare(tmp_path, "x;z;y\n12,345;$1,234.50;a\n1,000;$7;b\n")) == [[12345, 1234.5], [1000, 7]]
    mixed = _prepare(tmp_path, "x;z;n;y\n12,345;$1,234.50;1,5;a\n1,000;$7;2,5;b\n")
    assert mixed.encoder.types == {"z": "number $1,234.5", "n": "number 1234,5", "x": "text"}


def test_weights_and_targets_may_be_written_so(tmp_path: Path) -> None:
    """Weights take a type, and one below 0 is named; a target with fractions is no class in any spelling."""
    text = "x;w;y\n1;0,5;a\n2;1,5;b\n"
    types = {"w": "number 1234,5"}
    assert _prepare(tmp_path, text, weights="w", types=types).splits["train"].shards[0].weights.tolist() == [0.5, 1.5]
    with pytest.raises(UserError, match=r"line 2, column w: expected a weight >= 0, got '-0,5'"):
        _prepare(tmp_path, text.replace("0,5", "-0,5"), weights="w", types=types)
    with pytest.raises(UserError, match=r"line 2, column y: looks continuous: it holds 182,9"):
        _prepare(tmp_path, "x;y\n1;182,9\n2;170\n")


def _scored(trained: model.Model, source: Path) -> list[list[float]]:
    encoder = trained.encoder
    (chunk,) = stream.read(find_source.find(str(source)), encoder.types, encoder.missing_values)
    return Scorer(trained).logits(chunk).tolist()


def test_predict_reads_the_same_spelling(tmp_path: Path) -> None:
    """The encoder keeps the spelling; Parquet holds numbers and needs none; another spelling is named by its cell."""
    encoder = _prepare(tmp_path, EXCEL).encoder
    trained = model.Model(np.eye(2, 3), np.zeros(2), encoder, {}, "", {})
    (tmp_path / "new.csv").write_text("age;rate;amount\n18,5;0,5;1.000,5\n")
    assert _scored(trained, tmp_path / "new.csv") == [[1000.5, 0.5]]
    pd.DataFrame({"age": [18.5], "rate": [0.5], "amount": [1000.5]}).to_parquet(tmp_path / "new.parquet")
    assert _scored(trained, tmp_path / "new.parquet") == [[1000.5, 0.5]]
    (tmp_path / "new.csv").write_text("age;rate;amount\n18;1;1,5\n18;0.5;1\n")
    with pytest.raises(UserError, match=r"line 3, column rate: expected a number such as 1234,5, got '0.5'"):
        _scored(trained, tmp_path / "new.csv")


@pytest.mark.slow
@pytest.mark.parametrize(
    "cell", [" " * 2**18, "1" + " " * 2**18 + "x", "$" + " " * 2**18, "1," * 2**17, "9" * 2**18 + "x"]
)
def test_no_cell_takes_long_to_be_told_apart(tmp_path: Path, cell: str) -> None:
    """A long row of blanks, digits or commas is a text like any other."""
    assert spellings.of_text(cell, ".,") == []
    assert _prepare(tmp_path, f"x;y\n{cell};a\nword;b\n").encoder.types == {"x": "text"}

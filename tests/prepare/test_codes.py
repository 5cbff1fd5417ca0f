"""Codes with leading zeros from the CSV to the probabilities: categories, unless the params say number."""

from pathlib import Path

import pytest

from pipeline import params
from pipeline.dataset import reader
from pipeline.dataset.encoder import Encoder
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.table import find_source, stream
from tests.terminal import unwrapped


def _prepared(folder: Path, extra: str) -> reader.Dataset:
    written = folder / "p.yaml"
    written.write_text(f"prepare: {{source: {folder / 't.csv'}, target: y{extra}}}\n", encoding="utf-8")
    chosen = params.load(written, "prepare", PrepareParams)
    prepare.main(params=chosen, source=chosen.source, out=folder / "out", cache=folder / "cache")
    return reader.open_dataset(folder / "out")


def test_codes_are_categories_unless_a_type_says_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The report names codes and the type that reads numbers; weights, split columns and targets stay what they are."""
    rows = [f"{code},{part},0{row % 3 + 1},{label}" for row, (code, part, label) in enumerate(_ROWS * 5)]
    (tmp_path / "t.csv").write_text("zip,part,w,y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    roles = ", weights: w, split: {method: column, column: part}"
    encoder = _prepared(tmp_path, roles).encoder
    assert [(category.name, category.levels[:3]) for category in encoder.categories] == [
        ("zip", ("00334", "334", "501"))
    ]
    line = "codes read as categories, since some begin with 0: zip; prepare.types: {zip: number} reads numbers"
    assert f" {line} " in unwrapped(capsys.readouterr().out)
    assert encoder.classes == (1, 2)
    assert _read(encoder, tmp_path, "334") != _read(encoder, tmp_path, "00334") == 0
    encoder = _prepared(tmp_path, roles + ", types: {zip: number}").encoder
    assert [number.name for number in encoder.numbers] == ["zip"]
    assert "codes" not in capsys.readouterr().out


_ROWS = [("00334", "train", "01"), ("334", "train", "02"), ("501", "test", "01"), ("501", "train", "02")]


def _read(encoder: Encoder, folder: Path, cell: str) -> int:
    """The code of a cell in a file of its own, which a prediction would read."""
    query = folder / "query.csv"
    query.write_text(f"zip\n{cell}\n", encoding="utf-8")
    (chunk,) = stream.read(find_source.find(str(query)), encoder.types, encoder.missing_values)
    return int(encoder.encode(chunk).codes[0, 0])

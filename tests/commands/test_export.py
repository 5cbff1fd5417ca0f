"""`export` says how far each file is from us, and refuses what it cannot do in one sentence."""

import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.commands import export
from pipeline.errors import UserError
from tests.predictor.batch.problems import save_model, write_csv
from tests.terminal import unwrapped


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Outside of a project: there is no prepare.source."""
    save_model(tmp_path / "models")
    write_csv(tmp_path / "in.csv", 200)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("check", "rows"), [(None, "1,000 rows made from the encoder"), ("in.csv", "200 rows of in.csv")]
)
def test_the_distance_is_printed(
    folder: Path, capsys: pytest.CaptureFixture[str], check: str | None, rows: str
) -> None:
    """Of the table that is named, or of rows made from the encoder; of each file."""
    export.main(model=folder / "models", onnx=folder / "m.onnx", sql=folder / "m.sql", check=check)
    printed = unwrapped(capsys.readouterr().out)
    for file, by in (("m.onnx", "onnxruntime"), ("m.sql", "DuckDB")):
        _, _, sentence = printed.partition(f"{folder / file} written; run by {by} on {rows}")
        largest = float(sentence.partition("its probabilities are at most ")[2].split()[0])
        # Three products and a category, each at most some 10; Higham's bound of a sum, and half of it twice.
        assert largest <= 100 * 2.0**-53
        assert "the class is the same in all" in sentence


def test_the_same_model_gives_the_same_files(folder: Path) -> None:
    for place in ("a", "b"):
        export.main(model=folder / "models", onnx=folder / f"{place}.onnx", sql=folder / f"{place}.sql")
    assert (folder / "a.onnx").read_bytes() == (folder / "b.onnx").read_bytes()
    assert (folder / "a.sql").read_bytes() == (folder / "b.sql").read_bytes()


def test_a_table_that_cannot_be_compared_is_named_and_nothing_written(folder: Path) -> None:
    (folder / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (folder / "empty.csv").write_text("x,y,g\n", encoding="utf-8")
    for check, message in (
        ("other.csv", r"other\.csv: missing columns x, y, g"),
        ("nowhere.csv", "no such file"),
        ("empty.csv", r"empty\.csv: expected rows to compare, got only a header line"),
    ):
        with pytest.raises(UserError, match=message):
            export.main(model=folder / "models", sql=folder / "m.sql", check=check)
    assert not (folder / "m.sql").exists()


@pytest.mark.parametrize("place", ["models/softmax.json", "models/../models/softmax.safetensors"])
def test_the_model_is_not_overwritten(folder: Path, place: str) -> None:
    with pytest.raises(UserError, match="is one of the files that are read"):
        export.main(model=folder / "models", onnx=folder / place)


def test_the_table_that_is_compared_is_not_overwritten(folder: Path) -> None:
    before = (folder / "in.csv").read_bytes()
    with pytest.raises(UserError, match=r"in\.csv: is one of the files that are read"):
        export.main(model=folder / "models", sql=folder / "models" / ".." / "in.csv", check="in.csv")
    assert (folder / "in.csv").read_bytes() == before


def test_nor_are_params_that_name_it(folder: Path) -> None:
    (folder / "params.yaml").write_text("prepare: {source: in.csv}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"params\.yaml: is one of the files that are read"):
        export.main(model=folder / "models", sql=folder / "params.yaml")


def test_one_file_for_both_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="expected a file for ONNX and another for SQL, got the same for both"):
        export.main(model=folder / "models", onnx=folder / "m", sql=folder / "models" / ".." / "m")
    assert not (folder / "m").exists()


@pytest.mark.parametrize("kind", ["onnx", "sql"])
def test_a_row_that_cannot_be_scored_leaves_the_earlier_file(folder: Path, kind: str) -> None:
    """Its standardised value is beyond float32: our sentence, not an error of DuckDB."""
    save_model(folder / "models", scale=1e-6)
    (folder / "far.csv").write_text("x,y,g\n1,2,l0\n1e38,2,l0\n", encoding="utf-8")
    (folder / "m").write_text("earlier", encoding="utf-8")
    with pytest.raises(UserError, match=r"data row 2, column x: 1e\+38 is too far"):
        export.main(model=folder / "models", check="far.csv", **{kind: folder / "m"})
    assert (folder / "m").read_text(encoding="utf-8") == "earlier"


@pytest.mark.parametrize("library", ["onnx", "onnxruntime", "duckdb"])
def test_a_missing_library_is_named_with_its_extra(folder: Path, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    """As in an environment without the extra; nothing is written."""
    monkeypatch.delitem(sys.modules, library, raising=False)
    monkeypatch.setattr(sys, "meta_path", [_Without(library), *sys.meta_path])
    with pytest.raises(UserError, match=rf"export needs {library}, which this environment lacks; .*\[export\]"):
        export.main(model=folder / "models", onnx=folder / "m.onnx", sql=folder / "m.sql")
    assert not (folder / "m.onnx").exists()


class _Without:
    """Finds no library of this name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, *_: object) -> None:
        if name == self._name:
            raise ModuleNotFoundError(name)


def test_rows_of_every_scale_are_made(folder: Path) -> None:
    from pipeline.export.made_rows import made_rows
    from pipeline.predictor import scorer

    chunk = made_rows(scorer.load(folder / "models").model.encoder)
    assert np.isnan(chunk.numbers["x"]).any()
    assert {"l0", "l1"} < {*chunk.texts["g"].levels}
    assert (chunk.texts["g"].codes < 0).any()

"""A table of predictions has the same bytes however it is made, and the rows are those of predictions.csv."""

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.commands import predict
from pipeline.dataset.columns import Chunk, Texts
from pipeline.errors import UserError
from pipeline.predictor import output_columns
from pipeline.predictor.batch import blocks, columns, destination, formats, journaled_files
from pipeline.predictor.batch.blocks import Batch
from pipeline.scoring import predictions
from pipeline.table import stream
from pipeline.table.stream import ReadOptions
from tests.predictor.batch.problems import CLASSES, load, save_model, write_csv

ROWS = 5_000


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,024 rows, the fewest, so that a small table has several."""
    monkeypatch.setattr(formats.Csv, "_BLOCK_VALUES", 1)
    monkeypatch.setattr(formats.Parquet, "_BLOCK_VALUES", 1)
    monkeypatch.setattr(destination, "BLOCKS_PER_FILE", 2)


def content(out: Path) -> dict[str, bytes]:
    """The bytes of a file or of those in a folder."""
    paths = sorted(out.iterdir()) if out.is_dir() else [out]
    return {path.name if out.is_dir() else "": path.read_bytes() for path in paths}


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("kind", ["csv", "parquet", "folder"])
def test_bytes_depend_on_neither_threads_nor_pieces(tmp_path: Path, kind: str) -> None:
    scorer = load(save_model(tmp_path / "models"))
    source = write_csv(tmp_path / "in.csv", ROWS)
    chosen = columns.choose(scorer, keep=["id", "x"])
    form = formats.Csv(chosen) if kind == "csv" else formats.Parquet(chosen)
    opened = destination.folder if kind == "folder" else destination.file
    results = []
    for number, (threads, size) in enumerate([(1, 1 << 22), (2, 3_001), (7, 20_000), (1, 64_000)]):
        out = tmp_path / f"out{number}"
        with opened(out, form, "request") as there:
            seen = Batch(scorer, chosen, form).write(source, there, ReadOptions(chunk_bytes=size, threads=threads))
        assert (seen.rows, there.totals) == (ROWS, (ROWS, 0))
        results.append(content(out))
    assert all(result == results[0] for result in results)
    assert len(results[0]) == (3 if kind == "folder" else 1)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


@pytest.mark.usefixtures("small_blocks")
def test_blocks_of_any_pieces_have_the_same_rows() -> None:
    for sizes in ([5], [1, 1, 1, 1, 1], [2, 3], [4, 1]):
        chunks, first = [], 1
        for size in sizes:
            chunks.append(Chunk(first, size, {"x": np.arange(first, first + size, dtype=float)}, {}))
            first += size
        cut = [[row for chunk in block for row in chunk.numbers["x"]] for block in blocks.cut(chunks, 2)]
        assert cut == [[1, 2], [3, 4], [5]]
        starts = [chunk.first_row for block in blocks.cut(chunks, 2) for chunk in block]
        assert starts == [block.numbers["x"][0] for cut in blocks.cut(chunks, 2) for block in cut]


def test_blocks_of_long_texts_have_fewer_rows() -> None:
    """Behind the row that makes them full, wherever pieces end; a text longer than a block is one by itself."""
    texts = ["aaa", None, "b", "", "cccccc", "d", "e", "ff", "g"]
    for sizes in ([9], [1] * 9, [2, 3, 4], [4, 5]):
        chunks, start = [], 0
        for size in sizes:
            kept = pa.table({"k": pa.array(texts[start : start + size], pa.string())})
            chunks.append(Chunk(start + 1, size, {}, {}, kept=kept))
            start += size
        cut = [sum(chunk.rows for chunk in block) for block in blocks.cut(chunks, rows=4, kept_bytes=4)]
        assert cut == [3, 2, 3, 1]


def test_the_csv_is_the_one_that_evaluate_would_write(tmp_path: Path) -> None:
    """Blocks that are written by `open_csv`, whole rows in Python's hands, have the same bytes."""
    folder = save_model(tmp_path / "models")
    source = write_csv(tmp_path / "in.csv", 500)
    predict.main(source=source, out=tmp_path / "out.csv", model=folder)
    scorer = load(folder)
    with predictions.open_csv(tmp_path / "expected.csv", CLASSES) as write:
        for chunk in stream.read(source, scorer.model.encoder.types, scorer.model.encoder.missing_values):
            write(output_columns.block(scorer.score(chunk), CLASSES))
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "expected.csv").read_bytes()


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("out", ["out.parquet", "out/"])
def test_parquet_holds_the_numbers_of_the_csv(tmp_path: Path, out: str) -> None:
    """To three readers that share no code with its footer."""
    folder = save_model(tmp_path / "models")
    source = write_csv(tmp_path / "in.csv", ROWS)
    predict.main(source=source, out=str(tmp_path / "out.csv"), model=folder, keep=["id", "the date"])
    predict.main(source=source, out=f"{tmp_path}/{out}", model=folder, keep=["id", "the date"])
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    place = tmp_path / out
    pattern = str(place / "*.parquet") if place.is_dir() else str(place)
    by_reader = {
        "pyarrow": pq.read_table(place).to_pydict(),
        "polars": pl.read_parquet(pattern).to_dict(as_series=False),
        "duckdb": duckdb.sql(f"SELECT * FROM '{pattern}' ORDER BY row").to_arrow_table().to_pydict(),
    }
    for reader, read in by_reader.items():
        assert list(read) == header, reader
        texts = [["" if value is None else value for value in column] for column in read.values()]
        for name, ours, theirs in zip(header, zip(*rows, strict=True), texts, strict=True):
            kind = type(theirs[1])
            assert [kind(text) if text else "" for text in ours] == theirs, (reader, name)


@pytest.mark.slow
def test_row_groups_are_whole_and_say_where_they_are(tmp_path: Path) -> None:
    """More than 2^15 of them would be too many for their ordinal; positions, rows and statistics are each group's."""
    scorer = load(save_model(tmp_path / "models"))
    chosen = columns.choose(scorer, ["row", "predicted"])
    form = formats.Parquet(chosen)
    tables = [chosen.table(scorer.score(chunk_of(start, size)), None) for start, size in ((1, 3), (4, 1), (5, 1000))]
    encoded = [form.encode(table) for table in tables]
    data = form.head() + b"".join(block.data for block in encoded)
    data += form.tail((len(block.data), block.footer) for block in encoded)
    file = pq.ParquetFile(pa.BufferReader(data))
    assert file.read() == pa.concat_tables(tables).unify_dictionaries()
    groups = [file.metadata.row_group(number) for number in range(3)]
    assert [group.num_rows for group in groups] == [3, 1, 1000]
    assert [group.column(0).statistics.min for group in groups] == [1, 4, 5]
    assert [file.read_row_group(number)["row"][0].as_py() for number in (2, 0, 1)] == [5, 1, 4]
    many = form.head() + bytes(encoded[1].data) * 40_000
    many += form.tail((len(encoded[1].data), encoded[1].footer) for _ in range(40_000))
    assert pq.read_metadata(pa.BufferReader(many)).num_rows == 40_000


@pytest.mark.usefixtures("small_blocks")
def test_more_blocks_than_a_footer_can_describe_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one file; a folder begins another."""
    folder = save_model(tmp_path / "models")
    source = write_csv(tmp_path / "in.csv", ROWS)
    predict.main(source=source, out=tmp_path / "one.parquet", model=folder)
    of_a_group = pq.ParquetFile(tmp_path / "one.parquet").metadata.serialized_size
    monkeypatch.setattr(journaled_files, "MOST_FOOTER_BYTES", of_a_group)
    with pytest.raises(UserError, match=r"one Parquet file can describe, after row \d,\d{3}: name a folder"):
        predict.main(source=source, out=tmp_path / "out.parquet", model=folder)
    predict.main(source=source, out=f"{tmp_path}/out/", model=folder)
    assert pq.read_table(tmp_path / "out").num_rows == ROWS


def chunk_of(start: int, size: int) -> Chunk:
    """Rows in which nothing is known."""
    missing = np.full(size, np.nan)
    return Chunk(start, size, {"x": missing, "y": missing}, {"g": Texts(np.full(size, -1, dtype=np.int32), ())})


def test_the_form_follows_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: Any) -> None:
    """In capitals, too; standard output is a CSV though a folder be called `-`."""
    folder = save_model(tmp_path / "models")
    source = write_csv(tmp_path / "in.csv", 3)
    predict.main(source=source, out=tmp_path / "OUT.PARQUET", model=folder)
    assert pq.read_table(tmp_path / "OUT.PARQUET").num_rows == 3
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-").mkdir()
    predict.main(source=source, out="-", model=folder, columns=["row"])
    assert capfdbinary.readouterr().out.endswith(b'"row"\n1\n2\n3\n')


def test_several_tables_are_one(tmp_path: Path) -> None:
    """In the order in which they are named; rows are counted through."""
    folder = save_model(tmp_path / "models")
    parts = [write_csv(tmp_path / f"{name}.csv", 30, seed) for name, seed in (("b", 1), ("a", 2))]
    text = parts[0].read_text(encoding="utf-8") + parts[1].read_text(encoding="utf-8").partition("\n")[2]
    (tmp_path / "both.csv").write_text(text, encoding="utf-8")
    predict.main(source=[*map(str, parts)], out=tmp_path / "parts.csv", model=folder)
    predict.main(source=tmp_path / "both.csv", out=tmp_path / "out.csv", model=folder)
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    """An empty one is filled, one that predict wrote is replaced."""
    folder = save_model(tmp_path / "models")
    source = write_csv(tmp_path / "in.csv", 30)
    (tmp_path / "mine").mkdir()
    predict.main(source=source, out=tmp_path / "mine", model=folder)
    predict.main(source=source, out=f"{tmp_path}/mine/", model=folder, columns=["predicted"])
    assert pq.read_table(tmp_path / "mine").column_names == ["predicted"]
    with pytest.raises(UserError, match=r"holds .*part-00000\.parquet, one of the files that are read"):
        predict.main(source=tmp_path / "mine", out=tmp_path / "mine", model=folder)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "novel.txt").write_text("once", encoding="utf-8")
    with pytest.raises(UserError, match=r"expected a new folder or one with part-00000\.parquet"):
        predict.main(source=source, out=tmp_path / "theirs", model=folder)
    assert [path.name for path in (tmp_path / "theirs").iterdir()] == ["novel.txt"]


def test_a_value_that_cannot_be_scored_is_named_with_its_row(tmp_path: Path) -> None:
    """The row of the table, wherever blocks and pieces end; nothing is left beside the place."""
    folder = save_model(tmp_path / "models")
    source = write_csv(tmp_path / "in.csv", 20_000)
    lines = source.read_text(encoding="utf-8").splitlines()
    lines[15_000] = "a,1e38,l0,d,3.4e38"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    trained = load(folder).model
    assert trained.encoder.numbers[0].scale > 1
    (tmp_path / "out").mkdir()
    lines[15_000] = "a,1e39,l0,d,3"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"in\.csv, line 15001, column x"):
        predict.main(source=source, out=tmp_path / "out" / "a.parquet", model=folder)
    assert [*(tmp_path / "out").iterdir()] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out/"])
def test_workers_write_the_bytes_of_one_process(tmp_path: Path, name: str) -> None:
    folder = save_model(tmp_path / "models")
    source = write_csv(tmp_path / "in.csv", 250_000)
    words = ["predict", str(source), "--model", str(folder), "--keep", "id", "--columns", "row,predicted,probability"]
    results = []
    for count in ("1", "2", "3"):
        out = f"{tmp_path / count}-{name}"
        command = [sys.executable, "-m", "pipeline", *words, "-o", out, "--workers", count]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.count("250,000 rows of") == 1
        results.append(content(Path(out)))
    assert results[0] == results[1] == results[2]

"""Sources: many files are one table, whatever they are packed and written in, here or at an address."""

import gzip
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest

from pipeline.dataset import reader
from pipeline.errors import UserError
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams, SplitParams
from pipeline.table import find_source

PENGUINS = Path("data/raw/penguins.csv")


def _digest(source: str | Path, out: Path, **params: Any) -> str:
    chosen = PrepareParams.model_validate(
        {"source": "unused", "target": "species", "standardise": True, "split": {"method": "hash"}, **params}
    )
    prepare.main(params=chosen, source=source, out=out)
    return reader.open_dataset(out).digest


def _halves(folder: Path) -> Path:
    """The penguins in two files of a folder, the second with its columns reversed, beside what is no table."""
    frame = pd.read_csv(PENGUINS, dtype=str, keep_default_na=False)
    folder.mkdir()
    frame[:100].to_csv(folder / "a.csv", index=False)
    frame[100:][frame.columns[::-1]].to_csv(folder / "b.csv", index=False)
    (folder / "notes.md").write_text("not a table", encoding="utf-8")
    return folder


def test_every_form_of_a_table_gives_the_same_bytes(tmp_path: Path) -> None:
    """One file, a folder, a glob, gzip, zstd, Parquet, another separator or encoding, and addresses: one digest."""
    text = PENGUINS.read_bytes()
    frame = pd.read_csv(PENGUINS)
    halves = _halves(tmp_path / "halves")
    (tmp_path / "p.gz").write_bytes(gzip.compress(text[:5_000]) + gzip.compress(text[5_000:]))
    with pa.CompressedOutputStream(str(tmp_path / "p.csv.zst"), "zstd") as file:
        file.write(text)
    (tmp_path / "semicolons.csv").write_bytes(text.replace(b",", b";"))
    (tmp_path / "wide.csv").write_text(text.decode(), encoding="utf-16")
    frame.astype({"island": "category"}).to_parquet(tmp_path / "p.parquet")
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as packed:
        for name in ("a.csv", "b.csv"):
            packed.write(halves / name, f"in/{name}")
    memory = fsspec.filesystem("memory")
    memory.pipe(
        {"/penguins/a.csv": (halves / "a.csv").read_bytes(), "/penguins/b.csv": (halves / "b.csv").read_bytes()}
    )
    expected = _digest(PENGUINS, tmp_path / "out")
    for name in ("halves", "halves/*.csv", "p.gz", "p.csv.zst", "semicolons.csv", "p.parquet"):
        assert _digest(tmp_path / name, tmp_path / "out") == expected, name
    for encoding in ("utf-16", "auto"):
        assert _digest(tmp_path / "wide.csv", tmp_path / "out", encoding=encoding) == expected
    for address in ("memory://penguins", "memory://penguins/*.csv", f"file://{halves}", f"zip://in::{tmp_path}/p.zip"):
        assert _digest(address, tmp_path / "out") == expected, address


def test_a_pattern_chooses_files_of_a_folder(tmp_path: Path) -> None:
    """`files` keeps what matches, and every file counts in the order of its name."""
    halves = _halves(tmp_path / "halves")
    (halves / "c.data").write_text("x\n", encoding="utf-8")
    assert [Path(file.address).name for file in find_source.find(str(halves)).files] == ["a.csv", "b.csv"]
    assert [Path(file.address).name for file in find_source.find(str(halves), "[bc].*").files] == ["b.csv", "c.data"]
    with pytest.raises(UserError, match=r"expected files like \*.xlsx, found none"):
        find_source.find(str(halves), "*.xlsx")


def test_what_was_sniffed_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Separator and encoding stand in the report, sniffed ones too; a quoted separator does not mislead."""
    source = tmp_path / "t.csv"
    source.write_bytes('name;y\n"a,b,c,d";é\nx;z\n'.encode("cp1252"))
    params = PrepareParams(source="", target="y", encoding="auto")
    prepare.main(params=params, source=source, out=tmp_path / "out")
    assert "source    1 file, separator ';', encoding windows-1252" in capsys.readouterr().out
    assert reader.open_dataset(tmp_path / "out").encoder.classes == ("z", "é")
    _digest(PENGUINS, tmp_path / "out")
    assert "source    1 file, separator ',', encoding utf-8" in capsys.readouterr().out


def test_faults_name_the_file_and_its_line(tmp_path: Path) -> None:
    """Of many files, the one that holds the fault is named with its own line."""
    halves = _halves(tmp_path / "halves")
    with (halves / "b.csv").open("a") as file:
        file.write("2009,male,heavy,1,1,1,Dream,Gentoo\n")
    with pytest.raises(UserError, match=r"b.csv, line 246, column body_mass_g: expected a number, got 'heavy'"):
        _digest(halves, tmp_path / "out")
    (halves / "c.csv").write_text("species,islands\n")
    (halves / "b.csv").unlink()
    with pytest.raises(UserError, match=r"c.csv: lacks the column 'bill_depth_mm', unlike the first file"):
        _digest(halves, tmp_path / "out")


def test_broken_packing_is_told(tmp_path: Path) -> None:
    """A gzip file that was cut short, an encoding that does not fit, and an unknown scheme are told by name."""
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(PENGUINS.read_bytes())[:900])
    with pytest.raises(UserError, match=r"cut.csv.gz: expected a CSV file: "):
        _digest(tmp_path / "cut.csv.gz", tmp_path / "out")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1" + b"?" * 99)
    with pytest.raises(UserError, match=r"cut.parquet: expected a CSV file: not readable as parquet: "):
        _digest(tmp_path / "cut.parquet", tmp_path / "out")
    (tmp_path / "t.csv").write_bytes(b"species,x\na,\x81\nb,c\n")
    with pytest.raises(UserError, match=r"t.csv, line 2: expected text in cp1252, got bytes 81; correct prepare.enc"):
        _digest(tmp_path / "t.csv", tmp_path / "out", encoding="cp1252")
    with pytest.raises(UserError, match=r"t.csv: expected text in utf-16; correct prepare.encoding"):
        _digest(tmp_path / "t.csv", tmp_path / "out", encoding="utf-16")
    with pytest.raises(UserError, match="nowhere://x: cannot be opened"):
        find_source.find("nowhere://x")


def _same_again_with_another_cell(file: Path) -> None:
    """Of the same size and time, but another file that took the name."""
    times = file.stat()
    new = file.with_suffix(".new")
    new.write_bytes(file.read_bytes().replace(b"Biscoe", b"Biscay"))
    os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
    new.replace(file)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a file more": lambda halves: (halves / "c.csv").write_bytes((halves / "a.csv").read_bytes()),
    "a file less": lambda halves: (halves / "b.csv").unlink(),
    "rows more": lambda halves: (halves / "a.csv").write_bytes((halves / "a.csv").read_bytes() * 2),
    "a broken row": lambda halves: (halves / "b.csv").write_bytes((halves / "b.csv").read_bytes() + b"1,2\n"),
    "other bytes": lambda halves: _same_again_with_another_cell(halves / "a.csv"),
}


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize(("moment", "rows"), [("learn", 1), ("learn", 344), ("write", 0), ("write", 120)])
def test_a_source_that_changes_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], object], moment: str, rows: int
) -> None:
    """Changed within a pass or between the two, it leaves what was prepared before, and nothing is kept of it."""
    halves, cache = _halves(tmp_path / "halves"), tmp_path / "cache"
    before = _digest(halves, tmp_path / "out")
    step = getattr(prepare, moment)
    waiting = [change]

    def disturb(read: int, _position: int) -> None:
        if read >= rows and waiting:
            waiting.pop()(halves)

    def disturbed(*arguments: Any) -> Any:
        options = replace(arguments[-1], chunk_bytes=1 << 10, threads=1, watch=disturb)
        disturb(0, 0)
        return step(*arguments[:-1], options)

    monkeypatch.setattr(prepare, moment, disturbed)
    params = PrepareParams(source="", target="species", split=SplitParams(method="hash"))
    with pytest.raises(UserError, match="the source changed while it was being read"):
        prepare.main(params=params, source=halves, out=tmp_path / "out", cache=cache)
    assert not waiting
    assert reader.open_dataset(tmp_path / "out").digest == before
    assert {path.name for path in cache.iterdir()} <= {"lock"}


def _parquet(path: Path, **columns: pa.Array) -> Path:
    pa_parquet.write_table(pa.table(columns), path)
    return path


def test_parquet_says_what_is_text(tmp_path: Path) -> None:
    """Digits that Parquet holds as strings stay text, labels too, unless the params say otherwise."""
    codes = pa.array(["007", "7", "007", None])
    source = _parquet(tmp_path / "t.parquet", code=codes, packed=codes.dictionary_encode(), species=pa.array([*"0110"]))
    _digest(source, tmp_path / "out", standardise=False, split={"method": "none"})
    prepared = reader.open_dataset(tmp_path / "out")
    assert prepared.encoder.types == {"code": "text", "packed": "text"}
    assert prepared.encoder.categories[0].levels == ("007", "7", "<missing>", "<unseen>")
    assert prepared.encoder.classes == ("0", "1")
    _digest(source, tmp_path / "out", standardise=False, split={"method": "none"}, types={"code": "number"})
    prepared = reader.open_dataset(tmp_path / "out")
    assert prepared.encoder.types == {"code": "number", "packed": "text"}
    assert prepared.splits["train"].shards[0].numbers[:, 0].tolist() == [7, 7, 7, 7]


def test_parquet_of_other_types_is_read(tmp_path: Path) -> None:
    """Decimals, packed integers and views of text are what they hold; times become dates where params say so."""
    moments = pa.array([datetime(2024, 2, 29, 13, 45), datetime(2023, 1, 1)])
    source = _parquet(
        tmp_path / "t.parquet",
        price=pa.array([Decimal("1.50"), Decimal("2.25")]),
        packed=pa.array([3, 4]).dictionary_encode(),
        view=pa.array(["u", "v"], pa.string_view()),
        moment=moments.cast(pa.timestamp("ns", "UTC")),
        day=moments.cast(pa.date32()),
        species=pa.array([True, False]),
    )
    others: dict[str, Any] = {"types": {"moment": "date", "day": "date"}, "date_parts": ["day", "hour"]}
    _digest(source, tmp_path / "out", standardise=False, split={"method": "none"}, **others)
    prepared = reader.open_dataset(tmp_path / "out")
    assert prepared.encoder.features[:6] == ("price", "packed", "moment day", "moment hour", "day day", "day hour")
    (shard,) = prepared.splits["train"].shards
    assert shard.numbers.tolist() == [[1.5, 3, 29, 13, 29, 0], [2.25, 4, 1, 0, 1, 0]]
    assert prepared.encoder.classes == (False, True)


@pytest.mark.parametrize(
    ("column", "named"),
    [(pa.array([[1], [2]]), "list<"), (pa.array([{"a": 1}, None]), "struct<"), (pa.array([b"\xff", b""]), "binary")],
)
def test_nested_parquet_is_told(tmp_path: Path, column: pa.Array, named: str) -> None:
    """A column whose values are no single number, text or time is told by name and type."""
    source = _parquet(tmp_path / "t.parquet", tags=column, species=pa.array(["u", "v"]))
    with pytest.raises(UserError, match=rf"t.parquet, column tags: expected numbers, .*, got {named}"):
        _digest(source, tmp_path / "out")


@pytest.mark.parametrize(
    "wrong", [{"separator": "::"}, {"separator": '"'}, {"encoding": "utf-7777"}, {"encoding": "hex"}]
)
def test_params_of_sources_are_checked(wrong: dict[str, str]) -> None:
    """A separator that is not one character and an encoding that no one knows are refused with the params."""
    with pytest.raises(ValueError, match="auto"):
        PrepareParams.model_validate({"source": "s", "target": "y", **wrong})

"""Files that are no CSV: each is told as what it is, by its first bytes and not by its name."""

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest
from PIL import Image

from pipeline.errors import UserError
from pipeline.prepare import report
from pipeline.table import find_source, header


def zipped(*names: str, content: bytes = b"<xml/>") -> bytes:
    """A zip archive of these files, in this order, not compressed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return out.getvalue()


def picture(form: str) -> bytes:
    """A picture of one pixel."""
    out = io.BytesIO()
    Image.new("RGB", (1, 1)).save(out, form)
    return out.getvalue()


def database() -> bytes:
    """A database with a table."""
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t (a)")
    return connection.serialize()


def array() -> bytes:
    """An array as numpy saves it."""
    out = io.BytesIO()
    np.save(out, np.zeros(3))
    return out.getvalue()


FILES = {
    "an Excel workbook (.xlsx); save it as CSV": zipped("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"),
    "an Excel workbook (.xlsx); save it": zipped("docProps/app.xml", "docProps/core.xml", "xl/workbook.xml"),
    "an Excel workbook (.xls) or another": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504),
    "an OpenDocument spreadsheet (.ods)": zipped("mimetype", content=b"application/vnd.oasis.opendocument.spreadsheet"),
    "a zip archive; unpack it": zipped("t.csv", content=b"a,y\n1,p\n"),
    "a PNG picture": picture("PNG"),
    "a JPEG picture": picture("JPEG"),
    "a GIF picture": b"GIF89a" + picture("GIF")[6:],
    "a PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "JSON; write": json.dumps([{"a": 1, "y": "p"}]).encode(),
    "JSON; write it": b'\xef\xbb\xbf\n{ "a": [1, 2]}',
    "JSON; write it as CSV, one row a line": b'{"a": 1}\n{"a": 2}\n',
    "a web page (HTML)": b"\n<!DOCTYPE html><html><body>404</body></html>",
    "XML": b"<?xml version='1.0'?><a/>",
    "an SQLite database": database(),
    "an array of numpy": array(),
    "a file packed by bzip2": bz2.compress(b"a,y\n1,p\n"),
    "a file packed by xz": lzma.compress(b"a,y\n1,p\n"),
    "a file that gzip packed twice": gzip.compress(gzip.compress(b"a,y\n1,p\n")),
    "a pointer of Git LFS; fetch the file": b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n",
    "a file of SPSS": b"$FL2@(#) SPSS DATA FILE",
    "a file of Stata": b"<stata_dta><header><release>118",
    "a file of R": b"RDX3\nX\n\0\0\0\3",
    "an ARFF file": b"% iris\n%\n@RELATION iris\n@attribute x numeric\n",
    "a text of a word processor": b"{\\rtf1 a,y\\par}",
}


@pytest.mark.parametrize("what", FILES)
@pytest.mark.parametrize("name", ["t.csv", "t.xlsx", "t.csv.gz"])
def test_what_is_no_csv_is_told_as_what_it_is(tmp_path: Path, what: str, name: str) -> None:
    """Whatever it is called, and packed too."""
    path = tmp_path / name
    path.write_bytes(gzip.compress(FILES[what]) if name.endswith(".gz") else FILES[what])
    with pytest.raises(UserError) as caught:
        header.column_names(find_source.find(str(path), encoding="auto"))
    assert str(caught.value).startswith(f"{path}: expected a CSV or Parquet file, got {what}")


@pytest.mark.parametrize(
    "text",
    ["[a],{b},y\n", "{a},b\n", "<html_size,b\n", "PK,b\n", "BZh,b\n", "GIF8,b\n", "[1],[2]\n", "{,y\n"],
)
def test_a_header_that_only_begins_alike_is_a_header(tmp_path: Path, text: str) -> None:
    """Brackets, and letters by which other files begin."""
    path = tmp_path / "t.csv"
    path.write_text(text + "1,2,3\n", encoding="utf-8")
    assert header.column_names(find_source.find(str(path))) == text.strip().split(",")


def test_a_packed_parquet_is_told_as_what_it_is(tmp_path: Path) -> None:
    """Parquet itself is read; within gzip it is not."""
    plain, packed = tmp_path / "t.parquet", tmp_path / "t.parquet.gz"
    pa_parquet.write_table(pa.table({"a": [1], "y": ["p"]}), plain)
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert header.column_names(find_source.find(str(plain))) == ["a", "y"]
    with pytest.raises(UserError, match=r"expected a CSV or Parquet file, got a packed Parquet file; unpack it"):
        find_source.find(str(packed))


def test_a_missing_header_line_is_doubted() -> None:
    """Where all names beside the target's are numbers, or values of their columns; a program's 0, 1, 2 are names."""
    (doubt,) = report.header_doubts(["5.1", "3.5", "1.4", "setosa"], "setosa", {})
    assert doubt.startswith("all columns are called by numbers (5.1, 3.5, 1.4): if the first line is a row of data")
    levels = {"red": {"red": 3, "blue": 4}, "p": {"p": 3, "e": 4}}
    (doubt,) = report.header_doubts(["5.1", "red", "p"], "p", levels)
    assert doubt.startswith("all columns are called by values that they hold (5.1, red): if the first line is a row")
    assert [*report.header_doubts(["red", "p"], "p", levels)]
    assert not [*report.header_doubts(["0", "1", "2"], "2", {})]
    assert not [*report.header_doubts(["a", "1", "2"], "2", levels)]
    assert not [*report.header_doubts(["red", "y"], "y", levels)]
    assert not [*report.header_doubts(["y"], "y", {})]


def test_numbers_twice_in_the_header_ask_for_a_header_line(tmp_path: Path) -> None:
    """A row of data often holds a number twice."""
    path = tmp_path / "t.csv"
    path.write_text("1.5,1.5,p\n2,3,q\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"two columns are named '1.5'; rename one .*, or add the header line"):
        header.column_names(find_source.find(str(path)))

"""Pieces of whole rows: cut where Arrow ends a row, whatever is quoted and however long."""

import csv
import gzip
import io
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.table import row_chunks

# Quotes where they open a cell, where they are text, and where they are escaped, around every line ending.
RAW = st.lists(st.sampled_from(['"', '""', ",", "\n", "\r\n", "a", " ", 'x"', '"q\n"']), max_size=30).map("".join)


def _cut(data: bytes, size: int) -> list[bytes]:
    return [bytes(piece) for piece in row_chunks.cut(io.BytesIO(data), "t.csv", ",", size)]


def _rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.slow
@given(RAW, st.integers(1, 12))
@settings(max_examples=500, deadline=None)
def test_pieces_are_whole_rows(text: str, size: int) -> None:
    """Read piece by piece, any bytes give the rows that Python's csv module reads from them at once."""
    try:
        pieces = _cut(text.encode(), size)
    except row_chunks.OpenQuoteError:
        # In strict mode the module refuses an open quote too, but other quotes as well.
        with pytest.raises(csv.Error):
            list(csv.reader(io.StringIO(text, newline=""), strict=True))
        return
    assert b"".join(pieces).rstrip(b"\r\n") == text.encode().strip(b"\r\n")
    assert [row for piece in pieces for row in _rows(piece.decode())] == _rows(text.lstrip("\r\n"))


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_pieces_are_small(ending: str) -> None:
    """Rows far shorter than a piece fill pieces of about its size, quoted line endings or not."""
    text = f'"a{ending}b",1{ending}x,2{ending}' * 500
    pieces = _cut(text.encode(), 100)
    assert len(pieces) > 50
    assert [row for piece in pieces for row in _rows(piece.decode())] == _rows(text)


def test_the_byte_order_mark_is_no_text() -> None:
    """A mark before a quoted first cell is left out, also when reading starts within it."""
    for size in (1, 2, 3, 50):
        assert b"".join(_cut(b'\xef\xbb\xbf"a\n",b\n1,2\n', size)) == b'"a\n",b\n1,2\n'


def test_blank_lines_before_the_header_are_left_out() -> None:
    """The first piece begins with the header, however many pieces the blank lines before it would fill."""
    for size in (1, 3, 50):
        assert _cut(b"\xef\xbb\xbf\r\n\n\n\na,b\n1,2", size)[0].startswith(b"a,b\n")


def test_an_open_quote_at_the_end_is_told() -> None:
    """A last row whose quote nothing closes is no row, whether or not the file ends in a newline."""
    for text in (b'a,b\n1,"2', b'a,b\n1,"2\n3,4\n', b'a,b\n1,"2""\n', b'"'):
        for size in (1, 3, 50):
            with pytest.raises(row_chunks.OpenQuoteError):
                _cut(text, size)


def test_an_open_quote_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quote that no one closes makes a row without end, which is refused before it fills the memory."""
    monkeypatch.setattr(row_chunks, "LONGEST_ROW_BYTES", 1_000)
    with pytest.raises(UserError, match=r"t.csv, line 2: a row is longer than 1,000 bytes; is a quote left open\?"):
        _cut(b'a,b\n1,"' + b"2\n" * 5_000, 100)


def test_an_open_quote_tells_the_line_of_its_row() -> None:
    """Counted over pieces, a byte order mark, blank lines, and every line ending."""
    for ending in (b"\n", b"\r\n", b"\r"):
        lines = [b"a,b", b'1,"x', b'y"', b"3,4", b'5,"6', b"7,8"]
        text = b"\xef\xbb\xbf" + 2 * ending + ending.join(lines) + ending
        for size in (3, 7, 100):
            with pytest.raises(row_chunks.OpenQuoteError) as caught:
                _cut(text, size)
            assert caught.value.line == 7


_MANY = 64 << 20
HOSTILE = {
    "bytes 0": (b"", b"\0"),
    "quotes only": (b"a,b\n1,", b'"'),
    "a row of quoted newlines": (b"a,b\n", b'"\n",'),
    "a header without end": (b"", b"12,"),
}
_READ = """
import re, sys
from pathlib import Path
from pipeline.errors import UserError
from pipeline.table import find_source, stream

try:
    for chunk in stream.read(find_source.find(sys.argv[1]), {"b": "text"}, [""]):
        pass
except UserError as error:
    print(error)
# Not getrusage, whose peak begins with that of the process that forked this one.
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))[1]) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured in kilobytes there only")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_row_without_end_is_told_before_it_fills_the_memory(tmp_path: Path, name: str) -> None:
    """A gzip file of kilobytes unpacks to ten gigabytes; what is read of it stays below one."""
    head, unit = HOSTILE[name]
    # Members of gzip may follow one another, so the same one, many times, is a file in no time.
    packed = gzip.compress(unit * (_MANY // len(unit)), 1)
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(head) + (10 << 30) // _MANY * packed)
    done = subprocess.run([sys.executable, "-c", _READ, str(path)], capture_output=True, text=True, check=True)
    *printed, peak = done.stdout.splitlines()
    line = 1 if not head else 2
    assert printed == [f"{path}, line {line}: a row is longer than 16,777,216 bytes; is a quote left open?"]
    assert int(peak) < 1_000

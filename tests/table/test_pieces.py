"""Pieces of whole rows: cut where Arrow ends a row, whatever is quoted and however long."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.table import pieces

# Quotes where they open a cell, where they are text, and where they are escaped, around every line ending.
RAW = st.lists(st.sampled_from(['"', '""', ",", "\n", "\r\n", "a", " ", 'x"', '"q\n"']), max_size=30).map("".join)


def _cut(data: bytes, size: int) -> list[bytes]:
    return [bytes(piece) for piece in pieces.cut(io.BytesIO(data), "t.csv", ",", size)]


def _rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@given(RAW, st.integers(1, 12))
@settings(max_examples=500, deadline=None)
def test_pieces_are_whole_rows(text: str, size: int) -> None:
    """Read piece by piece, any bytes give the rows that Python's csv module reads from them at once."""
    try:
        found = _cut(text.encode(), size)
    except pieces.OpenQuoteError:
        # In strict mode the module refuses an open quote too, but other quotes as well.
        with pytest.raises(csv.Error):
            list(csv.reader(io.StringIO(text, newline=""), strict=True))
        return
    assert b"".join(found).rstrip(b"\r\n") == text.encode().strip(b"\r\n")
    assert [row for piece in found for row in _rows(piece.decode())] == _rows(text.lstrip("\r\n"))


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_pieces_are_small(ending: str) -> None:
    """Rows far shorter than a piece fill pieces of about its size, quoted line endings or not."""
    text = f'"a{ending}b",1{ending}x,2{ending}' * 500
    found = _cut(text.encode(), 100)
    assert len(found) > 50
    assert [row for piece in found for row in _rows(piece.decode())] == _rows(text)


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
            with pytest.raises(pieces.OpenQuoteError):
                _cut(text, size)


def test_an_open_quote_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quote that no one closes makes a row without end, which is refused before it fills the memory."""
    monkeypatch.setattr(pieces, "LONGEST_ROW_BYTES", 1_000)
    with pytest.raises(UserError, match=r"t.csv: a row is longer than 1,000 bytes; is a quote left open\?"):
        _cut(b'a,b\n1,"' + b"2\n" * 5_000, 100)

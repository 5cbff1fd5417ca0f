"""Guesses of a file's encoding and separator from its first bytes."""

import io

import pytest

from pipeline.table import transcoding

GREEN = "colour;y\n" + "grün;weiß\n" * 20
ENCODED = {
    "UTF-8": (GREEN.encode(), "utf-8"),
    "a few bytes of another": (GREEN.encode() + b"gr\xfcn;a\n", "utf-8"),
    "windows-1252": (GREEN.encode("cp1252"), "windows-1252"),
    "as long, but mostly of another": (GREEN.encode("cp1252") + "grün;a\n".encode(), "windows-1252"),
    "UTF-16 with a mark": (GREEN.encode("utf-16"), "utf-16"),
    "UTF-16 without": (GREEN.encode("utf-16-le"), "utf-16-le"),
    "UTF-16 of the other order": (GREEN.encode("utf-16-be"), "utf-16-be"),
    "UTF-32": (GREEN.encode("utf-32"), "utf-32"),
    "bytes 0 of another cause": (b"a;y\n" + bytes(99), "utf-8"),
    "Russian": ("цвет;y\nсиний;a\n".encode("koi8-r"), "windows-1252"),
    "Japanese": ("色;y\n日本語;a\n".encode("shift_jis"), "windows-1252"),
}


@pytest.mark.parametrize("name", ENCODED)
def test_encodings_are_told_by_their_bytes(name: str) -> None:
    """Text that is UTF-8 but for some bytes was damaged, and is not read as another encoding, in which all is wrong."""
    content, expected = ENCODED[name]
    assert transcoding.sniffed_encoding(io.BytesIO(content)) == expected


def test_of_two_separators_that_fit_the_one_of_more_cells_is_taken() -> None:
    """A comma within a quoted name does not hide the separator, even where there are no rows to tell by."""
    assert transcoding.sniffed_separator(io.BytesIO(b'x;"a, b";c;y\n')) == ";"

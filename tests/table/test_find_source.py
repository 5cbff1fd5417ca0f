"""Addresses at which there is no table are refused in one short sentence."""

from pathlib import Path

import pytest

from pipeline.errors import UserError
from pipeline.table import find_source


@pytest.mark.slow
@pytest.mark.parametrize(
    "address",
    [
        *("x" * 5000, "*" * 3000, f"s3://{'x' * 5000}", f"zip://a.csv::{'b' * 5000}", f"file:///{'a/' * 3000}"),
        *("a\0b.csv", "\ud800.csv", "\x1b[2J.csv", "x\nverified: all.csv", "file:///\x1b]0;title\x07", "dir://x"),
        *("reference://", "http://[::1", f"http://user:{'p' * 5000}@host/x.csv"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_short_sentence(address: str) -> None:
    """However long it is, and whatever characters are in it: nothing of it moves a terminal's cursor."""
    with pytest.raises(UserError) as refusal:
        find_source.find(address)
    assert len(str(refusal.value)) < 700
    assert str(refusal.value).isprintable()
    assert "ppp" not in str(refusal.value)


@pytest.mark.parametrize("pattern", ["p" * 5000, "\x1b[2J"])
def test_a_pattern_that_fits_nothing_is_told_in_short(tmp_path: Path, pattern: str) -> None:
    """As an address is."""
    with pytest.raises(UserError, match="expected files like ") as refusal:
        find_source.find(str(tmp_path), pattern)
    assert len(str(refusal.value)) < 700
    assert str(refusal.value).isprintable()

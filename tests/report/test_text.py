"""Names and numbers as they stand on the page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report import text
from tests.report.runs import HOSTILE


@given(st.text(), st.integers(6, 60))
def test_a_name_is_short_and_visible(name: str, most: int) -> None:
    """Of any text at most as many characters as asked for remain, each of which prints; the title is bounded too."""
    cell = text.name(name, most)
    assert len(cell.text) <= max(most, len("(empty)"))
    assert cell.text.isprintable()
    assert len(cell.title) <= 200
    assert cell.title.isprintable()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_short_and_visible(name: str) -> None:
    """So are those that a table may be made of to do harm."""
    cell = text.name(name)
    assert len(cell.text) <= 40
    assert cell.text.isprintable()


def test_a_short_name_stands_as_it_is() -> None:
    """It has no title; booleans are spelled as in JSON."""
    assert (text.name("island").text, text.name("island").title) == ("island", "")
    assert text.name(True).text == "true"


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.0, "0.0000"), (-1.5, "−1.5000"), (12345, "12,345"), (0.00004, "4.0e−05"), (1e9, "1.0e+09"), (None, "–")],
)
def test_numbers_are_aligned(value: float | None, written: str) -> None:
    """Four digits after the point, thousands apart, an exponent where else nothing would be left."""
    assert text.number(value).text == written


@pytest.mark.parametrize(
    ("value", "written"), [(0.0, "0%"), (1.0, "100%"), (0.0001, "< 0.1%"), (0.99999, "> 99.9%"), (0.123, "12.3%")]
)
def test_a_share_that_is_not_all_is_not_written_as_all(value: float, written: str) -> None:
    """Nothing above 0 looks like none, nothing below 1 like all."""
    assert text.share_text(value) == written

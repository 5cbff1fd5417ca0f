"""Codes with leading zeros: all cells tell which columns hold them, and parsed columns that are kept say it too."""

from pathlib import Path

import pytest

from pipeline.dataset.columns import ColumnType
from pipeline.errors import UserError
from pipeline.table import find_source, parse_cache, stream, type_inference

PLAIN = "x,y\n" + "10,a\n" * 50


def _kind(source: Path, folder: Path | None = None, fixed: dict[str, ColumnType] | None = None) -> str:
    table = find_source.find(str(source))
    with parse_cache.opened(folder, table) as store:
        columns = type_inference.Columns(["x", "y"], ["y"], fixed=fixed or {})
        statistics = type_inference.learn(table, columns, ["", "NA"], options=stream.ReadOptions(64, cache=store))
        if store is not None:
            store.commit()
    return statistics.types["x"]


@pytest.mark.parametrize("cell", ["007", "+05", " 01 ", '"00334"', '" 01"', "0" * 38 + "1", "00"])
def test_a_zero_before_digits_makes_codes_wherever_it_stands(tmp_path: Path, cell: str) -> None:
    """One cell that begins with a zero, in the first row, the last or between, quoted or not, makes a category."""
    source = tmp_path / "t.csv"
    for text in (f"x,y\n{cell},a\n" + "10,a\n" * 50, f"{PLAIN}{cell},a", f"{PLAIN}{cell},a\r\n" + "NA,b\n" * 50):
        source.write_text(text, encoding="utf-8")
        assert _kind(source) == "text"


@pytest.mark.parametrize("cell", ["0", "-0", "0.5", "0e5", "00.5", "100", ".05", "0.0", '"1.50"'])
def test_other_zeros_are_numbers(tmp_path: Path, cell: str) -> None:
    """0, 0.5 and 0e5 are numbers, also beside dates, times and codes in a column of texts."""
    source = tmp_path / "t.csv"
    source.write_text(f'{PLAIN}{cell},01/02\n3,00334\n4,"1 05"\n', encoding="utf-8")
    assert _kind(source) == "number"


def test_a_fraction_anywhere_makes_numbers_of_padded_ones(tmp_path: Path) -> None:
    """Numbers written with leading zeros, of which one has a fraction, are measures and no codes."""
    source = tmp_path / "t.csv"
    for rows in (["007", "1.5"], ["1.5", "007"]):
        source.write_text("x,y\n" + "".join(f"{cell},a\n" * 50 for cell in rows), encoding="utf-8")
        assert _kind(source) == "number"


def test_what_was_kept_as_numbers_still_tells_its_zeros(tmp_path: Path) -> None:
    """A type that made numbers of codes leaves no trace: without it, parsed columns that were kept say category."""
    source = tmp_path / "t.csv"
    source.write_text(PLAIN + "007,a\n")
    cache = tmp_path / "cache"
    for _ in range(2):
        assert _kind(source, cache, {"x": "number"}) == "number"
        assert len([*cache.glob("*/index.json")]) == 1
    assert _kind(source, cache) == "text"


def test_decimal_commas_of_another_column_do_not_hide_codes(tmp_path: Path) -> None:
    """01067 is a code also in a file of decimal commas."""
    source = tmp_path / "t.csv"
    source.write_text("x;y;z\n" + "10115;a;1,5\n" * 20 + "01067;a;2,5\n")
    table = find_source.find(str(source))
    statistics = type_inference.learn(
        table, type_inference.Columns(["x", "y", "z"], ["y"]), [""], options=stream.ReadOptions(64)
    )
    assert statistics.types == {"x": "text", "y": "text", "z": "number 1234,5"}


def test_too_many_codes_are_told_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More codes than levels are counted are refused, in a sentence that says how to read them as numbers."""
    monkeypatch.setattr(type_inference, "MOST_LEVELS", 20)
    source = tmp_path / "t.csv"
    source.write_text("x,y\n" + "".join(f"{row:03},a\n" for row in range(30)), encoding="utf-8")
    with pytest.raises(
        UserError, match=r"column x: expected at most 20 distinct texts, got more[\s\S]*type number reads"
    ):
        _kind(source)
    assert _kind(source, fixed={"x": "number"}) == "number"

"""What `init` says of values that no kind tells: marks for no value, codes, counts, columns that know the answer."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import init, params, prepare, shards
from pipeline.params import read_params


def _init(folder: Path, columns: dict[str, Any]) -> list[str]:
    pd.DataFrame(columns).to_csv(folder / "t.csv", index=False)
    out = folder / "p.yaml"
    init.main(address=str(folder / "t.csv"), target="y", out=out, template=Path("params.yaml"), force=True)
    return [line.strip() for line in out.read_text(encoding="utf-8").splitlines()]


def _warnings(lines: list[str]) -> list[str]:
    return [line.removeprefix("# warning: ") for line in lines if line.startswith("# warning: ")]


def _prepared(folder: Path) -> shards.Prepared:
    chosen = params.load(folder / "p.yaml", "prepare", prepare.Params)
    prepare.main(params=chosen, source=chosen.source, out=folder / "out")
    return shards.open_prepared(folder / "out")


ROW = np.arange(300)
Y = np.random.default_rng(1).choice(["a", "b"], 300)


@pytest.mark.parametrize(
    ("word", "warning"),
    [
        ("inf", "line 6, column x: expected a finite number, got 'inf'; until it is corrected, or added to "),
        ("?", "x holds numbers and '?' (1); if that means no value, add it to missing_values"),
    ],
)
def test_a_cell_that_spoils_a_column_of_numbers_is_named(tmp_path: Path, word: str, warning: str) -> None:
    """One infinity or question mark is a warning, whether the column becomes a category or is left out."""
    for x, is_feature in ((ROW % 50 / 8, True), (ROW / 8, False)):
        cells = [*map(str, x)]
        cells[4] = word
        lines = _init(tmp_path, {"x": cells, "z": ROW % 7, "y": Y})
        assert any(warning in found for found in _warnings(lines))
        assert (f"- x  # category, 51 levels, mixes numbers and texts such as '{word}'" in lines) == is_feature
        left_out = f"# - x  # left out: mixes numbers and texts such as '{word}', 300 levels in 300 rows"
        assert (left_out in lines) == (not is_feature)
        assert read_params(tmp_path / "p.yaml")["prepare"]["categories"] == (["x"] if is_feature else [])
        assert len(_prepared(tmp_path).encoder.categories) == int(is_feature)


@pytest.mark.parametrize("sentinel", [-999, 9999])
def test_numbers_far_from_all_others_are_named(tmp_path: Path, sentinel: int) -> None:
    """-999 on several rows beside ages is a likely mark for no value; one among numbers of its size is none."""
    ages, wide = ROW % 60 + 18, ROW * 40 % 1_010 * 10 * np.sign(sentinel)
    ages[:5], wide[:5] = sentinel, sentinel
    warnings = _warnings(_init(tmp_path, {"age": ages, "wide": wide, "y": Y}))
    expected = (
        f"age is {sentinel} in 5 rows, far from all other values; if that means no value, add it to missing_values"
    )
    assert [warning for warning in warnings if "far from" in warning] == [expected]


def test_codes_with_leading_zeros_are_categories(tmp_path: Path) -> None:
    """Digits of which some begin with a zero are written as categories and keep their zeros; 0 and 0.5 are numbers."""
    table = {"zip": [f"{row % 40 + 95:05}" for row in ROW], "n": ROW % 9, "x": ROW % 30 / 10, "y": Y}
    lines = _init(tmp_path, table)
    assert "- zip  # category, 40 levels, codes with leading zeros such as '00095'" in lines
    assert read_params(tmp_path / "p.yaml")["prepare"]["categories"] == ["zip"]
    (category,) = _prepared(tmp_path).encoder.categories
    assert category.levels[:2] == ("00095", "00096")


def test_a_frequency_table_hints_at_weights(tmp_path: Path) -> None:
    """A column Freq beside combinations that never repeat is no feature but a weight; beside rows that do, nothing."""
    cells = np.arange(48)
    table = {
        "size": cells % 4,
        "place": cells // 4 % 3,
        "Freq": cells % 11 + 1,
        "y": np.array(list("abcd"))[cells // 12],
    }
    assert any(
        "Freq looks like the counts of a frequency table" in found for found in _warnings(_init(tmp_path, table))
    )
    repeated = table | {"place": cells // 4 % 3 // 2}
    assert not any("Freq" in found for found in _warnings(_init(tmp_path, repeated)))


def test_a_column_that_nearly_knows_the_answer_is_told(tmp_path: Path) -> None:
    """A column right in 97.9 % of rows where the largest class is 92.5 % is told; one right in 94 % is not."""
    row = np.arange(1_000)
    y = np.where(row < 75, "yes", "no")
    for wrong, is_told in ((21, True), (60, False)):
        reading = np.where((row < wrong) | (row >= 75), "high", "low")
        warnings = _warnings(_init(tmp_path, {"reading": reading, "z": row % 7, "y": y}))
        told = f"reading gives y away: alone it is right in {1 - wrong / 1000:.1%} of rows, the largest class in 92.5%;"
        assert any(told in warning for warning in warnings) == is_told

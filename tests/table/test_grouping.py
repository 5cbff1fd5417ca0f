"""Points that may stand between thousands are doubted, where nothing in the column says that they do not."""

from pathlib import Path

import pytest

from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.table import find_source, grouping, type_inference

CELLS = {
    "thousands": ("0 300 600 900 1.200 1.500 12.000", "1.200"),
    "with gaps": ("300 NA 1.200 -1.500 12.000", "1.200"),
    "a fraction": ("300 600 1.200 1.500 12.000 1.5", None),
    "below one": ("300 600 1.200 1.500 12.000 0.500", None),
    "a thousand": ("300 600 1.200 1.500 12.000 1200", None),
    "written in full": ("300.000 600.000 1.200 1.500 12.000", None),
    "two": ("300 1.200 1.500", None),
    "whole": ("300 600", None),
}


def _doubts(folder: Path, cells: str, separator: str) -> dict[str, str]:
    source = folder / "t.csv"
    rows = [f"{cell}{separator}a" for cell in cells.split()]
    source.write_text("\n".join([f"x{separator}y", *rows]) + "\n", encoding="utf-8")
    table = find_source.find(str(source))
    statistics = type_inference.learn(table, type_inference.Columns(["x", "y"], ["y"]), ["NA"])
    return grouping.doubtful(table, statistics, ["NA"])


@pytest.mark.parametrize("name", CELLS)
def test_three_digits_behind_every_point_are_doubted(tmp_path: Path, name: str) -> None:
    """Beside whole numbers below a thousand, which a program that writes three decimals does not write."""
    cells, cell = CELLS[name]
    assert _doubts(tmp_path, cells, ",") == ({} if cell is None else {"x": cell})


def test_beside_semicolons_no_whole_number_is_needed(tmp_path: Path) -> None:
    """Where commas separate cells, 1.200 alone is a number of three decimals."""
    assert _doubts(tmp_path, "1.200 1.500 12.000", ",") == {}
    assert _doubts(tmp_path, "1.200 1.500 12.000", ";") == {"x": "1.200"}


def test_prepare_warns_until_the_mark_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At the top, with both readings; "," reads thousands, and then, as with ".", nothing is said."""
    source = tmp_path / "t.csv"
    source.write_text(
        "x;y\n" + "".join(f"{x};{label}\n" for x in ("300", "1.200", "1.500", "12.000") for label in "ab")
    )
    for decimal, largest in (("auto", 300.0), (".", 300.0), (",", 12_000.0)):
        params = PrepareParams.model_validate({"source": str(source), "target": "y", "decimal": decimal})
        prepare.main(params=params, source=source, out=tmp_path / "out")
        printed = " ".join(capsys.readouterr().out.split())
        doubt = "warning x: every point has three digits behind it, so 1.200 may be 1200: read as 1.2; set "
        assert printed.startswith(doubt) == (decimal == "auto")
        assert f'"maximum": {largest}' in (tmp_path / "out/schema.json").read_text(encoding="utf-8")

"""Tables that people send: `init` says of every column what becomes of it, and what it writes is prepared."""

import io
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import params
from pipeline.commands.init import command
from pipeline.dataset import reader
from pipeline.params import read_params
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams

ROWS = 60
_RANDOM = np.random.default_rng(7)
_NORMAL = _RANDOM.normal(100, 30, ROWS)


def _numbers(spell: Callable[[float], str], but: str | None = None) -> list[str]:
    """Numbers that ``spell`` writes, with another text in every seventh row."""
    return [but if but is not None and row % 7 == 3 else spell(value) for row, value in enumerate(_NORMAL)]


def _cells(spell: Callable[[int], str]) -> list[str]:
    return [spell(row) for row in range(ROWS)]


# Per column its cells, and what the line of init on it, or the warnings on it, must say.
STRANGE: dict[str, tuple[list[str], str]] = {
    "decimal comma": (_numbers(lambda value: f"{value:.1f}".replace(".", ",")), "number 1234,5"),
    "currency": (_numbers(lambda value: f"${value:.2f}"), "number $1234.5"),
    "percent": (_numbers(lambda value: f"{value:.1f}%"), "number 1234.5%"),
    "unit": (_numbers(lambda value: f"{value:.1f} kg"), "names the rows: "),
    "dot for missing": (_numbers(lambda value: f"{value:.2f}", "."), "mixes numbers and texts such as '.'"),
    "dash for missing": (_numbers(lambda value: f"{value:.2f}", "-"), "mixes numbers and texts such as '-'"),
    "error of Excel": (_numbers(lambda value: f"{value:.2f}", "#DIV/0!"), "mixes numbers and texts such as '#DIV/0!'"),
    "limit": (_numbers(lambda value: f"{value:.2f}", "<0.1"), "mixes numbers and texts such as '<0.1'"),
    "infinity": (_numbers(lambda value: f"{value:.2f}", "inf"), "mixes numbers and texts such as 'inf'"),
    "question mark": (_cells(lambda row: "?" if row % 7 == 3 else str(row % 5)), "mixes numbers and texts such as '?'"),
    "date": (_cells(lambda row: f"{row % 28 + 1:02}.11.2020"), "date %d.%m.%Y, "),
    "short date": (_cells(lambda row: f"{row % 28 + 1:02}/11/{row + 30}"), "date %d/%m/%y, "),
    "date or not": (_cells(lambda row: "later" if row % 9 == 3 else f"{row % 28 + 1}/11/2020"), "such as 'later'"),
    "month": (_cells(lambda row: f"Mar-{1960 + row}"), "date %b-%Y, "),
    "time": (_cells(lambda row: f"{row % 24}:{row:02}"), "date %H:%M, "),
    "moment with zone": (_cells(lambda row: f"2020-01-{row % 28 + 1:02}T10:00:00+01:00"), "date, "),
    "German month": (_cells(lambda row: f"{row % 3 + 1}. März 2020"), "category, 3 levels"),
    "blank at the end": (_cells(lambda row: ["red", "red ", "blue"][row % 3]), "category, 3 levels"),
    "lines": (_cells(lambda row: ["a\nb", 'say "a"', "b,c"][row % 3]), "category, 3 levels"),
    "formula": (_cells(lambda row: f"=1+{row % 5}"), "category, 5 levels"),
    "penguins": (_cells(lambda row: ["\U0001f427", "日本", "é"][row % 3]), "category, 3 levels"),
    "long": (_cells(lambda row: "x" * 3_000 + str(row % 3)), "category, 3 levels"),
    "JSON": (_cells(lambda row: f'{{"a": {row}}}'), "names the rows: 60 levels in 60 rows"),
    "nothing": ([""] * ROWS, "has no value in any row"),
    "only infinities": (["inf"] * ROWS, "is constant"),
    "too large": (_cells(lambda row: str(10**40 + row)), "60 levels in 60 rows"),
    "patient_id": (_cells(lambda row: str(row % 20 * 31)), "looks like an id that comes again: 20 values"),
    "number of row": (_cells(lambda row: str(row + 17)), "holds another whole number in each row"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_column_is_named_with_what_becomes_of_it(tmp_path: Path, name: str) -> None:
    """The column stands in params.yaml with its type, a warning or why it is left out, and is prepared as that says."""
    cells, expected = STRANGE[name]
    x = np.random.default_rng(8).normal(size=ROWS).round(3)
    pd.DataFrame({name: cells, "x": x, "y": ["a", "b", "b", "a"] * (ROWS // 4)}).to_csv(tmp_path / "t.csv", index=False)
    out = tmp_path / "p.yaml"
    with redirect_stdout(io.StringIO()):
        command.main(address=str(tmp_path / "t.csv"), target="y", out=out, template=Path("params.yaml"), force=True)
    lines = re.sub(r"\n *# {3}", " ", out.read_text(encoding="utf-8")).splitlines()
    about = [line for line in lines if f"# warning: {name} " in line or line.lstrip(' #-"').startswith(name)]
    assert any(expected in line for line in about), about
    assert all(len(line) < 500 for line in about)
    chosen = params.load(out, "prepare", PrepareParams)
    with redirect_stdout(io.StringIO()):
        prepare.main(params=chosen, source=chosen.source, out=tmp_path / "out")
    features = read_params(out)["prepare"]["features"]
    assert {*reader.open_dataset(tmp_path / "out").encoder.types} == {*features}

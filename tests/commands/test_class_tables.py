"""Tables by class and column within a screen, whatever classes and columns are called and however many there are."""

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.cells import cell_len

from pipeline.commands import class_tables

HOSTILE = [
    "[red]x[/red]",
    "[/]",
    ":smile:",
    "\x1b[2J",
    "a\nb",
    "\u202eabc",
    "日本語" * 60,
    "x" * 5000,
    "e" + "\u0301" * 400,
]


def printed(
    capsys: pytest.CaptureFixture[str],
    classes: list[str],
    columns: list[str],
    values: NDArray[np.float64],
    digits: int = 4,
) -> tuple[list[str], list[str]]:
    """The lines of a table of ``values`` (k, c) and of b, all 1, and the sentences about what is not shown."""
    bias = np.ones(len(classes))
    size = np.abs(values)
    tables = class_tables.choose(
        classes, columns, ["b"], size.max(axis=1), size.max(axis=0), max(1.0, float(size.max())), digits
    )
    class_tables.console().print(tables.table(values, {"b": bias}))
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    return lines, list(tables.omissions("the largest", "the largest"))


def test_what_fits_is_a_line_a_class(capsys: pytest.CaptureFixture[str]) -> None:
    """As formulas and torch have W."""
    lines, omissions = printed(capsys, ["no", "yes"], ["u", "v"], np.array([[1.0, -2.5], [-0.00001, 3e9]]))
    assert lines == [
        "class       u           v       b",
        "─────────────────────────────────",
        "no     1.0000     -2.5000  1.0000",
        "yes    0.0000  3.0000e+09  1.0000",
    ]
    assert omissions == []


def test_many_columns_are_lines_and_the_largest_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """In their order, b last, and a sentence that says so."""
    values = np.zeros((2, 300))
    values[1, 100:120] = np.arange(1, 21)
    lines, omissions = printed(capsys, ["no", "yes"], [f"column {i}" for i in range(300)], values)
    assert lines[0] == "column          no      yes"
    assert [line.split()[1] for line in lines[2:-1]] == [str(i) for i in range(100, 120)]
    assert lines[-1].split() == ["b", "1.0000", "1.0000"]
    assert omissions == ["Shown: 20 of 300 columns, the largest."]


def test_of_many_classes_those_are_shown_that_fit(capsys: pytest.CaptureFixture[str]) -> None:
    """The largest."""
    values = np.zeros((3000, 1))
    values[[7, 2500]] = 5
    lines, omissions = printed(capsys, [f"class number {i}" for i in range(3000)], ["x"], values)
    assert "class number 7 " in lines[0]
    assert "class number 2500" in lines[0]
    assert omissions == ["Shown: 5 of 3,000 classes, the largest."]


@pytest.mark.parametrize("terminal", [20, 80, 100, 300])
@pytest.mark.parametrize("digits", [1, 8])
@pytest.mark.parametrize("scale", [1e-9, 1.0, 99999.99999, 1e200])
def test_nothing_breaks_the_screen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, terminal: int, digits: int, scale: float
) -> None:
    """Hostile names are one line each, as they are, within the terminal's width or 100; no number is cut."""
    monkeypatch.setenv("COLUMNS", str(terminal))
    values = np.random.default_rng(0).normal(size=(len(HOSTILE), len(HOSTILE))) * scale
    lines, _ = printed(capsys, HOSTILE, HOSTILE, values, digits)
    assert len(lines) == 2 + len(HOSTILE) + 1
    assert max(map(cell_len, lines)) <= max(60, min(100, terminal))
    assert all(line.isprintable() for line in lines)
    assert not any("..." in line.split()[-1] for line in lines[2:])
    for name in ("[red]x[/red]", "[/]", ":smile:", r"\x1b[2J", r"a\nb", r"\u202eabc"):
        assert any(line.startswith(f"{name} ") for line in lines)


def test_a_long_name_keeps_beginning_and_end() -> None:
    """Which tell columns apart that begin alike."""
    assert class_tables.name("loan_amount_requested_2019_missing") == "loan_amoun...19_missing"
    assert class_tables.name("한국어" * 20) == "한국어한국...국어한국어"
    assert class_tables.name("flipper_length_mm") == "flipper_length_mm"

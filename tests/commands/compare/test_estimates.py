"""Coefficients that moved by more than their errors, between two inferences that the stage wrote."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from pipeline.commands.compare import differences, pages
from pipeline.commands.compare.estimates import Estimates, moved
from pipeline.commands.compare.side import ComparisonSide
from pipeline.errors import UserError
from tests.infer.problems import Inferred, Table, drawn, infer

NOTHING: dict[str, dict[str, str]] = {"params": {}, "code": {}, "versions": {}}


def read(inferred: Inferred) -> Estimates | None:
    """As a side has it."""
    document, table = ((inferred.folder / name).read_bytes() for name in ("inference.json", "coefficients.csv"))
    return Estimates.of(document, table, "a")


def estimates_of(inferred: Inferred) -> Estimates:
    found = read(inferred)
    assert found is not None
    return found


def between(a: Estimates | None, b: Estimates | None) -> dict[str, Any]:
    one, other = (
        ComparisonSide(name=name, estimates=lambda known=known: known, **NOTHING)
        for name, known in (("a", a), ("b", b))
    )
    return differences.between(one, other)


def changed(table: Table, column: int, by: float) -> Table:
    """The same rows, a number multiplied, so that its coefficients are divided."""
    numbers = table.numbers.copy()
    numbers[:, column] *= by
    return replace(table, numbers=numbers)


def test_what_moved_is_what_scipy_and_statsmodels_say(tmp_path: Path) -> None:
    """z of the difference, p of the normal distribution, Holm's over all that both have; the surest first."""
    table = drawn(40, 1500, levels=(3,))
    one = infer(tmp_path / "a", table, reference="k1")
    other = infer(tmp_path / "b", changed(drawn(41, 1500, levels=(3,)), 0, 0.25), reference="k1")
    found = moved(estimates_of(one), estimates_of(other))
    sides: list[dict[tuple[str, str], tuple[float, float]]] = [
        {
            (line["class"], line["feature"]): (float(line["estimate"]), float(line["standard_error"]))
            for line in inferred.lines("coefficients.csv")
            if line["reference"] == "k1" and line["feature"] != "(intercept)"
        }
        for inferred in (one, other)
    ]
    names = list(sides[0])
    a, b = (np.array([side[name] for name in names]) for side in sides)
    z = (b[:, 0] - a[:, 0]) / np.sqrt(a[:, 1] ** 2 + b[:, 1] ** 2)
    p = 2 * norm.sf(np.abs(z))
    holm = multipletests(p, method="holm")[1]
    assert found["compared"] == len(names) == 8
    order = [int(place) for place in np.argsort(-np.abs(z)) if holm[place] < 0.05]
    assert 0 < len(order) < 8
    assert [(line["class"], line["feature"]) for line in found["moved"]] == [names[place] for place in order]
    for line, place in zip(found["moved"], order, strict=True):
        assert line["difference"] == b[place, 0] - a[place, 0]
        values = [line[name] for name in ("standard_error", "z", "p", "p_holm")]
        expected = [np.hypot(a[place, 1], b[place, 1]), z[place], p[place], holm[place]]
        np.testing.assert_allclose(values, expected, rtol=1e-12)
    assert found["more"] == 0


def test_they_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the terminal, in Markdown and, as they are, for programs; the errors are said to be of different rows."""
    table = drawn(42, 1500, levels=())
    one, other = (estimates_of(infer(tmp_path / str(by), changed(table, 0, by), reference="k0")) for by in (1.0, 0.125))
    record = between(one, other)
    assert record["estimates"]["moved"]
    pages.print_text(record)
    for text in (capsys.readouterr().out, pages.markdown(record)):
        assert "Coefficients that moved" in text
        assert "x0" in text
        assert "x1" not in text
        assert "4 compared" in text
        assert "different rows" in " ".join(text.split())
        assert "nothing differs" not in text.lower()


def test_twenty_lines_and_how_many_more() -> None:
    """The rest is a number."""
    one, other = (
        Estimates("a", {}, (), {("b", "a", f"x{place}"): (value * place, 0.01) for place in range(1, 31)})
        for value in (0.0, 1.0)
    )
    record = between(one, other)
    assert len(record["estimates"]["moved"]) == 20
    assert record["estimates"]["more"] == 10
    assert "and 10 more; 30 compared" in pages.markdown(record)


def test_where_none_moved_a_sentence_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of half the rows against all of them; of the same files nothing is said."""
    table = drawn(43, 800, levels=(3,))
    half = estimates_of(infer(tmp_path / "half", table.take(np.arange(400)), reference="k0"))
    whole = estimates_of(infer(tmp_path / "whole", table, reference="k0"))
    record = between(half, whole)
    assert (record["estimates"]["compared"], record["estimates"]["moved"]) == (8, [])
    pages.print_text(record)
    for text in (capsys.readouterr().out, pages.markdown(record)):
        assert "no coefficient moved by more than its error (8 compared, against class k0)" in text
        assert "┃" not in text
    assert between(whole, whole)["estimates"] == {}


def test_other_base_levels_are_not_compared(tmp_path: Path) -> None:
    """Their coefficients are differences from another level, so they move where nothing does."""
    table = drawn(44, 400, levels=(3, 3))
    one = estimates_of(infer(tmp_path / "a", table, reference="k0"))
    other = estimates_of(infer(tmp_path / "b", table, reference="k0", base_levels={"c0": "l2"}))
    result = moved(one, other)
    assert (result["compared"], result["moved"]) == (8, [])  # x0, x1, c1=l1 and c1=l2 of two classes
    assert result["other_bases"] == ["c0"]
    assert "without levels of c0, whose base level is another" in pages.markdown(between(one, other))


def test_a_number_called_as_a_level_is_compared() -> None:
    """Beside a category with another base level; its name begins as those of the levels do."""
    a, b = (
        Estimates("k0", {"c": base}, ("c", "c=x"), {("k1", "k0", name): (value, 0.1) for name in ("c=l1", "c=x")})
        for base, value in (("l0", 0.0), ("l2", 1.0))
    )
    assert [line["feature"] for line in moved(a, b)["moved"]] == ["c=x"]


def test_another_reference_class_turns_signs(tmp_path: Path) -> None:
    """The same pairs of classes are compared, whichever of them each fit is against."""
    one, again = drawn(47, 900, levels=(3,)), changed(drawn(48, 900, levels=(3,)), 0, 0.25)
    first = estimates_of(infer(tmp_path / "a", one, reference="k1"))
    results = [
        moved(first, estimates_of(infer(tmp_path / reference, again, reference=reference)))
        for reference in ("k0", "k1", "k2")
    ]
    assert results[1]["moved"]
    for result in results:
        assert (result["reference"], result["compared"]) == ("k1", 8)
        assert [(line["class"], line["feature"]) for line in result["moved"]] == [
            (line["class"], line["feature"]) for line in results[1]["moved"]
        ]
        for line, expected in zip(result["moved"], results[1]["moved"], strict=True):
            np.testing.assert_allclose([line["b"], line["z"]], [expected["b"], expected["z"]], rtol=1e-7)


@pytest.mark.parametrize("params", [{"enabled": False}, {"refit": False}])
def test_without_two_inferences_nothing_is_said(tmp_path: Path, params: dict[str, Any]) -> None:
    """None was had, or the coefficients are shrunk."""
    table = drawn(45, 300)
    one = infer(tmp_path / "a", table, reference="k0")
    other = infer(tmp_path / "b", table, train_params={"l2": 0.1}, reference="k0", **params)
    for sides in ((read(one), read(other)), (read(other), read(one)), (read(one), None)):
        record = between(*sides)
        assert record["estimates"] == {}
        assert pages.markdown(record).endswith("Nothing differs.")


@pytest.mark.parametrize("broken", ["inference.json", "coefficients.csv"])
def test_a_forged_file_is_one_sentence(tmp_path: Path, broken: str) -> None:
    """It names the side and the file."""
    inferred = infer(tmp_path, drawn(46, 200))
    (inferred.folder / broken).write_text('{"sentences": 3}', encoding="utf-8")
    with pytest.raises(UserError, match=f"^a: {broken}: (sentences: )?expected "):
        read(inferred)


def test_a_comparison_needs_no_torch() -> None:
    """It takes seconds to import."""
    code = "import sys; import pipeline.commands.compare.command; print('torch' in sys.modules, 'scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]

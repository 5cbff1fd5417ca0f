"""What `init` says of values that no type tells: marks for no value, codes, counts, columns that know the answer."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import params
from pipeline.commands.init import command, section
from pipeline.dataset import reader
from pipeline.errors import UserError
from pipeline.params import read_params
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams


def _init(folder: Path, columns: dict[str, Any]) -> list[str]:
    pd.DataFrame(columns).to_csv(folder / "t.csv", index=False)
    out = folder / "p.yaml"
    command.main(address=str(folder / "t.csv"), target="y", out=out, template=Path("params.yaml"), force=True)
    return [line.strip() for line in out.read_text(encoding="utf-8").splitlines()]


def _warnings(lines: list[str]) -> list[str]:
    return section.warnings_of("\n".join(lines))


def _prepared(folder: Path) -> reader.Dataset:
    chosen = params.load(folder / "p.yaml", "prepare", PrepareParams)
    prepare.main(params=chosen, source=chosen.source, out=folder / "out")
    return reader.open_dataset(folder / "out")


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
        assert any(warning in line for line in _warnings(lines))
        assert (f"# x: category, 51 levels, mixes numbers and texts such as '{word}'" in lines) == is_feature
        left_out = f"# x: left out, mixes numbers and texts such as '{word}', 300 levels in 300 rows"
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
    assert "# zip: category, 40 levels, codes with leading zeros such as '00095'" in lines
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
    assert any("Freq looks like the counts of a frequency table" in line for line in _warnings(_init(tmp_path, table)))
    repeated = table | {"place": cells // 4 % 3 // 2}
    assert not any("Freq" in line for line in _warnings(_init(tmp_path, repeated)))


def test_a_column_that_nearly_knows_the_answer_is_told(tmp_path: Path) -> None:
    """A column right in 97.9 % of rows where the largest class is 92.5 % is told; one right in 94 % is not."""
    row = np.arange(1_000)
    y = np.where(row < 75, "yes", "no")
    for wrong, is_named in ((21, True), (60, False)):
        reading = np.where((row < wrong) | (row >= 75), "high", "low")
        warnings = _warnings(_init(tmp_path, {"reading": reading, "z": row % 7, "y": y}))
        sentence = (
            f"reading gives y away: alone it is right in {1 - wrong / 1000:.1%} of rows, the largest class in 92.5%;"
        )
        assert any(sentence in warning for warning in warnings) == is_named


HINTS: dict[str, tuple[list[Any], str]] = {
    "no value": (
        ["None" if row % 6 == 0 else "red" for row in ROW],
        "c holds 'None' (50); if that means no value, add",
    ),
    "many words": (
        [["-", "NULL", ".", "#N/A", "n/a"][row % 5] if row % 6 == 0 else f"{row % 20 / 8}" for row in ROW],
        "c holds numbers and '-' (10), ",
    ),
    "units": ([f"{row % 9} kg" for row in ROW], "c holds numbers with more around them: '0 kg', '1 kg', '2 kg'; "),
    "accounts": (
        [f"({row % 9 + 1}.5)" if row % 3 else f"{row % 8 + 1}.25" for row in ROW],
        "more around them: '(2.5)'",
    ),
    "other digits": (
        [chr(0x661 + row % 9) * 2 for row in ROW],
        "c holds numbers with more around them: '\u0661\u0661'",
    ),
    "sum": (
        ["Total" if row == 299 else ["u", "v"][row % 2] for row in ROW],
        "line 301, column c: 'Total' looks like the",
    ),
    "header again": (
        ["c" if row == 99 else str(row % 9) for row in ROW],
        "line 101, column c: the header comes again; ",
    ),
    "case": ([["red", "Red ", "blue"][row % 3] for row in ROW], "no screen shows: 'red', 'Red '; correct them if they"),
    "blanks": ([[" ", "red"][row % 2] for row in ROW], "c holds ' ' (150); if that means no value, add it to"),
}


@pytest.mark.parametrize("what", HINTS)
def test_texts_that_are_seldom_meant_are_named(tmp_path: Path, what: str) -> None:
    """Marks for no value, units, sums, a header that comes again, levels that look alike: one sentence each."""
    cells, hint = HINTS[what]
    assert any(hint in line for line in _warnings(_init(tmp_path, {"c": cells, "z": ROW % 7, "y": Y})))


@pytest.mark.parametrize("level", ["{}-{}", "10.0.0.{}", "0.{}.{}", "c{}", "{}/{}", "Q{}"])
def test_names_with_digits_are_no_numbers(tmp_path: Path, level: str) -> None:
    """Ranges, addresses, versions, codes and shares have nothing around one number."""
    cells = [level.format(row % 9 + 11, row % 9 + 12) for row in ROW]
    assert not _warnings(_init(tmp_path, {"c": cells, "z": ROW % 7, "y": Y}))


def test_labels_that_are_seldom_meant_are_named(tmp_path: Path) -> None:
    """Labels that look alike, a mark and blanks as classes, texts that are one class: by init and by prepare."""
    for labels, hints in (
        (["yes", "Yes ", "no"], ["y: 'yes', 'Yes ' are classes of their own, though they differ only in case"]),
        (["?", "a", "b"], ["y holds '?' (100); if that means no label, add it to missing_values"]),
        ([" ", "a", "b"], ["y: ' ' is a class; if it means no label, add it to prepare.missing_values"]),
        (["1", "01", "2"], ["y: several texts are one class: 1 is '1' and '01'; prepare.categories: [y] keeps"]),
        (["01", "02", "3"], ["y: whole numbers, so that 01 is 1; prepare.categories: [y] keeps labels as they are"]),
        (["a", "b", "c"], []),
    ):
        warnings = _warnings(_init(tmp_path, {"z": ROW % 7, "y": [labels[row % 3] for row in ROW]}))
        assert len(warnings) == len(hints)
        assert all(hint in warning for hint, warning in zip(hints, warnings, strict=True))


@pytest.mark.parametrize(
    ("labels", "line"),
    [
        (["yes", "Yes ", "no"], "warning   y: 'yes', 'Yes ' are classes of their own, though they differ only in case"),
        (["  ", "a", "b"], "warning   y: '  ' is a class; if it means no label, add it to prepare.missing_values"),
        (["1", "01", "2"], "labels    several texts are one class: 1 is '1' and '01'; prepare.categories: [y] keeps"),
        (
            ["01", "02", "3"],
            "labels    whole numbers, so that 01 is 1; prepare.categories: [y] keeps labels as they are",
        ),
        (
            ["true", "True", "false"],
            "labels    several texts are one class: True is 'true' and 'True'; prepare.categor",
        ),
    ],
)
def test_prepare_says_what_becomes_of_such_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], labels: list[str], line: str
) -> None:
    """Before all else where it may be wrong; among the report where it is told."""
    pd.DataFrame({"z": ROW % 7, "y": [labels[row % 3] for row in ROW]}).to_csv(tmp_path / "t.csv", index=False)
    chosen = PrepareParams(source=str(tmp_path / "t.csv"), target="y")
    prepare.main(params=chosen, source=chosen.source, out=tmp_path / "out")
    assert any(printed.startswith(line) for printed in capsys.readouterr().out.splitlines())


def test_what_is_odd_stands_in_the_error_where_no_column_is_left(tmp_path: Path) -> None:
    """Else nobody would learn why."""
    with pytest.raises(
        UserError, match=r"found none: c names the rows: 300 levels in 300 rows\n  c holds numbers with mo"
    ):
        _init(tmp_path, {"c": [f"{row} kg" for row in ROW], "y": Y})


def test_a_reserved_text_is_refused_before_params_are_written(tmp_path: Path) -> None:
    """What prepare would refuse, init does not propose."""
    with pytest.raises(UserError, match=r"line 5, column c: the text '<missing>' is reserved"):
        _init(tmp_path, {"c": ["<missing>" if row == 3 else "red" for row in ROW], "z": ROW % 7, "y": Y})


def test_columns_without_a_name_are_named_by_their_place(tmp_path: Path) -> None:
    """They are left out, which is said."""
    (tmp_path / "t.csv").write_text(
        "x,,y,\n" + "".join(f"{row % 7},{row % 5},{label},\n" for row, label in enumerate(Y))
    )
    command.main(
        address=str(tmp_path / "t.csv"), target="y", out=tmp_path / "p.yaml", template=Path("params.yaml"), force=True
    )
    lines = [line.strip() for line in (tmp_path / "p.yaml").read_text(encoding="utf-8").splitlines()]
    assert [line for line in lines if "has no name" in line] == [
        f"# column {place}: left out, has no name" for place in (2, 4)
    ]
    assert _prepared(tmp_path).encoder.features == ("x",)


def test_a_guessed_encoding_is_shown_by_what_it_says(tmp_path: Path) -> None:
    """Whoever sees the words knows whether it is the right one."""
    rows = "".join(f"{['grün', 'weiß'][row % 2]},{row % 7},{label}\n" for row, label in enumerate(Y))
    (tmp_path / "t.csv").write_bytes(f"größe,z,y\n{rows}".encode("cp1252"))
    command.main(
        address=str(tmp_path / "t.csv"), target="y", out=tmp_path / "p.yaml", template=Path("params.yaml"), force=True
    )
    written = (tmp_path / "p.yaml").read_text(encoding="utf-8")
    assert "was read as windows-1252, in which it says 'größe', 'grün', 'weiß'; if" in written


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("# from 2024\n# by me\nx,y\n1,a\n", "line 3 looks like the header: delete the lines above it"),
        ("Report 2024;;\n\nx;z;y\n1;2;a\n", "line 3 looks like the header: delete the lines above it"),
        ("x:z:y\n1:2:a\n", "the header is one cell, 'x:z:y': separate cells by commas, semicolons, tabs or |"),
        ("x,z,Y\n1,2,a\n", "did you mean 'Y'?"),
    ],
)
def test_a_header_elsewhere_is_pointed_at(tmp_path: Path, text: str, hint: str) -> None:
    """Titles and comments above it, or cells that nothing separates."""
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        command.main(
            address=str(tmp_path / "t.csv"), target="y", out=tmp_path / "p", template=Path("params.yaml"), force=True
        )
    assert str(caught.value).endswith(hint)

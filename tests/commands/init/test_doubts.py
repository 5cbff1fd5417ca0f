"""What `init` says of dates and ids that a person would doubt, and how the params that it writes prepare them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import params
from pipeline.commands.init import command, section
from pipeline.dataset import reader
from pipeline.documents import yaml_documents
from pipeline.errors import UserError
from pipeline.params import read_params
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.table import stream


def _init(folder: Path, columns: dict[str, Any]) -> str:
    pd.DataFrame(columns).to_csv(folder / "t.csv", index=False)
    out = folder / "p.yaml"
    command.main(address=str(folder / "t.csv"), target="y", out=out, template=Path("params.yaml"), force=True)
    return out.read_text(encoding="utf-8")


def _features(folder: Path) -> tuple[str, ...]:
    chosen = params.load(folder / "p.yaml", "prepare", PrepareParams)
    prepare.main(params=chosen, source=chosen.source, out=folder / "out")
    return reader.open_dataset(folder / "out").encoder.features


def _labels(rows: int) -> list[str]:
    return ["a", "b", "b"] * (rows // 3) + ["a"] * (rows % 3)


def _warnings(text: str) -> list[str]:
    return section.warnings_of(text)


def test_short_years_months_and_times_are_proposed_and_prepared(tmp_path: Path) -> None:
    """Formats without four digits, day or date are types that run; the century is told with the first cells."""
    days = pd.date_range("1960-11-25", periods=60, freq="293D")
    text = _init(
        tmp_path,
        {
            "born": days.strftime("%d/%m/%y"), "issued": days.strftime("%b-%Y"), "paid": days.strftime("%m/%Y"),
            "at": pd.date_range("2024-01-01", periods=60, freq="37min").strftime("%H:%M"), "y": _labels(60),
        },
    )  # fmt: skip
    types = {"born": "date %d/%m/%y", "issued": "date %b-%Y", "paid": "date %m/%Y", "at": "date %H:%M"}
    assert yaml_documents.parse(text)["prepare"]["types"] == types
    assert _warnings(text) == [
        "born has years of two digits: 69 to 99 are read as 1969 to 1999, 00 to 68 as 2000 to 2068, "
        "25/11/60 as of 2060, 14/09/61 as of 2061, 04/07/62 as of 2062; write four digits if that is wrong"
    ]
    assert "  - year\n  - month\n  - day\n  - weekday\n" in text
    assert _features(tmp_path) == (
        *(f"born {part}" for part in ("year", "month", "day", "weekday")),
        *("issued year", "issued month", "paid year", "paid month", "at hour", "at minute"),
    )


def test_a_column_nearly_of_dates_is_named_with_the_rest(tmp_path: Path) -> None:
    """From four fifths of the values on the texts that are no dates are told, and which type the column would be of."""
    days = [*pd.date_range("2024-01-01", periods=50).strftime("%d/%m/%Y"), *["unknown"] * 7, *["next week"] * 3]
    few = [*days[:47], *["unknown"] * 13]
    text = _init(tmp_path, {"day": days, "few": few, "x": np.sin(np.arange(60)), "y": _labels(60)})
    assert _warnings(text) == [
        "day holds dates (date %d/%m/%Y) in 83% of its values; the rest, such as 'unknown', 'next week', keeps it from "
        'being one: correct them or add them to missing_values, and set types: {day: "date %d/%m/%Y"}'
    ]


def test_dates_of_several_forms_are_named_with_their_shares(tmp_path: Path) -> None:
    """Where no form has four fifths and all have; a stray word is told, too."""
    days = pd.date_range("2024-01-01", periods=60)
    mixed = [*days[:30].strftime("%Y-%m-%d"), *days[30:].strftime("%-d.%-m.%Y")]
    stray = ["later", *mixed[1:]]
    text = _init(tmp_path, {"day": mixed, "stray": stray, "x": np.sin(np.arange(60)), "y": _labels(60)})
    assert _warnings(text) == [
        "day holds dates of several forms (date in 50%, date %d.%m.%Y in 50% of its values): write them in one, and "
        "set types: {day: date}",
        "stray holds dates of several forms (date %d.%m.%Y in 50%, date in 48% of its values); the rest, such as "
        "'later', is none: write them in one, and set types: {stray: \"date %d.%m.%Y\"}",
    ]


def test_dates_written_as_whole_numbers_are_dates(tmp_path: Path) -> None:
    """20240131 and 202401 become year, month and day; numbers that only look alike stay numbers."""
    days = pd.date_range("2023-11-20", periods=60, freq="7D")
    looks = days.strftime("%Y%m%d").astype(int).to_numpy().copy()
    looks[7] = 20240230
    columns = {"day": days.strftime("%Y%m%d"), "month": days.strftime("%Y%m"), "looks": looks, "y": _labels(60)}
    text = _init(tmp_path, columns)
    assert "types: {day: date %Y%m%d, month: date %Y%m}  #" in text
    assert "# day: date %Y%m%d, 2023 to 2025" in text
    assert "  - year\n  - month\n  - day\n  - weekday\n" in text
    assert "# looks: number, " in text
    parts = [f"day {part}" for part in ("year", "month", "day", "weekday")]
    assert _features(tmp_path) == (*parts, "month year", "month month", "looks")


def test_a_number_beyond_the_sample_that_is_no_date_leaves_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sample says dates, the whole table does not."""
    monkeypatch.setattr("pipeline.commands.init.column_advice.SAMPLE_ROWS", 40)
    monkeypatch.setattr("pipeline.table.stream.DEFAULTS", stream.ReadOptions(256))
    days = pd.date_range("2023-11-20", periods=60, freq="7D").strftime("%Y%m%d").astype(int).to_numpy().copy()
    days[55] = 20240230
    text = _init(tmp_path, {"day": days, "x": np.sin(np.arange(60)), "y": _labels(60)})
    assert "# day: number, " in text
    assert "\n  types:                         #" in text
    assert len(_features(tmp_path)) == 2


def test_dates_of_either_order_say_so_where_no_column_is_left(tmp_path: Path) -> None:
    """And not that they name the rows."""
    days = [f"{day % 12 + 1:02}/{day % 11 + 1:02}/2024" for day in range(60)]
    with pytest.raises(
        UserError, match="found none: day holds dates whose day and month could be exchanged\n  day holds"
    ):
        _init(tmp_path, {"day": days, "y": _labels(60)})


def test_scores_are_no_times_of_day(tmp_path: Path) -> None:
    """2:1 has too few digits for a minute."""
    text = _init(tmp_path, {"score": [f"{row % 4}:{row % 3}" for row in range(60)], "y": _labels(60)})
    assert "# score: category, 12 levels" in text


@pytest.mark.parametrize("rows", [6, 20, 60, 300])
def test_columns_that_tell_all_rows_apart_are_named_at_any_size(tmp_path: Path, rows: int) -> None:
    """Numbers in a row from any start, an id, and a text for each row are told of few rows too; a measure is not."""
    random = np.random.default_rng(1)
    text = _init(
        tmp_path,
        {
            "nr": np.arange(1001, 1001 + rows), "patient_id": random.permutation(9 * rows)[:rows],
            "name": [f"n{row}" for row in range(rows)], "weight": random.normal(size=rows), "y": _labels(rows),
        },
    )  # fmt: skip
    named = [warning.split(" holds another")[0] for warning in _warnings(text) if " holds another" in warning]
    assert named == ["nr", "patient_id", "name"] if rows <= 20 else ["nr", "patient_id"]
    assert rows <= 20 or "# name: left out, names the rows" in text


@pytest.mark.parametrize("name", ["id", "subject", "PatientID", "customer_no", "userid", "Participant number"])
def test_ids_that_come_again_are_named(tmp_path: Path, name: str) -> None:
    """A person with several rows would train and test: a column of numbers or texts is named, with a way out."""
    random = np.random.default_rng(1)
    numbers = random.integers(100, 130, 90)
    for values in (numbers, [f"p{number}" for number in numbers]):
        (warning,) = _warnings(_init(tmp_path, {name: values, "x": random.normal(size=90), "y": _labels(90)}))
        distinct = len({*values})
        assert warning.startswith(
            f"{name} looks like an id that comes again: {distinct} values in 90 rows; leave it out"
        )


def test_measures_and_categories_are_no_ids(tmp_path: Path) -> None:
    """Ages, counts, few subjects of a school, a valid flag and whole numbers by chance apart are not doubted."""
    random = np.random.default_rng(1)
    table = {
        "age": random.integers(20, 60, 90), "subject": random.choice(["art", "maths", "music"], 90),
        "valid": random.choice(["yes", "no"], 90), "humidity": random.integers(1, 40, 90), "y": _labels(90),
    }  # fmt: skip
    assert _warnings(_init(tmp_path, table)) == []
    apart = {"price": random.permutation(10_000)[:50], "y": _labels(50)}
    assert _warnings(_init(tmp_path, apart)) == []
    assert read_params(tmp_path / "p.yaml")["prepare"]["features"] == ["price"]

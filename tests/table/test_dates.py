"""Dates of a format: what pandas reads of them, one message for what they are not, and no guess where two ways fit."""

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline import params
from pipeline.dataset import columns, reader
from pipeline.errors import UserError
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.table import dates, stream

FORMATS = [column_type.removeprefix("date ") for column_type in dates.COMMON if column_type != columns.ISO] + [
    "%Y-%j",
    "%y%m%d",
    "%d.%m.%y",
]
DATES = st.datetimes(datetime(1970, 1, 1), datetime(2068, 12, 31))


def _parts(moment: pd.Timestamp) -> tuple[int, ...]:
    return moment.year, moment.month, moment.day, moment.weekday(), moment.hour, moment.minute


@given(st.lists(DATES, min_size=1, max_size=5), st.sampled_from(FORMATS))
def test_dates_of_a_format_are_what_pandas_reads(moments: list[datetime], form: str) -> None:
    """What a format writes has the parts of ``pandas.to_datetime`` with that format."""
    texts = [moment.strftime(form) for moment in moments]
    expected = [_parts(moment) for moment in pd.to_datetime(texts, format=form)]
    assert [dates.moment_of(text, f"date {form}") for text in texts] == expected


@given(st.text("0123456789/ :-.", max_size=16), st.sampled_from(FORMATS))
@example("29/02/2023", "%d/%m/%Y")
@example("1/2/2024", "%d/%m/%Y")
@example("31/12/24", "%d/%m/%Y")
def test_what_pandas_does_not_read_is_no_date(text: str, form: str) -> None:
    """Any text is a date of a format where it is one for pandas, which takes no date for no error."""
    read = pd.to_datetime(pd.Series([text.strip()]), format=form, errors="coerce")[0]
    assert dates.moment_of(text, f"date {form}") == (None if pd.isna(read) else _parts(read))


def test_only_what_is_clear_is_guessed() -> None:
    """Of texts that fit two orders of day and month both types are told, and a day above 12 decides."""
    assert dates.possible(["01/02/2024", "03/04/2024"]) == ["date %d/%m/%Y", "date %m/%d/%Y"]
    assert dates.possible(["01/02/2024", "13/02/2024"]) == ["date %d/%m/%Y"]
    assert dates.possible(["01/02/2024 10:00", "02/13/2024 11:30"]) == ["date %m/%d/%Y %H:%M"]
    assert dates.possible(["2024-01-02", "2024-01-03T10:00"]) == [columns.ISO]
    assert dates.possible(["13/02/2024", "02/13/2024"]) == []


@pytest.mark.parametrize("form", ["%d/%m", "%Q", "%Y %Y", "%Y %Z", "%d/%m %H:%M", "%M:%S", "%", "day", "%%Y", "%Y\0"])
def test_formats_that_tell_no_moment_are_refused(form: str) -> None:
    """A format without a year, of the machine's time zone, or that Python does not know, is one message."""
    with pytest.raises(ValueError, match=r"such as 'date %d/%m/%Y', got 'date "):
        dates.require_format(f"date {form}")


def _prepare(folder: Path, text: str, column_type: str) -> reader.Dataset:
    source = folder / "t.csv"
    source.write_text(text, encoding="utf-8")
    content = {
        "source": "unused",
        "target": "y",
        "types": {"d": column_type},
        "date_parts": ["year", "month", "day", "hour"],
    }
    prepare.main(params=PrepareParams.model_validate(content), source=source, out=folder / "out")
    return reader.open_dataset(folder / "out")


def test_the_format_travels_with_the_encoder(tmp_path: Path) -> None:
    """Prepared dates have their parts, and the encoder that is stored reads new rows by the same format."""
    prepared = _prepare(tmp_path, "d,y\n31/12/2023 07:30,a\n 1/2/2024 00:00,b\n,b\n", "date %d/%m/%Y %H:%M")
    (shard,) = prepared.splits["train"].shards
    assert shard.numbers[:2, :4].tolist() == [[2023, 12, 31, 7], [2024, 2, 1, 0]]
    (tmp_path / "new.csv").write_text("d\n02/03/2025 10:00\n", encoding="utf-8")
    (chunk,) = stream.read(tmp_path / "new.csv", prepared.encoder.types, ["", "NA"])
    encoded = prepared.encoder.encode(chunk).numbers
    np.testing.assert_array_equal(encoded, [[2025, 3, 2, 10, 0]])


def test_what_is_not_of_the_format_is_told_by_line(tmp_path: Path) -> None:
    """The message names line, column, value and format, with an example."""
    sentence = "line 3, column d: expected a date as %d/%m/%Y, such as 31/12/2024, got '2024-02-01'"
    with pytest.raises(UserError, match=sentence):
        _prepare(tmp_path, "d,y\n01/02/2024,a\n2024-02-01,b\n", "date %d/%m/%Y")


def test_a_wrong_type_is_told_by_its_param(tmp_path: Path) -> None:
    """A type that no column can have, and a format without a year, name the param and what may stand there."""
    written = tmp_path / "params.yaml"
    for column_type, expected in (
        ("%d/%m/%Y", "number, category, boolean, date, a format such as"),
        ("date %d", "date and a format of"),
    ):
        written.write_text(f'prepare: {{source: t.csv, target: y, types: {{d: "{column_type}"}}}}\n', encoding="utf-8")
        with pytest.raises(UserError, match=f"prepare.types.d: expected {expected}.* got '{column_type}'"):
            params.load(written, "prepare", PrepareParams)


@pytest.mark.parametrize(
    ("texts", "types"),
    [
        (["25/11/63", "01/02/01"], ["date %d/%m/%y"]),
        (["02/03/04", "01/02/01"], ["date %d/%m/%y", "date %m/%d/%y"]),
        (["25.11.63", "1.2.01"], ["date %d.%m.%y"]),
        (["Mar-2018", "Dec-2011"], ["date %b-%Y"]),
        (["July 1990", "May 1991"], ["date %B %Y"]),
        (["May 1990", "May 1991"], ["date %b %Y"]),
        (["03/2018", "12/2018"], ["date %m/%Y"]),
        (["2018-03", "2018-12"], ["date %Y-%m"]),
        (["14:30", "9:05"], ["date %H:%M"]),
        (["2:30 PM", "11:05 AM"], ["date %I:%M %p"]),
        (["1/13/2020 3:45 PM"], ["date %m/%d/%Y %I:%M %p"]),
        (["1/13/20", "1/13/2020"], []),
        (["14:30", "2:30 PM"], []),
        (["1.2", "1.3"], []),
        (["p", "q"], []),
    ],
)
def test_dates_as_people_write_them_are_known(texts: list[str], types: list[str]) -> None:
    """Short years, months without a day and times of day are found where every text fits, and told if two ways fit."""
    assert dates.possible(texts) == types


def test_every_common_kind_is_possible_for_its_own_texts() -> None:
    """What a format of COMMON writes passes the outlines by which formats are sorted out, and is read back."""
    for column_type in dates.COMMON[1:]:
        text = datetime(2024, 12, 31, 23, 59).strftime(dates.format_of(column_type) or "")
        assert dates.moment_of(text, column_type) in [dates.moment_of(text, other) for other in dates.possible([text])]


@pytest.mark.parametrize(
    ("column_type", "parts"),
    [
        ("date", "year month day weekday hour minute"), ("date %d/%m/%y", "year month day weekday"),
        ("date %b-%Y", "year month"), ("date %Y", "year"), ("date %H:%M", "hour minute"),
        ("date %d/%m/%Y %H", "year month day weekday hour"), ("date %Y-%j", "year month day weekday"),
    ],
)  # fmt: skip
def test_a_date_has_the_parts_that_its_format_tells(column_type: str, parts: str) -> None:
    """A month has no day and no weekday of its own, a time of day no year: a column of W for them would say nothing."""
    dates.require_format(column_type)
    assert dates.parts_of(column_type) == tuple(parts.split())


def test_times_of_day_become_hour_and_minute(tmp_path: Path) -> None:
    """Whatever date_parts asks of dates, a time gives the numbers that it has; months give those that they have."""
    prepared = _prepare(tmp_path, "d,y\n14:30,a\n9:05,b\n", "date %H:%M")
    (shard,) = prepared.splits["train"].shards
    assert prepared.encoder.features == ("d hour", "d minute")
    assert shard.numbers.tolist() == [[14, 30], [9, 5]]
    (tmp_path / "months").mkdir()
    assert _prepare(tmp_path / "months", "d,y\nMar-2018,a\nMay-2019,b\n", "date %b-%Y").encoder.features == (
        "d year",
        "d month",
    )


@pytest.mark.slow
def test_names_of_months_do_not_depend_on_the_environment() -> None:
    """Nothing sets LC_TIME for the process, which strptime would follow: months are English everywhere."""
    work = (
        "import locale\nfrom pipeline.commands import predict\nfrom pipeline.commands.init import command\n"
        "import pipeline.evaluate.stage, pipeline.prepare.stage, pipeline.train.stage\n"
        "from pipeline.table import dates\n"
        "print(locale.setlocale(locale.LC_TIME), dates.moment_of('Dec-2018', 'date %b-%Y'))"
    )
    environment = os.environ | dict.fromkeys(("LC_ALL", "LC_TIME", "LANG"), "C.UTF-8")  # which is everywhere
    result = subprocess.run([sys.executable, "-c", work], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout == "C (2018, 12, 1, 5, 0, 0)\n"

"""The query gives our probabilities within rounding, in DuckDB and in PostgreSQL, whatever columns and classes are."""

from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from pipeline.dataset.columns import is_date, is_number
from pipeline.errors import UserError
from pipeline.export import distance
from pipeline.export.distance import as_table
from pipeline.export.made_rows import made_rows
from pipeline.export.sql import sql_text
from pipeline.export.sql_syntax import bare_number, halved, identifier, text
from pipeline.predictor.scorer import Scorer
from tests import services
from tests.export.problems import HOSTILE, bound, scorer

MODELS = {
    "plain": scorer(),
    "two classes": scorer(classes=(True, False)),
    "integers": scorer(classes=(-3, 7, 2**63 - 1)),
    "hostile names": scorer(classes=HOSTILE, levels=HOSTILE, names=HOSTILE[:6]),
    "temperature": scorer(scaling="temperature"),
    "vector": scorer(scaling="vector"),
    "matrix": scorer(scaling="matrix"),
    "far apart": scorer(size=300.0),
    "float64": scorer(dtype="float64"),
    "hardly any weight": scorer(size=1e-300, scaling="vector"),
    "forty classes": scorer(classes=tuple(f"class {label}" for label in range(40))),
}


@pytest.mark.parametrize("name", MODELS)
def test_probabilities_in_duckdb_are_ours_within_rounding(name: str) -> None:
    """On rows with every level, gaps, unseen texts, dates and values far away; the class is the same."""
    made = MODELS[name]
    measured = distance.of_sql(made, [made_rows(made.model.encoder)])
    assert measured.rows >= 1_000
    assert measured.largest <= bound(made)
    assert measured.other_classes == 0


@pytest.fixture(scope="module")
def postgres() -> Iterator[Any]:
    """A connection to a real server, whose role may do little."""
    reason = services.why_no_postgres()
    if reason:
        pytest.skip(reason)
    psycopg = pytest.importorskip("psycopg")
    with services.postgres() as address, psycopg.connect(address, autocommit=True) as connection:
        yield connection


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_probabilities_in_postgresql_are_ours_within_rounding(postgres: Any, name: str) -> None:
    """The same text, unchanged; a hostile name does nothing but name."""
    made = MODELS[name]
    chunk = made_rows(made.model.encoder)
    table = as_table(made.model.encoder, chunk)
    _fill(postgres, made, table)
    with postgres.cursor() as cursor:
        cursor.execute(sql_text(made, ["public", "rows"], ["no"]).encode())
        header = [column.name for column in cursor.description]
        rows = sorted(cursor.fetchall())
    assert header[:2] == ["no", "predicted"]
    assert len(rows) == chunk.rows
    theirs = np.array([row[2:] for row in rows], dtype=float)
    scored = made.score(chunk)
    assert np.abs(theirs - scored.probabilities).max() <= bound(made)
    names = [
        label if isinstance(label, str) or not isinstance(label, bool) else str(label).lower()
        for label in made.model.classes
    ]
    assert [row[1] for row in rows] == [names[place] for place in scored.predicted]


def _fill(connection: Any, made: Scorer, table: pa.Table) -> None:
    kinds = {
        name: "timestamp"
        if is_date(kind)
        else "text"
        if kind == "text"
        else "boolean"
        if kind == "boolean"
        else "double precision"
        for name, kind in made.model.encoder.types.items()
    }
    assert any(is_number(kind) for kind in made.model.encoder.types.values())
    columns = ", ".join(f"{identifier(name)} {kind}" for name, kind in kinds.items())
    connection.execute("DROP TABLE IF EXISTS public.rows")
    connection.execute(f"CREATE TABLE public.rows (no integer, {columns})".encode())
    with connection.cursor() as cursor, cursor.copy(b"COPY public.rows FROM STDIN") as copy:
        for number, row in enumerate(zip(*(table.column(name).to_pylist() for name in kinds), strict=True)):
            copy.write_row((number, *row))


TYPED = """SELECT * FROM (VALUES
    (CAST(3 AS INTEGER), CAST(1.5 AS DECIMAL(9, 2)), 1, DATE '1970-01-05', 1, '2'),
    (NULL, -999, 0, NULL, NULL, NULL)) AS rows (plain, gappy, flag, day, g, h)"""
AS_A_CSV_HAS_THEM = """SELECT * FROM (VALUES
    (3.0e0, 1.5e0, true, TIMESTAMP '1970-01-05 00:00:00', '1', '2'),
    (NULL, NULL, false, NULL, 'NA', '')) AS rows (plain, gappy, flag, day, g, h)"""


def test_columns_of_databases_own_types_are_read() -> None:
    """Integers and decimals, dates without a time, integers and texts of digits as levels, 0 and 1 as booleans."""
    made = scorer(levels=("1", "2"))
    query = sql_text(made, ["rows"])
    with duckdb.connect() as connection:
        results = []
        for rows in (TYPED, AS_A_CSV_HAS_THEM):
            connection.execute(f"CREATE OR REPLACE TABLE rows AS {rows}")
            results.append(connection.execute(query).fetchall())
    assert results[0] == results[1]
    assert len({*results[0]}) == 2


@pytest.mark.slow
def test_columns_of_postgresqls_own_types_are_read(postgres: Any) -> None:
    """The same, and texts that PostgreSQL pads with blanks."""
    made = scorer(levels=("1", "2"))
    results = []
    for rows in (TYPED, AS_A_CSV_HAS_THEM):
        postgres.execute("DROP TABLE IF EXISTS public.rows")
        postgres.execute(f"CREATE TABLE public.rows AS {rows}".encode())
        if rows == TYPED:
            postgres.execute("ALTER TABLE public.rows ALTER h TYPE char(5)")
        results.append(sorted(postgres.execute(sql_text(made, ["public", "rows"]).encode()).fetchall()))
    assert results[0] == results[1]
    assert len({*results[0]}) == 2


def test_the_query_stands_in_others() -> None:
    """As a view, which other queries join by a column that is kept."""
    made = scorer()
    chunk = made_rows(made.model.encoder)
    with duckdb.connect() as connection:
        connection.register(
            "rows", as_table(made.model.encoder, chunk).append_column("id", pa.array(range(chunk.rows)))
        )
        connection.execute(f"CREATE TABLE kept AS {sql_text(made, ['rows'], ['id', 'g'])}")
        counted = connection.execute("SELECT predicted, count(*) FROM kept GROUP BY predicted").fetchall()
    assert sum(count for _, count in counted) == chunk.rows


@pytest.mark.slow
def test_ten_thousand_levels_and_five_hundred_classes() -> None:
    """Neither nests deeper than DuckDB reads by itself, nor grows faster than the weights."""
    levels = tuple(f"level {number:05}" for number in range(10_000))
    for made in (scorer(levels=levels), scorer(classes=tuple(f"c{label}" for label in range(500)))):
        assert len(sql_text(made, ["rows"])) < 100 * made.model.weights.size
        assert distance.of_sql(made, [made_rows(made.model.encoder)]).largest <= bound(made)


@pytest.mark.parametrize("place", ["names", "levels", "classes", "table", "keep"])
def test_what_sql_cannot_spell_is_refused(place: str) -> None:
    names = ("plain", "gappy", "flag", "day", "g\0" if place == "names" else "g", "h")
    made = scorer(
        names=names,
        levels=("l\0",) if place == "levels" else ("l0",),
        classes=("a", "b\0" if place == "classes" else "b"),
    )
    with pytest.raises(UserError, match="without the character NUL"):
        sql_text(made, ["r\0" if place == "table" else "rows"], ["k\0"] if place == "keep" else [])


def test_too_many_classes_are_refused() -> None:
    made = scorer(classes=tuple(range(2_000)))
    with pytest.raises(UserError, match="at most 1,600 columns in each step of the query, got 2,002"):
        sql_text(made, ["rows"])


def test_names_that_differ_in_case_alone_are_refused() -> None:
    with pytest.raises(UserError, match="columns 'G' and 'g': expected names that differ in more than case"):
        sql_text(scorer(names=("plain", "G", "flag", "day", "g", "h")), ["rows"])


@pytest.mark.parametrize("keep", [["id", "id"], ["id", "ID"], ["predicted"], ["PROBABILITY_A"]])
def test_a_kept_column_has_a_name_of_its_own(keep: list[str]) -> None:
    """A view with two columns of one name is none."""
    with pytest.raises(UserError, match=f"--keep '{keep[-1]}': expected a column of its own"):
        sql_text(scorer(), ["rows"], keep)


@pytest.mark.parametrize("classes", [("only",), ("x", "X"), ("", " ")])
def test_classes_may_be_one_or_nearly_the_same(classes: tuple[str, ...]) -> None:
    made = scorer(classes=classes)
    measured = distance.of_sql(made, [made_rows(made.model.encoder)])
    assert (measured.largest <= bound(made), measured.other_classes) == (True, 0)


def test_syntax() -> None:
    assert identifier('a"b') == '"a""b"'
    assert text("it's") == "'it''s'"
    assert [bare_number(value) for value in (1.0, -0.1, 1e-300, 5e300)] == ["1.0e0", "-0.1e0", "1e-300", "5e+300"]
    assert halved(["a", "b", "c", "d", "e"]) == "(((a + c) + (b + d)) + e)"

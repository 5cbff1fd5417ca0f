"""Names of files that were typed in a folder below a project's root."""

from pathlib import Path

import pytest

from pipeline.commands.place import Place


@pytest.mark.parametrize(
    ("typed", "from_root"),
    [
        ("q.csv", "data/raw/q.csv"),
        ("./q.csv", "data/raw/q.csv"),
        ("../q.csv", "data/q.csv"),
        ("../..", "."),
        ("../../../q.csv", "../q.csv"),
        ("../../../../q.csv", "../../q.csv"),
        ("a/../q.csv", "data/raw/a/../q.csv"),
        (".", "data/raw"),
        (".hidden.csv", "data/raw/.hidden.csv"),
        ("..csv", "data/raw/..csv"),
        ("2024-*.csv", "data/raw/2024-*.csv"),
        ("/tmp/q.csv", "/tmp/q.csv"),
        ("s3://bucket/q.csv", "s3://bucket/q.csv"),
        ("-", "-"),
    ],
)
def test_a_name_counts_from_the_folder_where_it_was_typed(typed: str, from_root: str) -> None:
    """Folders above are taken off as far as they are there; a link after them may lead anywhere, so it stays."""
    assert Place(Path("data/raw")).from_root(typed) == from_root


def test_at_the_root_names_stay_as_they_are() -> None:
    """What is typed there already counts from it."""
    assert Place(Path()).from_root("./a/../q.csv") == "./a/../q.csv"


def test_a_pattern_matches_below_a_folder_whose_name_looks_like_one() -> None:
    """Only what was typed is a pattern."""
    assert Place(Path("data[1]")).from_root("*.csv") == "data[[]1]/*.csv"


def test_a_message_names_the_file_as_it_was_typed() -> None:
    """At its beginning only, and whole names only."""
    place = Place(Path("data"))
    place.from_root("q.csv")
    assert place.as_typed("data/q.csv, line 4: expected a number") == "q.csv, line 4: expected a number"
    assert place.as_typed("data/q.csv.gz: no such file") == "data/q.csv.gz: no such file"
    assert place.as_typed("params.yaml: data/q.csv: no such file") == "params.yaml: data/q.csv: no such file"

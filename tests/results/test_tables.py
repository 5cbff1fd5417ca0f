"""CSV tables and documents of a report: what is read, and the sentence where they are not what a stage writes."""

import hashlib
import json

import pytest

from pipeline.errors import UserError
from pipeline.results.evaluation import with_lists
from pipeline.results.outcome import parse_outcome
from pipeline.results.plots import parse_calibration, parse_confusion_lines, parse_confusion_matrix
from pipeline.results.prepared import parse_schema, standard_deviations
from pipeline.results.slices import parse_slices
from pipeline.results.tables import parse_table


def test_texts_numbers_and_gaps_are_told_apart() -> None:
    """Texts stay, numbers are floats, an empty cell is None, and so is a column that may be missing."""
    table = parse_table(b"a,b,c\nx,1.5,\n", "t.csv", texts=("a",), numbers=("b", "c"), optional=("d",))
    assert table == [{"a": "x", "b": 1.5, "c": None, "d": None}]


def test_infinity_is_a_number_only_where_it_may_be() -> None:
    """A ratio that float64 does not hold is infinite; NaN is never a number."""
    assert parse_table(b"a\ninf\n", "t.csv", numbers=("a",), infinite=True) == [{"a": float("inf")}]
    for content, infinite in ((b"a\ninf\n", False), (b"a\nnan\n", True)):
        with pytest.raises(UserError, match=r"t\.csv, line 2: expected a number as a"):
            parse_table(content, "t.csv", numbers=("a",), infinite=infinite)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "expected the columns a, b, each once, got none"),
        (b"a\n1\n", "expected the columns a, b, each once, got a"),
        (b"a,b,b\n1,2,3\n", "expected the columns a, b, each once, got a, b, b"),
        (b"a,b\n1\n", "line 2: expected 2 cells, got 1"),
        (b"a,b\n1,x\n", "line 2: expected a number as b, got 'x'"),
        (b"\xff\xfe", "expected a table of comma-separated values, got something else"),
        (b'a,b\n"1,2\n', "expected a table of comma-separated values, got something else"),
    ],
)
def test_other_tables_are_refused(content: bytes, sentence: str) -> None:
    """The sentence names the file and the line."""
    with pytest.raises(UserError) as raised:
        parse_table(content, "t.csv", texts=("a",), numbers=("b",))
    assert str(raised.value).startswith("t.csv")
    assert sentence in str(raised.value)


def test_confusions_of_both_files_are_counts() -> None:
    """A line a pair, or a line a row, give the same counts."""
    matrix = parse_confusion_matrix(b"actual,predicted,rows,share,split\na,a,2,1,test\na,b,0,0,test\n", "m.csv")
    lines = parse_confusion_lines(b"actual,predicted,split\na,a,test\na,a,test\n", "l.csv")
    assert matrix.rows == lines.rows == {("a", "a"): 2.0}
    assert (matrix.lines, lines.lines) == (False, True)


@pytest.mark.parametrize("line", ["a,a,-1,0,test", "a,a,,0,test", "a,a,1,1,test\na,a,1,1,test", "a,a,1,1,x\na,b,1,1,y"])
def test_no_confusion_matrix_is_refused(line: str) -> None:
    """Rows are counts, a pair stands once, and the split is one."""
    with pytest.raises(UserError, match=r"m\.csv"):
        parse_confusion_matrix(f"actual,predicted,rows,share,split\n{line}\n".encode(), "m.csv")


def test_calibration_of_earlier_runs_has_no_intervals() -> None:
    """Without the columns low and high they are None; a share above 1 is refused."""
    (line,) = parse_calibration(b"predicted,observed,rows,split\n0.5,0.4,10,test\n", "c.csv")
    assert line["low"] is None
    with pytest.raises(UserError, match="shares from 0 to 1"):
        parse_calibration(b"predicted,observed,rows,split\n0.5,1.4,10,test\n", "c.csv")


def test_metrics_of_earlier_runs_have_empty_lists() -> None:
    """Every list is there, and the numbers stay."""
    document = with_lists({"train": {"rows": 8}}, "metrics.json")
    assert document["train"] == {"rows": 8}
    assert [document[name] for name in ("intervals", "undefined", "prediction_sets", "decisions")] == [[]] * 4


@pytest.mark.parametrize("name", ["intervals", "per_class", "undefined", "prediction_sets", "decisions", "baseline"])
def test_forged_lists_are_refused(name: str) -> None:
    """A record that is none is told by its place."""
    with pytest.raises(UserError, match=rf"metrics\.json: {name}\.0"):
        with_lists({"train": {}, name: [3]}, "metrics.json")


def test_a_schema_is_the_one_that_prepare_sealed() -> None:
    """Its digest stands in prepared.json; deviations are those of its numbers and of parts of dates."""
    day = {"name": "day", "kind": "date", "parts": {"year": {"standard_deviation": 2.0}, "hour": {}}}
    column = {"name": "x", "kind": "number", "standard_deviation": 1.5}
    content = json.dumps({"rows": 1, "columns": [column, day]}).encode()
    schema = parse_schema(content, "schema.json", hashlib.sha256(content).hexdigest())
    assert standard_deviations(schema) == {"x": 1.5, "day year": 2.0}
    with pytest.raises(UserError, match=r"schema\.json: SHA-256 is not the one in prepared\.json"):
        parse_schema(content, "schema.json", "0" * 64)


def test_an_outcome_of_an_earlier_version_lacks_what_it_lacks() -> None:
    """What is not there is None; what is of another type is refused."""
    assert parse_outcome({"status": "converged"}, "softmax.json")["probability_bound"] is None
    with pytest.raises(UserError, match=r"softmax\.json: result: probability_bound"):
        parse_outcome({"status": "converged", "probability_bound": "x"}, "softmax.json")


def test_slices_have_every_key() -> None:
    """What a record lacks is None."""
    slices = parse_slices(b'{"slices": [{"split": "test", "column": "a", "value": "b", "rows": 3}]}', "slices.json")
    assert slices["slices"][0]["adjusted_p_value"] is None
    assert slices["disparities"] == slices["left_out"] == []

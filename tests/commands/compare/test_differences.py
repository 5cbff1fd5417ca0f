"""What a comparison finds, and that it finds nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.commands.compare import differences, pages
from pipeline.commands.compare.side import Coefficients, ComparisonSide

COEFFICIENTS = Coefficients(["ant", "bee"], ["x1", "bias"], np.array([[1.0, 2.0], [3.0, 4.0]]))
SIDE = ComparisonSide(
    name="a",
    params={"train.lr": 0.1, "prepare.weights": None},
    code={"train.py": "1", "old.py": "2"},
    versions={"torch": "2.13.0"},
    metrics={"test": {"rows": 4, "log_loss": 0.5, "roc_auc_ovr": None}},
    coefficients=COEFFICIENTS,
    schema={"x1": "number", "day": "date"},
    source="m1",
    table=lambda: b"x1,y\n1,a\n2,b\n3,c\n",
)


def test_a_side_does_not_differ_from_itself() -> None:
    """Every section is empty, and both pages say so in words."""
    record = differences.between(SIDE, SIDE)
    assert not any(value for key, value in record.items() if key not in ("a", "b"))
    assert pages.markdown(record).endswith("Nothing differs.")


def test_only_what_differs_is_named() -> None:
    """A changed, a new and a missing name stand beside their values; equal ones do not appear."""
    other = replace(SIDE, params=SIDE.params | {"train.lr": 0.2}, code={"train.py": "9", "new.py": "3"})
    record = differences.between(SIDE, other)
    assert record["params"] == [{"name": "train.lr", "a": 0.1, "b": 0.2}]
    assert [(line["name"], line["a"], line["b"]) for line in record["code"]] == [
        ("new.py", None, "3"),
        ("old.py", "2", None),
        ("train.py", "1", "9"),
    ]
    assert (record["versions"], record["schema"], record["data"], record["metrics"]) == ([], [], {}, [])
    text = pages.markdown(record)
    assert "| train.lr | 0.1 | 0.2 |" in text
    assert "| new.py | added |" in text


def test_run_is_not_said_to_lack_what_it_does_not_know() -> None:
    """Against a run only the names that both have are compared."""
    run = replace(SIDE, partial=True, params={"train.lr": 0.3}, code={"train.py": "1"}, source="")
    record = differences.between(SIDE, run)
    assert record["params"] == [{"name": "train.lr", "a": 0.1, "b": 0.3}]
    assert (record["code"], record["data"]) == ([], {})


def test_run_of_an_unknown_table_is_told_by_its_prepared_data() -> None:
    """Where a run's raw table is in no commit, the digests of the prepared data say that it was another."""
    run = replace(SIDE, partial=True, source="", prepared="p2")
    record = differences.between(replace(SIDE, prepared="p1"), run)
    assert record["data"] == {"prepared_a": "p1", "prepared_b": "p2"}
    assert "| prepared b | p2 |" in pages.markdown(record)
    assert differences.between(replace(SIDE, prepared="p2"), run)["data"] == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"x1,y\n1,a\n2,z\n3,c\n", {"rows_added": 0, "rows_gone": 0, "rows_changed": 1}),
        (b"x1,y\n1,a\n2,b\n3,c\n3,c\n", {"rows_added": 1, "rows_gone": 0, "rows_changed": 0}),
        (b"x1,y\n2,b\n3,c\n4,d\n", {"rows_added": 1, "rows_gone": 1, "rows_changed": 0}),
        (b"x1,y\n3,c\n2,b\n1,a\n", {"rows_added": 0, "rows_gone": 0, "rows_changed": 0}),
    ],
    ids=["edited in place", "one appended, equal to another", "window moved", "shuffled"],
)
def test_rows_are_counted_by_content(text: bytes, expected: dict[str, int]) -> None:
    """Rows are added, gone or edited in their place; their order alone is no change."""
    difference = differences.between(SIDE, replace(SIDE, source="m2", table=lambda: text))["data"]
    assert difference == {"a": "m1", "b": "m2"} | expected


def test_data_that_is_not_there_is_still_said_to_differ() -> None:
    """Without both tables the md5s alone stand there."""
    assert differences.between(SIDE, replace(SIDE, source="m2", table=lambda: None))["data"] == {"a": "m1", "b": "m2"}


def test_coefficients_are_matched_by_name_and_ordered_by_change() -> None:
    """Classes and features in another order, and new ones, do not confuse; the largest change comes first."""
    moved = Coefficients(["cow", "bee", "ant"], ["x2", "x1", "bias"], np.arange(9.0).reshape(3, 3)[:, [0, 2, 1]])
    lines = differences.between(SIDE, replace(SIDE, coefficients=moved))["coefficients"]
    assert [(line["class"], line["feature"], line["difference"]) for line in lines] == [
        ("ant", "x1", 7.0),
        ("ant", "bias", 5.0),
        ("bee", "x1", 2.0),
    ]


def test_a_column_called_bias_is_not_b() -> None:
    """b stands last, whatever columns are called."""
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    one, other = (Coefficients(["ant", "bee"], ["bias", "bias"], values + np.array([0.0, by])) for by in (0, 5))
    lines = differences.between(replace(SIDE, coefficients=one), replace(SIDE, coefficients=other))["coefficients"]
    assert [(line["class"], line["a"], line["b"]) for line in lines] == [("ant", 2.0, 7.0), ("bee", 4.0, 9.0)]


def test_metrics_that_are_not_defined_have_no_difference() -> None:
    """A value that one side lacks is shown without arithmetic."""
    other = replace(SIDE, metrics={"test": {"rows": 4, "log_loss": 0.25, "roc_auc_ovr": 0.75}})
    lines = differences.between(SIDE, other)["metrics"]
    assert [(line["metric"], line["difference"], line["interval"]) for line in lines] == [
        ("log_loss", -0.25, None),
        ("roc_auc_ovr", None, None),
    ]

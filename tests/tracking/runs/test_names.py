"""Names for MLflow: whatever people call their columns and classes, MLflow takes the key."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.utils import validation

from pipeline.tracking.runs import names

ANY_TEXT = st.text(max_size=300)
ANY_VALUE = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9000), st.lists(ANY_TEXT))


@given(st.lists(ANY_TEXT, max_size=6))
@example([".", "..", "", " ", "/", "a/../b", "...."])
@example(["x" * 400, "x" * 401, "=" * 400])
@example(["मूल्य", "特徴", "é", "e\u0301", "\ud800", "\x00", "line\nend"])
def test_every_name_becomes_a_key_that_mlflow_takes(texts: list[str]) -> None:
    """MLflow's own check accepts the keys of any class and feature names, and no two of them are equal."""
    parts = names.unique_parts(texts)
    keys = [f"weights/{class_name}/{feature}" for class_name in parts for feature in parts]
    for key in keys:
        validation._validate_metric(key, 0.5, 0, 0)
    assert len(set(keys)) == len(texts) ** 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("island=Biscoe", "island:Biscoe"),
        ("sex=<missing>", "sex: missing"),
        ("price (USD)", "price USD"),
        ("a/b", "a b"),
        ("größe", "größe"),
        ("..", "2 dots"),
        ("?", "unnamed"),
    ],
)
def test_names_stay_as_readable_as_mlflow_allows(text: str, expected: str) -> None:
    """What MLflow refuses becomes a space or a colon, and letters of any script stay."""
    assert names.part(text) == expected


def test_second_of_two_equal_parts_is_numbered() -> None:
    """Names that differ only in what MLflow refuses get numbers, and a name that is taken is one of them."""
    assert names.unique_parts(["a<b", "a>b", "a b", "bias"], taken=["bias"]) == ["a b", "a b 2", "a b 3", "bias 2"]


@given(st.dictionaries(ANY_TEXT, ANY_VALUE, max_size=5))
def test_every_params_document_becomes_params_that_mlflow_takes(section: dict[str, Any]) -> None:
    """MLflow's own check accepts keys and values of any section, and no param is lost."""
    params = names.params({"prepare": section} if section else {})
    for key, value in params.items():
        validated = validation._validate_param(key, value)
        assert validated.value == value, "MLflow would have cut it"
    assert len(params) == len(section)


def test_params_are_flattened_with_dots() -> None:
    """Sections become prefixes, and values read as in params.yaml."""
    document = {"train": {"lr": 0.1, "schedule": {"method": "step"}, "early_stopping": None, "features": ["a", "é"]}}
    assert names.params(document) == {
        "train.lr": "0.1",
        "train.schedule.method": "step",
        "train.early_stopping": "null",
        "train.features": '["a", "é"]',
    }

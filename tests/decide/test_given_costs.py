"""Costs and thresholds of params.yaml: their forms, and the sentence for each that is none."""

from typing import Any

import pytest

from pipeline.decide.given_costs import cost_matrix, threshold_of_each
from pipeline.decide.params import DecideParams
from pipeline.errors import UserError
from pipeline.params import load


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([[0, 5, 1], [1, 0, 1], [2, 2, 0]], [[0, 5, 1], [1, 0, 1], [2, 2, 0]]),
        ({"a": {"b": 5}}, [[0, 5, 1], [1, 0, 1], [1, 1, 0]]),
        ({"a": {"a": 0.5}, "c": {"a": 2, "b": 2}}, [[0.5, 1, 1], [1, 0, 1], [2, 2, 0]]),
        ({"c": 9}, [[0, 1, 1], [1, 0, 1], [9, 9, 0]]),
        ({"a": 0, "b": {"a": 3}}, [[0, 0, 0], [3, 0, 1], [1, 1, 0]]),
    ],
)
def test_every_form_gives_a_matrix(given: Any, expected: list[list[float]]) -> None:
    """What is not named costs 0 where it is right and 1 where it is wrong."""
    assert cost_matrix(DecideParams(costs=given).costs, ["a", "b", "c"]).tolist() == expected


@pytest.mark.parametrize("classes", [[0, 1], ["0", "1"], [False, True]])
def test_a_class_is_of_the_type_that_the_table_has(classes: list[Any]) -> None:
    """As infer.reference is: the integer 1 is neither the text 1 nor true."""
    assert cost_matrix(DecideParams(costs={classes[1]: 3}).costs, classes).tolist() == [[0, 1], [3, 0]]
    for other in (1, "1", True):
        if type(other) is not type(classes[1]):
            with pytest.raises(UserError, match=r"decide\.costs: expected classes"):
                cost_matrix(DecideParams(costs={other: 3}).costs, classes)


def test_thresholds_are_of_every_class_or_of_one_of_two() -> None:
    """The other's is 1 - t."""
    assert threshold_of_each({"b": 0.3}, ["a", "b"]).tolist() == [0.7, 0.3]
    assert threshold_of_each({"b": 0.3, "a": 0.3}, ["a", "b"]).tolist() == [0.3, 0.3]
    assert threshold_of_each({"c": 0.1, "a": 0.3, "b": 0.6}, ["a", "b", "c"]).tolist() == [0.3, 0.6, 0.1]
    with pytest.raises(UserError, match="got none for b, c"):
        threshold_of_each({"a": 0.3}, ["a", "b", "c"])
    with pytest.raises(UserError, match=r"expected classes \('a', 'b'\), got 'd'"):
        threshold_of_each({"d": 0.3}, ["a", "b"])


def test_the_other_of_two_thresholds_stays_below_1() -> None:
    """Of a t below 2^-53, 1 - t rounds to 1, which no threshold is."""
    assert threshold_of_each({"a": 1e-100}, ["a", "b"]).tolist() == [1e-100, 1 - 2**-53]


def test_a_list_has_a_row_for_each_class() -> None:
    """The sentence names the classes in their order."""
    with pytest.raises(UserError, match="expected 3 rows of as many costs, for the classes a, b, c in this"):
        cost_matrix([[0, 1], [1, 0]], ["a", "b", "c"])


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ("costs: 3", "decide.costs: expected null, {actual: {decided: cost}}, {actual: cost} or a list"),
        ("costs: []", "decide.costs: expected null, "),
        (
            "costs: [[0, 1], [1]]",
            "decide.costs: expected as many costs in each row as there are rows, 2, got 2 of 2, 1",
        ),
        ("costs: [[0, 1], 1]", "got 1 for row 2"),
        ("costs: {a: {b: -2}}", "got -2 for actual 'a', a gain; add 2 to every cost of that actual class"),
        ("costs: {a: {b: .nan}}", "decide.costs: expected numbers from 0 to 1e+100, got nan for actual 'a'"),
        ("costs: {a: {b: .inf}}", "got inf for actual 'a'"),
        ("costs: {a: {b: yes}}", "got 'yes' for actual 'a'"),
        ("costs: {a: true}", "got True for actual 'a'"),
        ("costs: {a: [1]}", "got [1] for actual 'a'"),
        (f"costs: {{a: 1{'0' * 400}}}", "got an integer of 1,329 bits for actual 'a'"),
        (f"costs: {{a: -1{'0' * 400}}}", "got an integer of 1,329 bits for actual 'a', a gain"),
        (f"thresholds: {{a: 1{'0' * 400}}}", "expected 0 < t < 1, got an integer of 1,329 bits for class 'a'"),
        ("costs: {null: 2}", "decide.costs: expected classes, which are text, integers or booleans, got None; text"),
        ("costs: {a: {1.5: 2}}", "got 1.5; text that YAML reads as something else stands in quotes"),
        ("thresholds: {2020-01-01: 0.5}", "got datetime.date(2020, 1, 1); text"),
        ("thresholds: 0.5", "decide.thresholds: expected null or {class: t}, got 0.5"),
        ("thresholds: {a: 1}", "decide.thresholds: expected 0 < t < 1, got 1 for class 'a'"),
        ("thresholds: {a: 0}", "decide.thresholds: expected 0 < t < 1, got 0 for class 'a'"),
        ("thresholds: {a: 0.5}\n  costs: {a: 2}", "decide: expected decide.costs null with decide.thresholds"),
        ("thresholds: {a: 0.5}\n  abstain: 2", "decide: expected decide.abstain null with decide.thresholds"),
        ("abstain: -1", "decide.abstain: expected greater than or equal to 0, got -1"),
        ("abstain: .inf", "decide.abstain: expected"),
        ("coverage: 1", "decide.coverage: expected less than 1"),
        ("calibration: platt", "decide.calibration: expected 'none', 'temperature', 'vector' or 'matrix'"),
        ("calibration_l2: 0", "decide.calibration_l2: expected greater than 0"),
    ],
)
def test_a_wrong_param_is_one_sentence(tmp_path: Any, section: str, sentence: str) -> None:
    """It names the param, what was expected, and what came."""
    path = tmp_path / "params.yaml"
    path.write_text(f"decide:\n  {section}\n", encoding="utf-8")
    with pytest.raises(UserError) as refused:
        load(path, "decide", DecideParams)
    message = str(refused.value)
    assert sentence in message
    assert "\n" not in message


@pytest.mark.parametrize(("typed", "key"), [("1", 1), ("'1'", "1"), ("true", True), ("yes", "yes")])
def test_keys_are_what_yaml_reads(tmp_path: Any, typed: str, key: Any) -> None:
    """Integers, text and booleans stay what they are."""
    path = tmp_path / "params.yaml"
    path.write_text(f"decide:\n  costs: {{{typed}: {{{typed}: 5}}}}\n", encoding="utf-8")
    costs = load(path, "decide", DecideParams).costs
    assert isinstance(costs, dict)
    assert [(type(name), name) for name in costs] == [(type(key), key)]

"""params.yaml sections: what is read, and what a person reads when one is wrong."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, NonNegativeInt, PositiveFloat

from pipeline import params
from pipeline.errors import UserError


class Fast(params.Section):
    """One member of a union."""

    method: Literal["fast"]
    factor: PositiveFloat


class Slow(params.Section):
    """The other one."""

    method: Literal["slow"]


class Knobs(params.Section):
    """A section with every kind of param that the stages have."""

    lr: PositiveFloat
    size: Literal["full"] | NonNegativeInt = "full"
    speed: Annotated[Fast | Slow, Field(discriminator="method")] = Slow(method="slow")
    names: list[str] = Field(default=[])


def _load(folder: Path, text: str) -> Knobs:
    path = folder / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return params.load(path, "train", Knobs)


def test_numbers_are_read_as_dvc_reads_them(tmp_path: Path) -> None:
    """1e-8 is a number in YAML 1.2, which DVC parses; PyYAML would read text."""
    assert _load(tmp_path, "train: {lr: 1e-8}").lr == 1e-8


def test_an_integer_is_a_number_where_a_number_is_asked_for(tmp_path: Path) -> None:
    """lr: 1 is as good as lr: 1.0."""
    assert _load(tmp_path, "train: {lr: 1}").lr == 1.0


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("train: {lr: fast}", ["train.lr: expected a valid number, got 'fast' (str)"]),
        ("train: {lr: true}", ["train.lr: expected", "True (bool)"]),
        ("train: {lr: 0}", ["train.lr: expected greater than 0, got 0 (int)"]),
        ("train: {lr: .inf}", ["train.lr: expected a finite number"]),
        ("train: {lr: 1, size: half}", ["train.size: expected 'full' or a valid integer, got 'half' (str)"]),
        ("train: {lr: 1, rate: 2}", ["train.rate: no such param; allowed here: lr, size, speed, names"]),
        ("train: {size: 3}", ["train.lr: is missing"]),
        ("train: {lr: 1, speed: {method: fast}}", ["train.speed.factor: is missing"]),
        ("train: {lr: 1, speed: {method: fast, factor: -1}}", ["train.speed.factor: expected greater than 0, got -1"]),
        ("train: {lr: 1, speed: {method: slow, factor: 1}}", ["train.speed.factor: no such param"]),
        ("train: {lr: 1, speed: {method: warp}}", ["train.speed: ", "'fast', 'slow'"]),
        ("train: {lr: 1, names: [a, 3]}", ["train.names.1: expected a valid string, got 3 (int)"]),
        ("train: 3", ["train: expected a section"]),
        ("other: {}", ["section 'train:' is missing"]),
        ("- a", ["expected sections such as 'train:', got list"]),
        ("train: {lr: [", ["line 1: not valid YAML"]),
    ],
)
def test_a_wrong_param_is_one_sentence(tmp_path: Path, text: str, parts: list[str]) -> None:
    """The message names the file and the param as typed, what was expected and what came."""
    with pytest.raises(UserError) as error:
        _load(tmp_path, text)
    message = str(error.value)
    assert message.startswith(str(tmp_path / "params.yaml"))
    assert all(part in message for part in parts), message
    assert "\n" not in message


def test_every_wrong_param_has_its_line(tmp_path: Path) -> None:
    """Two mistakes are told at once."""
    with pytest.raises(UserError) as error:
        _load(tmp_path, "train: {lr: -1, size: -1}")
    assert len(str(error.value).splitlines()) == 2


def test_a_missing_file_says_where_to_go(tmp_path: Path) -> None:
    """Outside the project's root there is no params.yaml."""
    with pytest.raises(UserError, match="no such file; run the command from the project's root"):
        params.load(tmp_path / "params.yaml", "train", Knobs)

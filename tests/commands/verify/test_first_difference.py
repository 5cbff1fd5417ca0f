"""The first difference of two files, in words."""

import json
import math
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings

from pipeline.commands.verify import comparison, first_difference

NAMES = {"classes": ["Adelie", "Gentoo"], "features": ["bill", "island=Biscoe", "mass"]}


def _pair(folder: Path, name: str, old: bytes, new: bytes) -> str:
    before, after = folder / "kept", folder / name
    before.write_bytes(old)
    after.write_bytes(new)
    return first_difference.first(before, after, f"models/{name}")


def _tensors(folder: Path, old: dict[str, Any], new: dict[str, Any], name: str = "softmax.safetensors") -> str:
    return _pair(folder, name, safetensors.numpy.save(old), safetensors.numpy.save(new))


@given(
    st.floats(allow_nan=False, allow_infinity=False, width=64),
    st.integers(min_value=0, max_value=100),
    st.booleans(),
)
@settings(deadline=None)
def test_ulps_count_the_floats_in_between(value: float, steps: int, up: bool) -> None:
    """Stepping n times to the next float is n ulps, across zero and subnormal numbers too."""
    other = value
    for _ in range(steps):
        other = math.nextafter(other, math.inf if up else -math.inf)
    if math.isfinite(other):
        assert first_difference.ulps(value, other) == steps


def test_ulps_span_all_floats() -> None:
    """The widest distance is counted without overflow; infinity and NaN have none."""
    largest = float(np.finfo(np.float64).max)
    assert first_difference.ulps(-largest, largest) == 2 * int(np.array(largest).view(np.int64))
    assert first_difference.ulps(0.0, -0.0) == 0
    assert first_difference.ulps(1.0, float("nan")) is None


def test_one_ulp_of_a_weight_is_named_by_class_and_feature(tmp_path: Path) -> None:
    """A weight one ulp off is found, with its class and feature from the model's metadata beside it."""
    (tmp_path / "softmax.json").write_text(json.dumps(NAMES), encoding="utf-8")
    old = {"W": np.full((2, 3), 0.5), "b": np.zeros(2)}
    new = {"W": old["W"].copy(), "b": old["b"]}
    new["W"][1, 2] = np.nextafter(0.5, 1)
    difference = _tensors(tmp_path, old, new)
    assert difference == (
        "W: class Gentoo, feature mass: 0.5 recorded, 0.5000000000000001 now, 1 ulp apart; 1 of 6 numbers differ"
    )


def test_the_sign_of_a_zero_is_a_difference(tmp_path: Path) -> None:
    """Bytes are compared, not values: 0.0 and -0.0 are equal numbers with other bytes."""
    difference = _tensors(tmp_path, {"b": np.array([0.0, 1.0])}, {"b": np.array([-0.0, 1.0])})
    assert difference == "b: class number 1: 0.0 recorded, -0.0 now, 0 ulps apart; 1 of 2 numbers differ"


def test_a_snapshot_is_named_by_its_epoch(tmp_path: Path) -> None:
    """Snapshots hold one W an epoch; the epoch is that of the file, not its position."""
    old = {"epoch": np.array([-1, 200]), "W": np.ones((2, 2, 3)), "b": np.zeros((2, 2))}
    new = old | {"W": old["W"].copy()}
    new["W"][1, 0, 1:] = [2.0, 3.0]
    assert _tensors(tmp_path, old, new, "snapshots.safetensors").startswith(
        "W: epoch 200, class number 1, feature number 2: 1.0 recorded, 2.0 now, "
    )


def test_a_prepared_row_is_named_by_its_row_in_the_data(tmp_path: Path) -> None:
    """Shards say which row of the source each of their rows is."""
    old = {"rows": np.array([4, 17]), "numbers": np.ones((2, 2), np.float32)}
    new = {"rows": old["rows"], "numbers": np.array([[1, 1], [1, np.nextafter(np.float32(1), 2)]], np.float32)}
    difference = _tensors(tmp_path, old, new, "train-00000.safetensors")
    assert difference.startswith("numbers: row 17 of the data, column 2: 1.0 recorded, 1.0000001 now, 1 ulp apart")


def test_another_shape_and_another_tensor_are_told(tmp_path: Path) -> None:
    """Tensors that cannot be compared number by number are told by shape, or by name."""
    assert "float64 [2] recorded, float64 [3] now" in _tensors(tmp_path, {"b": np.ones(2)}, {"b": np.ones(3)})
    assert "only in the recorded file" in _tensors(tmp_path, {"a": np.ones(2), "b": np.ones(2)}, {"b": np.ones(2)})


@pytest.mark.parametrize(
    ("name", "old", "new", "difference"),
    [
        ("m.json", '{"test": {"loss": 0.5}}', '{"test": {"loss": 0.5000000000000001}}', "test.loss: 0.5 recorded, "),
        ("m.json", '{"a": 1}', '{"a": 1, "b": [2, 3]}', "b.0: nothing recorded, 2 now"),
        ("m.json", '{"a": 1}', '{"a": 1.0}', "a: 1 recorded, 1.0 now"),
        ("m.json", '{"a": 1}', '{"a":  1}', "byte 7: "),
        ("m.json", "no JSON", "no json", "byte 4: 4a recorded, 6a now"),
        ("h.csv", "epoch,cost\n0,0.5\n", "epoch,cost\n0,0.25\n", "line 2, column cost: 0.5 recorded, 0.25 now"),
        ("h.csv", "epoch,cost\n0,0.5\n", "epoch,cost\n0,0.5\n1,0.4\n", "the new file has more lines: line 3"),
        ("h.csv", "epoch,cost\n0,0.5\n", "epoch,cost\r\n0,0.5\n", "byte 11: "),
        ("t.txt", "same", "same and more", "4 bytes recorded, 13 now"),
    ],
)
def test_text_formats_name_key_line_or_byte(tmp_path: Path, name: str, old: str, new: str, difference: str) -> None:
    """JSON is told by key, CSV by line and column, and what has no such place by byte."""
    assert _pair(tmp_path, name, old.encode(), new.encode()).startswith(difference)


@given(st.binary(max_size=30), st.binary(max_size=30), st.sampled_from([".json", ".csv", ".safetensors", ".txt"]))
def test_files_of_any_bytes_that_differ_get_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, old: bytes, new: bytes, suffix: str
) -> None:
    """Whatever two different files hold, and whatever their name says, something is said and nothing is raised."""
    if old != new:
        assert _pair(tmp_path_factory.mktemp("pair"), f"file{suffix}", old, new)


BROKEN = {
    "bytes": b"\xff\xfe\x00",
    "nothing": b"",
    "a list": b"[1]",
    "a number": b"3",
    "deep": b"[" * 100_000,
    "half a character": b'{"digest": "\\ud800", "classes": ["\\ud800"], "features": ["x"]}',
    "1e400": b'{"digest": 1e400, "classes": [1e400], "features": []}',
    "a long number": b'{"digest": %s}' % (b"9" * 10_000),
    "a key twice": b'{"classes": ["a"], "classes": ["b"], "features": []}',
    "wrong types": b'{"digest": null, "classes": 3, "features": {"a": 1}}',
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_document_still_has_a_first_difference(tmp_path: Path, broken: str) -> None:
    """Whichever side it is on, and as the model's metadata beside weights: bytes are all there is then."""
    document = b'{"digest": "ab"}'
    for pair in ((document, BROKEN[broken]), (BROKEN[broken], document)):
        assert len(_pair(tmp_path, "metrics.json", *pair)) < 300
    (tmp_path / "softmax.json").write_bytes(BROKEN[broken])
    comparison._digest(tmp_path / "softmax.json")
    weights = [{"W": np.array([[value]])} for value in (1.0, 2.0)]
    assert "class number 1, feature number 1" in _tensors(tmp_path, *weights)


def test_names_and_values_of_any_length_stand_short_in_a_difference(tmp_path: Path) -> None:
    """A cell, a key or a column of a mebibyte, or one that moves a terminal's cursor, makes no such message."""
    long = "x\x1b[2J" * 200_000
    sentences = [
        _pair(tmp_path, "metrics.json", json.dumps({long: long}).encode(), json.dumps({long: "y"}).encode()),
        _pair(tmp_path, "p.csv", f'"{long}"\n"a"\n'.encode()[:130_000] + b'"\na\n', b'"y"\na\n'),
        _tensors(tmp_path, {long[:1000]: np.zeros(2)}, {long[:1000]: np.ones(2)}),
    ]
    assert all(len(sentence) < 700 and sentence.isprintable() for sentence in sentences)


def test_tensors_that_do_not_fit_together_still_differ(tmp_path: Path) -> None:
    """A forged file has fewer epochs than snapshots, or a W without rows."""
    for old, new in (
        ({"epoch": np.arange(1), "W": np.zeros((3, 1, 1))}, {"epoch": np.arange(1), "W": np.array([0, 0, 1.0])}),
        (
            {"epoch": np.arange(1), "W": np.zeros((2, 1, 1))},
            {"epoch": np.arange(1), "W": np.eye(2).reshape(4, 1, 1)[1:3]},
        ),
        ({"W": np.array(1.0)}, {"W": np.array(2.0)}),
    ):
        assert len(_tensors(tmp_path, old, new)) < 300

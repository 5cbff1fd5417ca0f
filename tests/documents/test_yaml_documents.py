"""YAML of strangers: read, or refused in one sentence, in a time that does not grow with what its anchors stand for."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import params
from pipeline.documents import yaml_documents
from pipeline.documents.yaml_documents import InvalidYamlError
from pipeline.errors import UserError
from pipeline.repository import lockfile


def bomb(line: str) -> str:
    """Thirty anchors, each of ten times the one before."""
    lines = [line.format(number, ",".join([f"*a{number - 1}"] * 10)) for number in range(1, 30)]
    return "a0: &a0 {x: 1}\n" + "".join(lines)


FORGERIES: dict[str, tuple[str, str]] = {
    "lists of lists": (bomb("a{0}: &a{0} [{1}]\n"), "anchors that stand for more than 1,000,000 values"),
    "merged keys": (bomb("a{0}: &a{0}\n  <<: [{1}]\n  y{0}: 1\n"), "anchors that stand for more than"),
    "a list in itself": ("a: &a [*a]", "an anchor that stands inside itself"),
    "a mapping in itself": ("a: &a {b: *a}", "an anchor that stands inside itself"),
    "deep lists": ("[" * 900, "nested too deeply"),
    "deep lines": ("- " * 900, "nested too deeply"),
    "a month 99": ("x: 2001-99-99", "month"),
    "a long integer": (f"x: {'9' * 5_000}", ""),
    "a lone surrogate": (r'x: "\ud800"', "half a character"),
    "a key twice": ("a: 1\na: 2", "duplicate key"),
    "a mapping as a key": ("? {a: 1}\n: 2", "unhashable key"),
    "an object of Python": ("!!python/object/apply:os.system [ls]", "could not determine a constructor"),
    "a byte 0": ("\0", "unacceptable character"),
    "a huge text": ("x" * (yaml_documents.MOST_CHARACTERS + 1), "expected at most 4,194,304 characters"),
}


@pytest.mark.slow
@pytest.mark.parametrize("forgery", FORGERIES)
def test_yaml_that_cannot_be_used_is_refused(tmp_path: Path, forgery: str) -> None:
    """By the parser, for params.yaml and for dvc.lock, on one short line."""
    text, message = FORGERIES[forgery]
    with pytest.raises(InvalidYamlError) as caught:
        yaml_documents.parse(text)
    assert message in str(caught.value)
    assert len(str(caught.value)) <= 200
    assert "\n" not in str(caught.value)
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="not valid YAML") as refusal:
        params.read_params(path)
    assert str(refusal.value).startswith(str(path))
    with pytest.raises(UserError, match="HEAD: expected what DVC writes"):
        lockfile.parse(text, "HEAD")


def test_anchors_that_people_use_are_read() -> None:
    """One that is repeated, and keys that are merged."""
    assert yaml_documents.parse("a: &a {x: 1}\nb: *a\nc:\n  <<: *a\n  y: 2\n") == {
        "a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}
    }  # fmt: skip


LOCKS = {
    "a list": "[]",
    "a number": "3",
    "stages as a list": "stages: [1]",
    "a stage as a text": "stages: {train: x}",
    "a command as a number": "stages: {train: {cmd: 1}}",
    "deps as a text": "stages: {train: {deps: x}}",
    "a dep as a text": "stages: {train: {deps: [x]}}",
    "a dep without a path": "stages: {train: {deps: [{md5: a}]}}",
    "a path as a number": "stages: {train: {outs: [{path: 1}]}}",
    "a path as a list": "stages: {train: {outs: [{path: [a]}]}}",
    "an md5 as a list": "stages: {train: {outs: [{path: a, md5: [a]}]}}",
    "params as a list": "stages: {train: {params: [a]}}",
    "a stage without a name": "stages: {3: {cmd: x}}",
}


@pytest.mark.parametrize("forgery", LOCKS)
def test_a_lock_of_other_types_is_refused(forgery: str) -> None:
    """With the place in the file."""
    with pytest.raises(UserError, match=r"HEAD: expected what DVC writes: .*got .*: run `dvc repro`"):
        lockfile.parse(LOCKS[forgery], "HEAD")


LISTINGS: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "an object": lambda: b"{}",
    "texts": lambda: b'["a"]',
    "no md5": lambda: b'[{"relpath": "a"}]',
    "a number as a path": lambda: b'[{"relpath": 1, "md5": "a"}]',
    "a path upwards": lambda: b'[{"relpath": "../a", "md5": "a"}]',
    "deep lists": lambda: b"[" * 100_000,
}


@pytest.mark.parametrize("forgery", LISTINGS)
def test_a_listing_that_dvc_does_not_write_is_refused(forgery: str) -> None:
    """It is read before anything that it names."""
    with pytest.raises(UserError, match=r"DVC's listing of a folder: .*do not use it"):
        lockfile.parsed_listing(LISTINGS[forgery]())

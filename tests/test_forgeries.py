"""Files that were forged, digests and all: each ends in one sentence that names the file; none is taken for good."""

import hashlib
import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from pipeline import files, model, output_files
from pipeline.dataset import reader, shard
from pipeline.dataset.encoder import MISSING, UNSEEN, CategoryColumn, Encoder, NumberColumn
from pipeline.dataset.writer import Writer
from pipeline.errors import UserError

ENCODER = Encoder(
    numbers=(
        NumberColumn("x", "number", 0.5, 0.0, 1.0, True),
        NumberColumn("day year", "date", 2000.5, 2e3, 2.0, False),
    ),
    categories=(CategoryColumn("c", ("u", "v", MISSING, UNSEEN)),),
    target="y",
    classes=("p", "q"),
    missing_values=("", "NA"),
)
RESULT = {
    "status": "converged",
    "meaning": "the gradient is 0",
    "reason": "as asked for",
    "epochs": 3,
    "passes": 4,
    "best_epoch": None,
    "cost": 0.1,
    "objective": 0.2,
    "gradient_norm": 0.3,
    "bound": 0.0,
    "relative_bound": 0.0,
    "findings": ["x is constant"],
}

# What may stand where something else is expected, as JSON or nearly so.
TOKENS = ["null", "true", "-1", "1.5", '"x"', "[]", "{}"]
NEVER = [
    '"\\ud800"',
    "1e400",
    "NaN",
    "-Infinity",
    "9" * 5_000,
    "[" * 10_000 + "]" * 10_000,
    '{"a": 1, "a": 2}',
    "nul",
]

Place = tuple[str | int, ...]


def places_of(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every value inside a document, with the way to it."""
    yield place, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places_of(inner, (*place, key))


def with_token(document: dict[str, Any], place: Place, token: str) -> str:
    """The document as JSON with something else at one place, and a digest that matches, if there can be one."""
    forged = json.loads(json.dumps(document))
    forged.pop("digest", None)
    inner = forged
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = "@token@"
    text = json.dumps(forged).replace('"@token@"', token)
    try:
        digest = files.sha256_text(files.canonical_json(json.loads(text)))
    except (ValueError, RecursionError):
        return text
    return f'{text[:-1]}, "digest": "{digest}"}}'


def json_type(value: Any) -> str:
    """A value's type in JSON."""
    names = {bool: "boolean", int: "number", float: "number", str: "text", list: "list", dict: "object"}
    return names.get(type(value), "null")


def seal(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a sealed document, and seal it again."""
    document = json.loads(path.read_text(encoding="utf-8"))
    document.pop("digest")
    change(document)
    files.write_json(path, document | {"digest": files.sha256_text(files.canonical_json(document))})


def refusal(read: Callable[[], object], path: Path) -> str:
    """The sentence with which reading ends; it names the file, is short, and says what to do."""
    with pytest.raises(UserError) as caught:
        read()
    message = str(caught.value)
    assert message.startswith(str(path)), message
    assert len(message) - len(str(path)) < 700, message
    assert "dvc repro" in message
    return message


# The model.


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a model as train saves it."""
    shape = (len(ENCODER.classes), len(ENCODER.features))
    weights, bias = np.arange(float(np.prod(shape))).reshape(shape), np.zeros(shape[0])
    model.save(tmp_path, model.Model(weights, bias, ENCODER, {"lr": 0.1}, "d" * 64, RESULT))
    return tmp_path


@pytest.mark.slow
def test_no_field_of_a_model_takes_another_type(folder: Path) -> None:
    """Every field in turn is replaced by values of all other types of JSON, and by texts that are no JSON."""
    path = folder / output_files.METADATA_FILE
    document = json.loads(path.read_text(encoding="utf-8"))
    places = [(place, value) for place, value in places_of(document) if place and place != ("digest",)]
    assert len(places) > 40
    for place, value in places:
        others = [token for token in TOKENS if json_type(json.loads(token)) != json_type(value)]
        if place[0] == "params" and len(place) > 1:
            others = []  # a section of params.yaml: its own stage knows what it may hold
        if value is None or place == ("result", "bound") or place == ("result", "relative_bound"):
            others = [token for token in others if token not in ("null", "-1", "1.5")]
        for token in [*others, *NEVER]:
            path.write_text(with_token(document, place, token), encoding="utf-8")
            refusal(lambda: model.load(folder), path)


def test_a_model_without_a_field_or_with_one_more_is_refused(folder: Path) -> None:
    """In every object but the params and the result, whose fields are not fixed."""
    path = folder / output_files.METADATA_FILE
    original = path.read_bytes()
    document = json.loads(original)
    objects = [place for place, value in places_of(document) if isinstance(value, dict) and place[:1] != ("params",)]
    for place in objects:
        inner = document
        for key in place:
            inner = inner[key]
        for name in [name for name in inner if place != ("result",) and name != "digest"]:
            seal(path, lambda forged, place=place, name=name: at(forged, place).pop(name))
            refusal(lambda: model.load(folder), path)
            path.write_bytes(original)
        if place != ("result",):
            seal(path, lambda forged, place=place: at(forged, place).update(more=1))
            refusal(lambda: model.load(folder), path)
            path.write_bytes(original)


def at(document: Any, place: Place) -> Any:
    """What stands at a place of a document."""
    for key in place:
        document = document[key]
    return document


ENCODERS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "a scale of 0": (lambda e: e["numbers"][0].update(scale=0.0), "column 'x': expected a scale > 0, got 0.0"),
    "a scale below 0": (lambda e: e["numbers"][0].update(scale=-1), "expected a scale > 0, got -1.0"),
    "a mean past float64": (lambda e: e["numbers"][0].update(mean=10**400), "numbers.0.mean: expected a finite number"),
    "a kind": (lambda e: e["numbers"][0].update(kind="complex"), "expected the kind number, boolean or date"),
    "a date's part": (lambda e: e["numbers"][1].update(name="day era"), "the part of a date, got none"),
    "a date without a part": (lambda e: e["numbers"][1].update(name="day"), "the part of a date, got none"),
    "a column twice": (lambda e: e["categories"][0].update(name="x"), "column 'x': expected it once, got it twice"),
    "the target as a column": (lambda e: e.update(target="c"), "column 'c': expected it once, got it twice"),
    "a level twice": (
        lambda e: e["categories"][0].update(levels=["u", "u", UNSEEN]),
        "feature 'c=u': expected it once",
    ),
    "no level": (lambda e: e["categories"][0].update(levels=[]), "expected levels that end with <unseen>"),
    "no unseen level": (lambda e: e["categories"][0].update(levels=["u"]), "expected levels that end with <unseen>"),
    "its levels first": (
        lambda e: e["categories"][0].update(levels=[MISSING, "u", UNSEEN]),
        "expected levels that end",
    ),
    "a class twice": (lambda e: e.update(classes=["p", "p"]), "class 'p': expected it once, got it twice"),
    "classes of two types": (lambda e: e.update(classes=["1", 1]), "classes: expected labels of one type"),
    "no class": (lambda e: e.update(classes=[]), "classes: expected labels of one type, got none"),
    "a class with a fraction": (lambda e: e.update(classes=[1.5, 2.5]), "classes.0"),
    "other features": (lambda e: e.update(features=["a"]), "features: expected the names that numbers and categories"),
    "no numbers": (lambda e: e.pop("numbers"), "numbers: expected a value, got none"),
}


@pytest.mark.parametrize("forgery", ENCODERS)
def test_an_encoder_that_makes_no_sense_is_refused(folder: Path, forgery: str) -> None:
    """In a model; the same encoder in prepared data is read by the same function."""
    change, message = ENCODERS[forgery]
    path = folder / output_files.METADATA_FILE
    seal(path, lambda document: change(document["encoder"]))
    assert message in refusal(lambda: model.load(folder), path)


def forge_weights(folder: Path, content: bytes) -> None:
    """Other weights, whose digest the metadata has."""
    (folder / output_files.WEIGHTS_FILE).write_bytes(content)
    seal(
        folder / output_files.METADATA_FILE,
        lambda document: document.update(weights=hashlib.sha256(content).hexdigest()),
    )


def w(**changes: Any) -> dict[str, np.ndarray]:
    """Tensors of the right names and shapes, but for the changes."""
    shape = (len(ENCODER.classes), len(ENCODER.features))
    return {"W": np.zeros(shape), "b": np.zeros(shape[0])} | changes


def header(content: bytes, change: Callable[[dict[str, Any]], None], length: int | None = None) -> bytes:
    """A file of safetensors with another header."""
    size = int.from_bytes(content[:8], "little")
    described = json.loads(content[8 : 8 + size])
    change(described)
    text = json.dumps(described).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + content[8 + size :]


GOOD = safetensors.numpy.save(w())
WEIGHTS: dict[str, tuple[bytes, str]] = {
    "int64": (safetensors.numpy.save(w(b=np.zeros(2, dtype=np.int64))), "tensor b: expected float64 (2,), got int64"),
    "float16": (safetensors.numpy.save(w(b=np.zeros(2, dtype=np.float16))), "tensor b: expected float64 (2,), got"),
    "float32": (safetensors.numpy.save(w(b=np.zeros(2, dtype=np.float32))), "tensor b: expected float64 (2,), got"),
    "bfloat16": (header(GOOD, lambda h: h["b"].update(dtype="BF16", shape=[8])), ""),
    "an unknown type": (header(GOOD, lambda h: h["b"].update(dtype="F128")), "expected safetensors"),
    "NaN": (safetensors.numpy.save(w(b=np.array([0, np.nan]))), "tensor b: expected finite numbers"),
    "infinity": (safetensors.numpy.save(w(b=np.array([0, -np.inf]))), "tensor b: expected finite numbers"),
    "a long b": (safetensors.numpy.save(w(b=np.zeros(3))), "tensor b: expected float64 (2,), got float64 (3,)"),
    "W as a row": (safetensors.numpy.save(w(W=np.zeros(14))), "tensor W: expected float64 (2, 7), got float64 (14,)"),
    "W transposed": (safetensors.numpy.save(w(W=np.zeros((7, 2)))), "tensor W: expected float64 (2, 7)"),
    "many dimensions": (safetensors.numpy.save(w(W=np.zeros((1,) * 60))), "tensor W: expected float64 (2, 7)"),
    "one more tensor": (safetensors.numpy.save(w(c=np.zeros(1))), "expected the tensors W and b, got W, b, c"),
    "no b": (safetensors.numpy.save({"W": np.zeros((2, 7))}), "expected the tensors W and b, got W"),
    "nothing": (b"", "expected safetensors"),
    "a long header": (header(GOOD, lambda _: None, 2**63), "expected safetensors"),
    "a header past the file": (header(GOOD, lambda _: None, len(GOOD) + 1), "expected safetensors"),
    "offsets that overlap": (header(GOOD, lambda h: h["b"].update(data_offsets=[0, 16])), "expected safetensors"),
    "offsets past the file": (header(GOOD, lambda h: h["b"].update(data_offsets=[112, 2**60])), "expected safetensors"),
    "offsets below 0": (header(GOOD, lambda h: h["b"].update(data_offsets=[-16, 0])), "expected safetensors"),
    "a header that is a list": ((2).to_bytes(8, "little") + b"[]", "expected safetensors"),
    "a pickle": (b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07builtin", "expected safetensors"),
}


@pytest.mark.parametrize("forgery", WEIGHTS)
def test_weights_that_are_not_two_finite_tensors_of_float64_are_refused(folder: Path, forgery: str) -> None:
    """Of any other type, shape, value or layout, though the digests match."""
    content, message = WEIGHTS[forgery]
    forge_weights(folder, content)
    assert message in refusal(lambda: model.load(folder), folder / output_files.WEIGHTS_FILE)


# Prepared data.


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as prepare writes it, of 9 training rows and 5 to test, with weights."""
    path = tmp_path_factory.mktemp("good") / "prepared"
    with files.new_folder(path) as new, Writer(new) as writer:
        for split, count in (("train", 9), ("test", 5)):
            writer.add(split, rows_of(count))
        writer.finish({"rows": 14, "columns": []}, ENCODER)
    return path


def rows_of(count: int, **changes: np.ndarray) -> shard.Shard:
    """Rows that fit ENCODER, but for the changes."""
    rows = np.arange(count)
    arrays = {
        "numbers": np.zeros((count, 3), dtype=np.float32),
        "codes": (rows % 4).astype(np.uint8)[:, np.newaxis],
        "labels": (rows % 2).astype(np.int32),
        "rows": rows + 1,
        "weights": rows / 3,
    }
    return shard.Shard(**arrays | changes)


@pytest.fixture
def prepared(good: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(good, tmp_path / "prepared"))


def test_no_field_of_prepared_json_takes_another_type(prepared: Path) -> None:
    """Every field in turn is replaced by values of all other types of JSON, and by texts that are no JSON."""
    path = prepared / "prepared.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    for place, value in places_of(document):
        if place and place != ("digest",):
            for token in [token for token in TOKENS if json_type(json.loads(token)) != json_type(value)] + NEVER:
                path.write_text(with_token(document, place, token), encoding="utf-8")
                refusal(lambda: reader.open_dataset(prepared), path)


def first(document: dict[str, Any]) -> dict[str, Any]:
    """The entry of the first training shard."""
    entry: dict[str, Any] = document["splits"]["train"]["shards"][0]
    return entry


LISTS: dict[str, Callable[[dict[str, Any]], None]] = {
    "a shard above": lambda d: first(d).update(file="../outside.safetensors"),
    "an absolute shard": lambda d: first(d).update(file="/tmp/outside.safetensors"),
    "a shard of another split": lambda d: first(d).update(file="test-00000.safetensors"),
    "a shard with a byte 0": lambda d: first(d).update(file="train\0.safetensors"),
    "a shard twice": lambda d: d["splits"]["train"]["shards"].append(first(d)),
    "no shard": lambda d: d["splits"]["train"].update(shards=[], rows=0),
    "more rows in the split": lambda d: d["splits"]["train"].update(rows=10),
    "no row in the shard": lambda d: first(d).update(rows=0),
    "rows below 0": lambda d: first(d).update(rows=-9),
    "very many rows": lambda d: (first(d).update(rows=2**62), d["splits"]["train"].update(rows=2**62))[0],
    "no training rows": lambda d: d["splits"].pop("train") and None,
    "another split": lambda d: d["splits"].update(more=d["splits"]["test"]),
    "other blocks": lambda d: d.update(block_rows=8_192),
    "an unknown key": lambda d: d.update(more=1),
}


@pytest.mark.parametrize("forgery", LISTS)
def test_a_list_of_shards_that_prepare_does_not_write_is_refused(prepared: Path, forgery: str) -> None:
    """Names, rows and splits are those of the format."""
    (prepared.parent / "outside.safetensors").write_bytes((prepared / "train-00000.safetensors").read_bytes())
    path = prepared / "prepared.json"
    seal(path, LISTS[forgery])
    refusal(lambda: reader.open_dataset(prepared), path)


def forge_file(prepared: Path, name: str, content: bytes) -> Path:
    """Another content of a file of the folder, of which prepared.json has the digest."""
    digest = hashlib.sha256(content).hexdigest()
    (prepared / name).write_bytes(content)
    if name.endswith(".json"):
        seal(prepared / "prepared.json", lambda document: document.update({name.removesuffix(".json"): digest}))
    else:
        seal(prepared / "prepared.json", lambda document: first(document).update(sha256=digest))
    return prepared / name


@pytest.mark.parametrize("name", ["schema.json", "encoder.json"])
@pytest.mark.parametrize("content", ["[]", "3", *NEVER, "\ufeff{}", "\0"])
def test_prepared_documents_that_are_no_objects_are_refused(prepared: Path, name: str, content: str) -> None:
    """The table's schema, and the encoder."""
    path = forge_file(prepared, name, (f'{{"a": {content}}}' if content in NEVER else content).encode())
    refusal(lambda: reader.open_dataset(prepared), path)


@pytest.mark.parametrize("forgery", ENCODERS)
def test_prepared_data_with_an_encoder_that_makes_no_sense_is_refused(prepared: Path, forgery: str) -> None:
    """The sentence names encoder.json."""
    change, message = ENCODERS[forgery]
    document = json.loads((prepared / "encoder.json").read_text(encoding="utf-8"))
    change(document)
    path = forge_file(prepared, "encoder.json", json.dumps(document).encode())
    assert message in refusal(lambda: reader.open_dataset(prepared), path)


SHARD = safetensors.numpy.save(rows_of(9).tensors())
ROWS: dict[str, tuple[bytes, str]] = {
    name: (safetensors.numpy.save(rows_of(9, **{array: value}).tensors()), message)
    for name, array, value, message in (
        ("float64", "numbers", np.zeros((9, 3)), "tensor numbers: expected F32 [9, 3], got 'F64' [9, 3]"),
        ("float32 weights", "weights", np.zeros(9, dtype=np.float32), "tensor weights: expected F64 [9]"),
        ("int64 labels", "labels", np.zeros(9, dtype=np.int64), "tensor labels: expected I32 [9], got 'I64' [9]"),
        ("int8 codes", "codes", np.zeros((9, 1), dtype=np.int8), "tensor codes: expected U8 or I16 or I32 [9, 1]"),
        ("a column more", "numbers", np.zeros((9, 4), dtype=np.float32), "tensor numbers: expected F32 [9, 3]"),
        ("a row less", "rows", np.arange(1, 9), "tensor rows: expected I64 [9], got 'I64' [8]"),
        ("no weights", "weights", None, ""),
        ("NaN", "numbers", np.full((9, 3), np.nan, dtype=np.float32), "row 1, column x: expected a finite number, got"),
        (
            "infinity",
            "numbers",
            np.full((9, 3), -np.inf, dtype=np.float32),
            "row 1, column x: expected a finite number",
        ),
        (
            "a code past the levels",
            "codes",
            np.full((9, 1), 4, dtype=np.uint8),
            "column c: expected the code of a level",
        ),
        (
            "a code below 0",
            "codes",
            np.full((9, 1), -1, dtype=np.int16),
            "row 1, column c: expected the code of a level",
        ),
        (
            "a label past the classes",
            "labels",
            np.full(9, 2, dtype=np.int32),
            "column y: expected the index of a class",
        ),
        (
            "a label below 0",
            "labels",
            np.full(9, -1, dtype=np.int32),
            "column y: expected the index of a class, 0 to 1",
        ),
        (
            "a weight below 0",
            "weights",
            np.full(9, -1e-9),
            "the row's weight: expected a finite weight >= 0, got -1e-09",
        ),
        ("a weight of NaN", "weights", np.full(9, np.nan), "the row's weight: expected a finite weight >= 0, got nan"),
        (
            "a weight past all",
            "weights",
            np.full(9, np.inf),
            "the row's weight: expected a finite weight >= 0, got inf",
        ),
        ("a row 0", "rows", np.arange(9), "the row's number in the source: expected a number >= 1, got 0"),
    )
} | {
    "nothing": (b"", "expected safetensors"),
    "cut short": (SHARD[:-1], "expected safetensors"),
    "a byte more": (SHARD + b"\0", "expected safetensors"),
    "a long header": (header(SHARD, lambda _: None, 2**63), "expected safetensors"),
    "one more tensor": (safetensors.numpy.save(rows_of(9).tensors() | {"more": np.zeros(1)}), "expected the tensors"),
    "offsets that overlap": (
        header(SHARD, lambda h: h["rows"].update(data_offsets=h["weights"]["data_offsets"])),
        "expected safetensors",
    ),
    "offsets past the file": (
        header(SHARD, lambda h: h["rows"].update(data_offsets=[2**40, 2**40 + 72])),
        "expected safetensors",
    ),
    "a tensor named twice": (
        SHARD[:8] + SHARD[8:].replace(b'"weights"', b'"numbers"', 1),
        "",
    ),
}


@pytest.mark.parametrize("forgery", ROWS)
def test_a_shard_that_prepare_does_not_write_is_refused(prepared: Path, forgery: str) -> None:
    """Of other tensors, types, shapes or values, though the digests match."""
    content, message = ROWS[forgery]
    path = forge_file(prepared, "train-00000.safetensors", content)
    if forgery == "no weights":
        path = prepared / "test-00000.safetensors"  # the first shard tells whether rows have weights
    assert message in refusal(lambda: reader.open_dataset(prepared), path)


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Fail instead of waiting for ever; systems that have named pipes have alarms."""
    if not hasattr(signal, "alarm"):
        yield
        return

    def fail(*_: object) -> None:
        raise AssertionError(f"it waited for {seconds} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
@pytest.mark.parametrize("name", ["prepared.json", "encoder.json", "train-00000.safetensors"])
def test_a_pipe_or_a_loop_of_links_is_not_waited_for(prepared: Path, name: str) -> None:
    """Neither is a file, though opening one would wait for ever."""
    path = prepared / name
    path.unlink()
    os.mkfifo(path)
    with at_most(20):
        assert "expected a regular file" in refusal(lambda: reader.open_dataset(prepared), path)
    path.unlink()
    path.symlink_to(path)
    refusal(lambda: reader.open_dataset(prepared), path)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_files_that_dvc_linked_to_its_cache_are_read(prepared: Path) -> None:
    """DVC's cache.type symlink puts a link where each file of the folder was."""
    before = reader.open_dataset(prepared).digest
    for number, path in enumerate(sorted(prepared.iterdir())):
        target = path.rename(prepared.parent / str(number))
        path.symlink_to(target)
    assert reader.open_dataset(prepared).digest == before

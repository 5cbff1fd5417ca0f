"""Columns that are kept beside the features: digests of their values, and not a byte where none is kept."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from pipeline import files
from pipeline.dataset import reader
from pipeline.dataset.columns import Chunk, Texts
from pipeline.documents import yaml_documents
from pipeline.errors import UserError
from pipeline.prepare import column_roles
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.table import find_source, row_hash, stream
from tests.prepare.prepared_files import files_of

# One column of each type, with gaps: who repeats with 1 and 01 apart, and size has 1 and 1.0.
HEADER = "x,who,size,day,adult,y\n"
CELLS = {
    "who": ["1", "01", "1", "NA", "u", "", "u", "01"],
    "size": ["1", "2.5", "1", "7", "NA", "2.5", "1.0", "7"],
    "day": ["2024-01-01", "2024-01-02", "", "2024-01-01", "2024-01-02", "2024-02-01", "NA", "2024-01-01"],
    "adult": ["true", "false", "TRUE", "", "True", "false", "FALSE", "true"],
}
TYPES = {"day": "date"}


def _params(**others: Any) -> PrepareParams:
    return PrepareParams.model_validate({"source": "unused", "target": "y", **others})


def _table(folder: Path, rows: int = 8) -> Path:
    cells = [[column[row % 8] for column in CELLS.values()] for row in range(rows)]
    lines = [",".join([str(row % 5), *texts, "ab"[row % 2]]) for row, texts in enumerate(cells)]
    source = folder / "t.csv"
    source.write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    return source


def _prepared(source: Path, out: Path, **others: Any) -> reader.Dataset:
    prepare.main(params=_params(**others), source=source, out=out)
    return reader.open_dataset(out)


def _kept(prepared: reader.Dataset) -> NDArray[np.uint64]:
    """What is kept of all rows, in the order of the source."""
    shards = [shard for split in prepared.splits.values() for shard in split.shards]
    kept = np.concatenate([shard.kept for shard in shards if shard.kept is not None])
    result: NDArray[np.uint64] = kept[np.argsort(np.concatenate([shard.rows for shard in shards]))]
    return result


def _files(source: Path, options: stream.ReadOptions = stream.DEFAULTS, **others: Any) -> dict[str, bytes]:
    """Every file that prepare makes of the source."""
    return files_of(_params(**others), source, options)


def _same(values: list[Any] | NDArray[Any]) -> NDArray[np.bool_]:
    """(n, n) which values equal each other."""
    array = np.asarray(values)
    return np.asarray(array[:, np.newaxis] == array)


def test_equal_values_have_equal_digests(tmp_path: Path) -> None:
    """Of text, numbers, dates and words of truth: as they are written, no value being a value of its own."""
    prepared = _prepared(_table(tmp_path), tmp_path / "out", keep=[*CELLS], types=TYPES)
    assert prepared.kept == ("who", "size", "day", "adult")
    kept = _kept(prepared)
    assert (kept.dtype.name, kept.shape) == ("uint64", (8, 4))
    written = {name: ["NA" if cell == "" else cell for cell in cells] for name, cells in CELLS.items()}
    written["adult"] = [cell if cell == "NA" else cell.lower() for cell in written["adult"]]
    for position, cells in enumerate(written.values()):
        np.testing.assert_array_equal(_same(kept[:, position]), _same(cells))
    # Gaps are alike within a column only.
    assert len({*kept[3:6, 0].tolist(), int(kept[4, 1])}) == 3


def test_kept_columns_are_no_features(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They have a role of their own, and what lies in the rows beside them is what it is without them."""
    source = _table(tmp_path)
    prepared = _prepared(source, tmp_path / "kept", keep=["day", "who"], leave_out=["size", "adult"])
    assert "kept      day, who: no features; digests of their values lie beside the rows" in capsys.readouterr().out
    assert prepared.encoder.features == ("x",)
    columns = {column["name"]: column for column in prepared.schema["columns"]}
    assert columns["who"] == {"name": "who", "role": "kept", "kind": "text", "count": 6, "missing": 2}
    assert (columns["day"]["role"], columns["day"]["missing"]) == ("kept", 2)
    assert prepared.schema["ignored"] == ["size", "adult"]
    without = _prepared(source, tmp_path / "without", leave_out=[*CELLS])
    assert "kept" not in capsys.readouterr().out
    (shard,), (other,) = prepared.splits["train"].shards, without.splits["train"].shards
    np.testing.assert_array_equal(_kept(prepared), shard.kept)
    assert {name: array.tobytes() for name, array in shard.tensors().items() if name != "kept"} == {
        name: array.tobytes() for name, array in other.tensors().items()
    }
    assert (prepared.encoder, without.kept) == (without.encoder, ())


def test_left_out_and_kept_is_kept(tmp_path: Path) -> None:
    """A column that is left out anyway may be kept: it is no feature either way."""
    source = _table(tmp_path)
    both = _files(source, keep=["who"], leave_out=["who", "size"])
    assert both == _files(source, keep=["who"], leave_out=["size"])
    listed = _prepared(source, tmp_path / "out", keep=["who"], features=["x"])
    assert listed.encoder.features == ("x",)


def test_key_weights_and_split_column_may_be_kept(tmp_path: Path) -> None:
    """They are no features either; the digests of a key are those by which its rows stay together."""
    source = tmp_path / "t.csv"
    folds = ["train", "test", "validation"]
    lines = [f"{row},{row // 3},{row % 4},{folds[row % 3]},{'ab'[row % 2]}" for row in range(60)]
    source.write_text("x,key,w,fold,y\n" + "\n".join(lines) + "\n", encoding="utf-8")
    by_key = {"method": "hash", "key": "key"}
    prepared = _prepared(source, tmp_path / "a", keep=["w", "key"], weights="w", split=by_key)
    for split in prepared.splits.values():
        for shard in split.shards:
            assert shard.kept is not None
            np.testing.assert_array_equal(shard.kept[:, 1], shard.groups)
            np.testing.assert_array_equal(_same(shard.kept[:, 0]), _same(np.asarray(shard.weights)))
    roles = {column["name"]: column["role"] for column in prepared.schema["columns"]}
    assert roles == {"x": "feature", "fold": "feature", "y": "target", "key": "key", "w": "weights"}
    prepared = _prepared(source, tmp_path / "b", keep=["fold"], split={"method": "column", "column": "fold"})
    kept = [np.unique(np.asarray(split.shards[0].kept)).tolist() for split in prepared.splits.values()]
    assert [len(values) for values in kept] == [1, 1, 1]
    assert len({values[0] for values in kept}) == 3


@pytest.mark.parametrize("method", ["none", "seed", "hash"])
@pytest.mark.parametrize("target", ["error", "drop"])
def test_chunks_and_threads_leave_no_trace(tmp_path: Path, method: str, target: str) -> None:
    """Chunks of a row, of a few, or one; 1 to 3 threads; rows without a label take what they keep away with them."""
    source = _table(tmp_path, 240)
    if target == "drop":
        lines = source.read_text(encoding="utf-8").splitlines()
        lines[5::7] = [f"{line[:-1]}NA" for line in lines[5::7]]
        source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    chosen = {"keep": ["who", "day"], "split": {"method": method}, "missing_target": target}
    first = _files(source, stream.ReadOptions(16, 1), **chosen)
    for options in (stream.ReadOptions(500, 2), stream.ReadOptions(2_000, 3), stream.DEFAULTS):
        assert _files(source, options, **chosen) == first
    assert json.loads(first["prepared.json"])["kept"] == ["who", "day"]
    prepared = _prepared(source, tmp_path / "out", **chosen)
    for split in prepared.splits.values():
        rows, kept = split.shards[0].rows - 1, split.shards[0].kept
        assert kept is not None
        who = np.array(["NA" if cell == "" else cell for cell in CELLS["who"]])[rows % 8]
        np.testing.assert_array_equal(_same(kept[:, 0]), _same(who))


def test_nothing_kept_changes_no_byte(tmp_path: Path) -> None:
    """Without a kept column the tutorial's prepared data is that of dvc.lock, and says nothing of what is kept."""
    source = Path("data/raw/tutorial.csv")
    files = _files(source)
    assert files == _files(source, keep=[])
    assert "kept" not in json.loads(files["prepared.json"])
    # DVC's digest of a folder: https://dvc.org/doc/user-guide/project-structure/internal-files
    listing = [{"md5": hashlib.md5(files[name]).hexdigest(), "relpath": name} for name in sorted(files)]
    locked = yaml_documents.parse(Path("dvc.lock").read_text(encoding="utf-8"))["stages"]["prepare"]["outs"]
    assert f"{hashlib.md5(json.dumps(listing).encode()).hexdigest()}.dir" in [out["md5"] for out in locked]
    assert _prepared(source, tmp_path / "out").splits["train"].shards[0].kept is None


def test_a_column_of_very_many_values_is_kept(tmp_path: Path) -> None:
    """No limit of levels holds: values are digested and never counted."""
    rows = 100_000
    source = tmp_path / "t.csv"
    lines = [f"{row % 7},customer {row * 7919 % rows},{'ab'[row % 2]}\n" for row in range(rows)]
    source.write_text("x,who,y\n" + "".join(lines), encoding="utf-8")
    prepared = _prepared(source, tmp_path / "out", keep=["who"], max_levels=1)
    kept = _kept(prepared)
    assert len(np.unique(kept)) == rows
    names = row_hash.of_rows(_chunk([f"customer {row * 7919 % rows}" for row in range(rows)]), ["who"])
    np.testing.assert_array_equal(kept[:, 0], names)
    assert "levels" not in next(column for column in prepared.schema["columns"] if column["name"] == "who")


def _chunk(texts: list[str]) -> Chunk:
    return Chunk(1, len(texts), {}, {"who": Texts(np.arange(len(texts), dtype=np.int32), tuple(texts))})


@pytest.mark.slow
def test_more_values_than_a_category_may_have_are_kept(tmp_path: Path) -> None:
    """A column of more distinct texts than prepare counts is refused as a feature, and kept."""
    source = tmp_path / "t.csv"
    source.write_text("x,who,y\n" + "".join(f"{row % 7},n{row},{'ab'[row % 2]}\n" for row in range(500_001)))
    with pytest.raises(UserError, match="who"):
        _prepared(source, tmp_path / "out")
    assert len(np.unique(_kept(_prepared(source, tmp_path / "out", keep=["who"])))) == 500_001


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (
            {"keep": ["whom"]},
            r"params.yaml: prepare.keep: expected a column of .*t.csv, got 'whom'; did you mean 'who'",
        ),
        ({"keep": ["who", "y"]}, r"params.yaml: prepare.keep: 'y' is the target; leave it out$"),
        (
            {"keep": ["who"], "features": ["x", "who"]},
            r"params.yaml: prepare.keep: 'who' is in prepare.features too, and what is kept is no feature; take it",
        ),
    ],
)
def test_what_cannot_be_kept_is_told(tmp_path: Path, others: dict[str, Any], message: str) -> None:
    """The target, a feature of the list, a column that is not there."""
    with pytest.raises(UserError, match=message):
        column_roles.roles_of(_params(**others), find_source.find(str(_table(tmp_path))))


@pytest.mark.parametrize("keep", [["who", "who"], "who", None, [1]])
def test_each_column_is_kept_once(keep: Any) -> None:
    """A name that stands there twice, and what is no list of names, are refused when params are read."""
    with pytest.raises(ValidationError, match="keep"):
        _params(keep=keep)


def test_values_of_a_column_stand_beside_their_digests(tmp_path: Path) -> None:
    """keep_values keeps the column, and the text of each digest: of a gap none, of words of truth the first."""
    prepared = _prepared(_table(tmp_path), tmp_path / "out", keep=["day"], keep_values=["who", "adult"], types=TYPES)
    assert prepared.kept == ("day", "who", "adult")
    assert prepared.kept_values.keys() == {"who", "adult"}
    digests = _kept(prepared)
    who = [prepared.kept_values["who"][int(digest)] for digest in digests[:, 1]]
    assert who == [None if cell in ("NA", "") else cell for cell in CELLS["who"]]
    adult = [prepared.kept_values["adult"][int(digest)] for digest in digests[:, 2]]
    assert adult == ["TRUE", "FALSE", "TRUE", None, "TRUE", "FALSE", "FALSE", "TRUE"]


def test_values_do_not_depend_on_chunks(tmp_path: Path) -> None:
    """Chunks of a row or of all rows, on any number of threads, give the same files."""
    source = _table(tmp_path, 240)
    first = _files(source, stream.ReadOptions(16, 1), keep_values=["who", "adult"])
    assert first == _files(source, stream.ReadOptions(500, 3), keep_values=["who", "adult"])
    assert first == _files(source, stream.DEFAULTS, keep_values=["who", "adult"])


def test_values_of_weights_are_numbers(tmp_path: Path) -> None:
    """A column that is read as numbers has them as their shortest text."""
    source = tmp_path / "t.csv"
    source.write_text("x,w,y\n1,1,a\n2,2.50,b\n3,1.0,a\n", encoding="utf-8")
    prepared = _prepared(source, tmp_path / "out", weights="w", keep_values=["w"])
    assert sorted(map(str, prepared.kept_values["w"].values())) == ["1.0", "2.5"]


def test_too_many_values_are_refused(tmp_path: Path) -> None:
    """The 1,001st different value of a column ends prepare with the param's name."""
    source = tmp_path / "t.csv"
    source.write_text(
        "x,who,y\n" + "".join(f"{i},v{i % 1_001},{'ab'[i % 2]}\n" for i in range(3_000)), encoding="utf-8"
    )
    with pytest.raises(UserError, match=r"prepare\.keep_values: expected .* 1,000 different values, got more in 'who'"):
        _prepared(source, tmp_path / "out", keep_values=["who"])
    source.write_text(
        "x,who,y\n" + "".join(f"{i},v{i % 1_000},{'ab'[i % 2]}\n" for i in range(3_000)), encoding="utf-8"
    )
    assert len(_prepared(source, tmp_path / "out", keep_values=["who"]).kept_values["who"]) == 1_000


@pytest.mark.parametrize(
    ("kept_values", "message"),
    [
        ({"who": {}}, "kept_values: expected columns of kept"),
        ({"size": {"xyz": "a"}}, "kept_values.size"),
        ({"size": {"0" * 16: 1}}, "kept_values.size"),
    ],
)
def test_forged_values_are_refused(tmp_path: Path, kept_values: dict[str, Any], message: str) -> None:
    """Right digests, but not what prepare writes."""
    _prepared(_table(tmp_path), tmp_path / "out", keep=["size"], leave_out=["who"])
    path = tmp_path / "out" / "prepared.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["digest"]
    content["kept_values"] = kept_values
    digest = files.sha256_text(files.canonical_json(content))
    files.write_json(path, content | {"digest": digest})
    with pytest.raises(UserError, match=message):
        reader.open_dataset(tmp_path / "out")

"""Stage 1 from CSV to prepared data: right values, the same bytes however the file is cut, one error for bad input."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dataset import reader
from pipeline.dataset.shard import SHARD_ROWS, SPLITS
from pipeline.errors import UserError
from pipeline.prepare import column_roles, split, survey_source, write_dataset
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.table import stream

TUTORIAL = Path("data/raw/tutorial.csv")
PENGUINS = Path("data/raw/penguins.csv")
SEED_SPLIT = {"method": "seed", "seed": 3, "validation": 0.2, "test": 0.3}


def _params(target: str, **others: Any) -> PrepareParams:
    return PrepareParams.model_validate({"source": "unused", "target": target, **others})


def _prepare(params: PrepareParams, source: Path, out: Path) -> reader.Dataset:
    prepare.main(params=params, source=source, out=out)
    return reader.open_dataset(out)


def _bytes(params: PrepareParams, source: Path, options: stream.ReadOptions) -> dict[str, bytes]:
    """Every file that prepare makes of the source, read in chunks of this size."""
    with tempfile.TemporaryDirectory() as folder:
        roles = column_roles.roles_of(params, source)
        learned = survey_source.learn(params, source, roles, options)
        write_dataset.write(params, source, roles, learned, Path(folder), options)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def _write(folder: Path, text: str | bytes) -> Path:
    source = folder / "stream.csv"
    source.write_bytes(text if isinstance(text, bytes) else text.encode())
    return source


def test_the_tutorial_comes_through_as_it_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without any treatment, numbers, labels and row numbers are those of the file."""
    prepared = _prepare(_params("y"), TUTORIAL, tmp_path / "prepared")
    assert (prepared.encoder.features, prepared.encoder.classes) == (("x1", "x2", "x3", "x4"), (0, 1, 2))
    assert list(prepared.splits) == ["train"]
    (shard,) = prepared.splits["train"].shards
    rows = pd.read_csv(TUTORIAL).to_numpy()
    np.testing.assert_array_equal(shard.numbers, rows[:, :4].astype(np.float32))
    np.testing.assert_array_equal(shard.labels, rows[:, 4])
    assert shard.codes.shape == (8, 0)
    assert shard.rows.tolist() == list(range(1, 9))
    assert capsys.readouterr().out.splitlines() == [
        "source    1 file, separator ',', encoding utf-8",
        "rows      8: train 8",
        "features  4 from 4 number columns and 0 category columns",
        "target    y: 3 classes: 0 (2), 1 (3), 2 (3)",
    ]


def test_penguins_are_split_and_standardised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the penguins each class is split in its shares, and statistics are those of the training rows alone."""
    params = _params("species", categories=["year"], standardise=True, split=SEED_SPLIT)
    prepared = _prepare(params, PENGUINS, tmp_path / "prepared")
    frame = pd.read_csv(PENGUINS)
    rows = {name: np.concatenate([shard.rows for shard in part.shards]) for name, part in prepared.splits.items()}
    assert sorted(np.concatenate(list(rows.values()))) == list(range(1, 345))
    for name, numbers in rows.items():
        counts = frame["species"].iloc[numbers - 1].value_counts()
        for species, total in {"Adelie": 152, "Chinstrap": 68, "Gentoo": 124}.items():
            assert counts[species] == split.counts(total, 0.2, 0.3)[SPLITS.index(name)]
    training = frame.iloc[rows["train"] - 1]
    for column in prepared.encoder.numbers:
        # pandas sums 200 values in float64: a few ulp.
        assert column.mean == pytest.approx(training[column.name].mean(), rel=1e-14)
        assert column.scale == pytest.approx(training[column.name].std(ddof=0), rel=1e-13)
    assert [column.levels[-3:] for column in prepared.encoder.categories if column.name == "year"] == [
        ("2008", "2009", "<unseen>")
    ]
    report = capsys.readouterr().out
    assert "rows      344: train 172, validation 69, test 103" in report
    assert "missing   filled in: bill_length_mm (2)," in report


def test_schema_tells_the_table_as_found(tmp_path: Path) -> None:
    """schema.json holds type, role, gaps, levels and exact moments of each column, over all rows."""
    params = _params("species", features=["bill_length_mm", "sex", "year"], split=SEED_SPLIT)
    schema = _prepare(params, PENGUINS, tmp_path / "prepared").schema
    columns = {column["name"]: column for column in schema["columns"]}
    assert (schema["rows"], list(columns)) == (344, ["bill_length_mm", "sex", "year", "species"])
    assert schema["ignored"] == ["island", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    bill = pd.read_csv(PENGUINS)["bill_length_mm"]
    assert columns["bill_length_mm"] == {
        "name": "bill_length_mm", "role": "feature", "kind": "number", "count": 342, "missing": 2,
        "whole_numbers": False, "minimum": 32.1, "maximum": 59.6,
        # pandas sums 342 values in float64: a few ulp.
        "mean": pytest.approx(bill.mean(), rel=1e-14), "standard_deviation": pytest.approx(bill.std(ddof=0), rel=1e-13),
    }  # fmt: skip
    assert columns["sex"]["levels"] == [{"level": "female", "rows": 165}, {"level": "male", "rows": 168}]
    assert (columns["species"]["role"], columns["year"]["whole_numbers"]) == ("target", True)


HASH_SPLIT = SEED_SPLIT | {"method": "hash"}
METHODS = [{"method": "none"}, SEED_SPLIT, HASH_SPLIT, {"method": "column", "column": "fold"}]


@pytest.mark.slow
@pytest.mark.parametrize("method", [*METHODS, HASH_SPLIT | {"key": "year"}])
def test_bytes_do_not_depend_on_the_chunks(tmp_path: Path, method: dict[str, Any]) -> None:
    """Every file is the same to the byte, read in chunks of one row, of a few rows, or at once, on 1 to 3 threads."""
    frame = pd.read_csv(PENGUINS)
    frame["fold"] = np.array(SPLITS)[np.arange(len(frame)) % 3]
    frame["note"] = [f'"{row % 7}",\r\n' for row in range(len(frame))]
    frame["adult"] = frame["body_mass_g"] > 4000
    frame["late"] = [None] * 300 + ["seen"] * 44
    source = tmp_path / "stream.csv"
    frame.to_csv(source, index=False, na_rep="NA")
    params = _params(
        "species", standardise=True, split=method, features=[c for c in frame if c not in ("species", "fold")]
    )
    first = _bytes(params, source, stream.ReadOptions(256, 1))
    assert "train-00000.safetensors" in first
    for options in (stream.ReadOptions(1_000, 2), stream.ReadOptions(4_096, 3), stream.DEFAULTS):
        assert _bytes(params, source, options) == first


def test_large_tables_fill_several_shards(tmp_path: Path) -> None:
    """150,000 rows lie in three shards, with the means that exact arithmetic gives."""
    rows = 150_000
    values = np.random.default_rng(0).integers(-(10**6), 10**6, rows)
    lines = [f"{value / 100},{'ab'[value % 2]}\n" for value in values.tolist()]
    prepared = _prepare(_params("y"), _write(tmp_path, "x,y\n" + "".join(lines)), tmp_path / "prepared")
    shards = prepared.splits["train"].shards
    assert [len(shard.rows) for shard in shards] == [SHARD_ROWS, SHARD_ROWS, rows - 2 * SHARD_ROWS]
    np.testing.assert_array_equal(np.concatenate([s.numbers for s in shards])[:, 0], (values / 100).astype(np.float32))
    np.testing.assert_array_equal(np.concatenate([s.labels for s in shards]), values % 2)
    # The mean of the written hundredths against that of the integers: float64 division and rounding, an ulp or two.
    assert prepared.encoder.numbers[0].mean == pytest.approx(int(values.sum()) / rows / 100, rel=1e-12)


def test_a_column_that_says_splits(tmp_path: Path) -> None:
    """Rows go where the split column says, and the column itself is no feature."""
    source = _write(tmp_path, "x,fold,y\n1,train,a\n2,test,a\n3,train,b\n4,validation,b\n5,test,b\n")
    prepared = _prepare(_params("y", split={"method": "column", "column": "fold"}), source, tmp_path / "prepared")
    rows = {name: part.shards[0].rows.tolist() for name, part in prepared.splits.items()}
    assert rows == {"train": [1, 3], "validation": [4], "test": [2, 5]}
    assert prepared.encoder.features == ("x",)
    assert prepared.encoder.numbers[0].mean == 2.0


def _where(params: PrepareParams, frame: pd.DataFrame, folder: Path) -> dict[Any, str]:
    """The split of each row, by the value in its column `id`, which is no feature."""
    folder.mkdir()
    frame.to_csv(folder / "t.csv", index=False, na_rep="NA")
    prepared = _prepare(params, folder / "t.csv", folder / "prepared")
    rows = {name: np.concatenate([s.rows for s in part.shards]) for name, part in prepared.splits.items()}
    return {frame["id"].iloc[row - 1]: name for name, numbers in rows.items() for row in numbers}


def test_hashed_rows_stay_where_they_are(tmp_path: Path) -> None:
    """Rows keep their split when rows are added, shuffled or their columns reordered; another seed moves them."""
    frame = pd.read_csv(PENGUINS).drop_duplicates()
    frame["id"] = range(len(frame))
    features = ["bill_length_mm", "bill_depth_mm", "island", "sex"]
    params = _params("species", features=features, split=HASH_SPLIT)
    some = _where(params, frame[::2], tmp_path / "some")
    more = _where(params, frame.sample(frac=1, random_state=1)[frame.columns[::-1]], tmp_path / "more")
    assert len(more) == 344
    assert {key: more[key] for key in some} == some
    counts = pd.Series(more).value_counts()
    # Five standard deviations of a binomial count.
    for name, share in {"train": 0.5, "validation": 0.2, "test": 0.3}.items():
        assert abs(counts[name] - 344 * share) < 5 * np.sqrt(344 * share * (1 - share))
    other = _params("species", features=features, split=HASH_SPLIT | {"seed": 4})
    assert _where(other, frame, tmp_path / "other") != more


def test_rows_of_one_key_stay_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All rows of one key lie in one split, and the key is no feature unless it is listed as one."""
    frame = pd.DataFrame({"key": np.arange(600) // 6, "x": np.arange(600) % 9, "y": np.arange(600) % 2})
    frame["id"] = range(600)
    where = _where(_params("y", features=["x"], split=HASH_SPLIT | {"key": "key"}), frame, tmp_path / "a")
    assert all(len({where[row] for row in range(6 * key, 6 * key + 6)}) == 1 for key in range(100))
    assert len(set(where.values())) == 3
    assert "rows of validation and test equal a training row" in capsys.readouterr().out
    source = tmp_path / "a" / "t.csv"
    prepared = _prepare(_params("y", split=HASH_SPLIT | {"key": "key"}), source, tmp_path / "b")
    assert prepared.encoder.features == ("x", "id")
    key = next(column for column in prepared.schema["columns"] if column["name"] == "key")
    assert (key["role"], "levels" in key) == ("key", False)


def test_equal_rows_in_two_splits_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows of validation and test that a training row equals are reported, however their numbers are written."""
    lines = ["1,u,train,a", "2,v,train,b", "1.0,u,test,a", "2,v,validation,a", "1,u,validation,a", "3,u,test,a"]
    source = _write(tmp_path, "\n".join(["x,c,fold,y", *lines]) + "\n")
    _prepare(_params("y", split={"method": "column", "column": "fold"}), source, tmp_path / "prepared")
    assert "warning   2 rows of validation and test equal a training row" in capsys.readouterr().out
    assert not list((tmp_path / "prepared").glob("*.part"))


@pytest.mark.parametrize("method", ["seed", "hash"])
def test_shares_that_no_row_gets_are_told(tmp_path: Path, method: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Eight rows by lot leave none to test, and one row in a thousand is none of eight; a share of 0 asks for none."""
    shares = {"validation": 0.2, "test": 0.2} if method == "seed" else {"validation": 0.0, "test": 0.001}
    _prepare(_params("y", split={"method": method} | shares), TUTORIAL, tmp_path / "prepared")
    printed = capsys.readouterr().out
    assert f"warning   test: no row, though split.test is {shares['test']:g}; there are too few rows" in printed
    assert "validation: no row" not in printed


def test_splits_of_one_class_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows of weight 0 do not count; a split of two classes, or that the table does not ask for, has no line."""
    lines = ["1,train,a,1", "2,train,b,1", "3,test,a,2", "4,test,b,0", "5,test,a,1", "6,validation,b,1"]
    source = _write(tmp_path, "\n".join(["x,fold,y,w", *lines]) + "\n")
    split = {"method": "column", "column": "fold"}
    _prepare(_params("y", split=split, weights="w"), source, tmp_path / "weighted")
    printed = capsys.readouterr().out
    assert "warning   test: all its 2 rows are of class a; accuracy, balanced accuracy and F1 say nothing" in printed
    assert "warning   validation: its only row is of class b" in printed
    _prepare(_params("y", split=split, features=["x"]), source, tmp_path / "unweighted")
    assert "warning   test" not in capsys.readouterr().out


def test_what_training_never_saw_is_unseen(tmp_path: Path) -> None:
    """Levels and gaps outside the training rows are encoded without columns of their own, never in training rows."""
    source = _write(tmp_path, "n,c,fold,y\n1,u,train,a\n3,v,train,b\n,w,test,a\n5,,test,b\n")
    prepared = _prepare(_params("y", split={"method": "column", "column": "fold"}), source, tmp_path / "prepared")
    assert prepared.encoder.features == ("n", "c=u", "c=v", "c=<unseen>")
    test = prepared.splits["test"].shards[0]
    assert (test.numbers.tolist(), test.codes.tolist()) == ([[2.0], [5.0]], [[2], [2]])
    assert prepared.splits["train"].shards[0].codes.tolist() == [[0], [1]]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [("10 9 9", [9, 10]), ("1.0 0.0 1.0", [0, 1]), ("true false true", [False, True]), ("b a b", ["a", "b"])],
)
def test_labels_keep_their_type(tmp_path: Path, labels: str, classes: list[Any]) -> None:
    """Integers, whole floats, booleans and texts become classes of their type, sorted, and survive the files."""
    first, second, third = labels.split()
    source = _write(tmp_path, f"x,y\n1,{first}\n2,{second}\n3,{third}\n")
    prepared = _prepare(_params("y"), source, tmp_path / "prepared")
    assert list(prepared.encoder.classes) == classes
    assert {type(name) for name in prepared.encoder.classes} == {type(classes[0])}
    assert len(set(prepared.splits["train"].shards[0].labels.tolist())) == 2


def test_integers_that_float64_cannot_hold_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whole numbers beyond 2^53 are reported, standardised or not; declared a category each is a level of its own."""
    source = _write(tmp_path, f"id,y\n{2**53},a\n{2**53 + 1},b\n")
    for standardise in (False, True):
        _prepare(_params("y", standardise=standardise), source, tmp_path / "prepared")
        assert "warning   id: whole numbers up to 9.0072e+15 are read as float64" in capsys.readouterr().out
    prepared = _prepare(_params("y", categories=["id"]), source, tmp_path / "prepared")
    assert prepared.encoder.features[:2] == (f"id={2**53}", f"id={2**53 + 1}")


def test_doubtful_columns_are_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Integers that float32 rounds, and a category that names the rows, are reported but not refused."""
    lines = [f"{2**24 + 1},name {row},{row % 2}\n" for row in range(30)]
    source = _write(tmp_path, "code,name,y\n" + "".join(lines))
    _prepare(_params("y"), source, tmp_path / "prepared")
    report = capsys.readouterr().out
    assert "warning   code: whole numbers up to 16777217 are rounded to float32" in report
    assert "warning   name: 30 levels in 30 rows" in report
    _prepare(_params("y", standardise=True), source, tmp_path / "prepared")
    assert "code:" not in capsys.readouterr().out


TWO = "x,y\n1,a\n2,b\n"
BAD: dict[str, tuple[str | bytes, dict[str, Any], str]] = {
    "empty file": ("", {}, "{source}: the file is empty"),
    "header only": ("x,y\n", {}, "{source}: expected rows below the header line, got none"),
    "target not a column": (TWO, {"target": "Z"}, "expected a column of {source}, got 'Z'; the file has x, y"),
    "target misspelt": ("x,Species\n1,a\n", {"target": "specis"}, "got 'specis'; did you mean 'Species'?"),
    "one class": ("x,y\n1,a\n2,a\n", {}, "expected a target with two classes or more, got only 'a'"),
    "labels missing": ("x,y\n1,a\n\n2,\n3,b\n4,NA\n", {}, "2 of 4 rows have no label: line 4, 6;"),
    "many labels missing": ("x,y\n" + "1,\n" * 9 + "1,a\n", {}, "9 of 10 rows have no label: line 2, 3, 4, 5, 6, ...;"),
    "fractions": ("x,y\n1,1\n2,2.5\n", {}, "{source}, line 3, column y: looks continuous: it holds 2.5"),
    "endless exponent": ("x,y\n1,1\n2,1e999999999\n", {}, "line 3, column y: looks continuous: it holds 1e999999999"),
    "many numbers": ("x,y\n" + "".join(f"1,{n}\n" for n in range(1001)), {}, "looks continuous: it has 1,001 distinct"),
    "identifiers": ("x,y\n" + "".join(f"1,n{n}\n" for n in range(65_537)), {}, "more than 65,536 distinct values"),
    "called like a part": (
        "d,d hour,y\n2024-01-01,7,a\n", {"types": {"d": "date"}},
        "{source}: the date 'd' has a part 'd hour', as a column is called; rename one",
    ),
    "ragged row": ("x,y\n1,a\n2,b,c\n", {}, "{source}, line 3: expected 2 cells as in the header, got 3"),
    "not UTF-8": (b"x,y\n1,a\n2,\xe9\n", {}, "line 3: expected UTF-8 text, got byte 0xe9 (byte 11 of the file)"),
    "column twice": ("x,x,y\n1,2,a\n", {}, "two columns are named 'x'"),
    "no value at all": ("x,z,y\n1,,a\n2,NA,b\n", {}, "no value in any training row of column z"),
    "class never trains": (
        "x,f,y\n1,train,a\n2,train,a\n3,test,b\n", {"split": {"method": "column", "column": "f"}},
        "the split leaves no training row of class 'b'",
    ),
    "no row trains": (
        "x,f,y\n1,test,a\n2,test,b\n", {"split": {"method": "column", "column": "f"}},
        "the split leaves no training row of class 'a', 'b'",
    ),
    "split says else": (
        "x,f,y\n1,train,a\n2,dev,b\n", {"split": {"method": "column", "column": "f"}},
        "{source}, line 3, column f: expected train, validation or test, got 'dev'",
    ),
    "split column unknown": (
        TWO, {"split": {"method": "column", "column": "f"}}, "split.column: expected a column of {source}, got 'f'"
    ),
    "split by target": (TWO, {"split": {"method": "column", "column": "y"}}, "prepare.split.column: 'y' is the target"),
    "no key": (
        "x,k,y\n1,u,a\n2,NA,b\n", {"split": {"method": "hash", "key": "k"}},
        "{source}, line 3, column k: expected a key to split by, got no value",
    ),
    "key unknown": (TWO, {"split": {"method": "hash", "key": "k"}}, "prepare.split.key: expected a column of {source}"),
    "infinite": ("x,y\n1,a\n\n-inf,b\n", {}, "{source}, line 4, column x: expected a finite number, got '-inf'"),
    "beyond float32": ("x,y\n1,a\n4e38,b\n", {}, "line 3, column x: expected a number between -3.4e+38 and 3.4e+38"),
    "text among numbers": ("x,y\n1,a\nn/a,b\n", {}, "line 3, column x: expected a number, got 'n/a'\n  correct it,"),
    "feature unknown": (TWO, {"features": ["x", "w"]}, "prepare.features: expected a column of {source}, got 'w'"),
    "feature is target": (TWO, {"features": ["x", "y"]}, "prepare.features: 'y' is the target or the split column"),
    "no features": (TWO, {"features": []}, "no columns to predict from"),
    "target only": ("y\na\nb\n", {}, "no columns to predict from"),
    "category unknown": (TWO, {"categories": ["w"]}, "prepare.categories: expected a column of {source}, got 'w'"),
    "column without name": (",x,y\n0,1,a\n1,2,b\n", {}, "column 1 has no name in the header"),
    "reserved level to test on": (
        "x,s,y\nu,train,a\nv,train,b\n<missing>,test,b\n", {"split": {"method": "column", "column": "s"}},
        "line 4, column x: the text '<missing>' is reserved",
    ),
    "byte 0 in a text": ("x,y\nu,a\nv\0,b\n", {}, "line 3, column x: expected text, got 'v\\x00', which holds bytes 0"),
    "byte 0 in a label": ("x,y\n1,a\n2,b\0\n", {}, "line 3, column y: expected text, got 'b\\x00', which holds"),
    "byte 0 in a number": ("x,y\n1,a\n2\0,b\n", {}, "line 3, column x: expected a number, got '2\\x00'"),
    "reserved level": ("x,y\nu,a\n<missing>,b\n", {}, "line 3, column x: the text '<missing>' is reserved"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("content", "others", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_one_error_and_harms_nothing(
    tmp_path: Path, content: str | bytes, others: dict[str, Any], message: str
) -> None:
    """Each kind of bad input is told in one message, and what was prepared before stays as it was."""
    out = tmp_path / "prepared"
    before = _prepare(_params("y"), TUTORIAL, out).digest
    source = _write(tmp_path, content)
    with pytest.raises(UserError) as caught:
        prepare.main(params=_params(**{"target": "y", **others}), source=source, out=out)
    assert message.format(source=source) in str(caught.value)
    assert reader.open_dataset(out).digest == before
    assert {path.name for path in tmp_path.iterdir()} == {"prepared", "stream.csv"}


@pytest.mark.slow
def test_a_kill_leaves_what_was_prepared_before(tmp_path: Path) -> None:
    """Killed while it writes, prepare leaves the earlier data whole, and the next run clears what it left."""
    out = tmp_path / "prepared"
    before = _prepare(_params("y"), TUTORIAL, out).digest
    source = _write(tmp_path, "x,y\n" + "".join(f"{row},{'ab'[row % 2]}\n" for row in range(1_500_000)))
    code = (
        "from pathlib import Path; from pipeline.prepare import stage as prepare;"
        "from pipeline.prepare.params import PrepareParams;"
        "params = PrepareParams(source='', target='y');"
        f"prepare.main(params=params, source={str(source)!r}, out=Path({str(out)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    while process.poll() is None and not list(tmp_path.glob("prepared.part/*.safetensors")):
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -9
    assert reader.open_dataset(out).digest == before
    assert _prepare(_params("y"), source, out).digest != before
    assert {path.name for path in tmp_path.iterdir()} == {"prepared", "stream.csv"}


def _peak_megabytes(source: Path, out: Path, keep: list[str]) -> float:
    """Peak memory of a process that prepares ``source`` in chunks of 1 MiB, and keeps these columns."""
    code = (
        "import re; from pathlib import Path; from pipeline.prepare.params import PrepareParams;"
        "from pipeline.prepare.column_roles import roles_of; from pipeline.prepare.survey_source import learn;"
        "from pipeline.prepare.write_dataset import write; from pipeline.table import stream;"
        f"params = PrepareParams(source='', target='y', standardise=True, keep={keep!r});"
        "pace = stream.ReadOptions(1 << 20, 2);"
        f"source, out = Path({str(source)!r}), Path({str(out)!r}); out.mkdir();"
        "roles = roles_of(params, source); learned = learn(params, source, roles, pace);"
        "write(params, source, roles, learned, out, pace);"
        # Not getrusage, whose maximum a process inherits from the one that started it.
        "print(re.search(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text(encoding='utf-8'))[1])"
    )
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout) / 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured in kilobytes there only")
@pytest.mark.parametrize("keep", [[], ["who"]])
def test_memory_is_flat(tmp_path: Path, keep: list[str]) -> None:
    """Four times the rows take the same memory, within a tenth: the noise of allocators and of threads.

    So they do where a column is kept that has another value in each row.
    """
    rows = "".join(f"{row}.25,{row * 7 % 1000},level{row % 50},{'ab'[row % 2]}\n" for row in range(20_000))
    peaks = []
    for times in (100, 400):
        source = tmp_path / f"{times}.csv"
        if keep:
            many = (f"n{number},{row}\n" for number, row in enumerate(rows.splitlines() * times))
        else:
            many = (rows for _ in range(times))
        with source.open("w", encoding="utf-8") as file:
            file.write(",".join([*keep, "u,v,c,y"]) + "\n")
            file.writelines(many)
        peaks.append(_peak_megabytes(source, tmp_path / f"prepared-{times}", keep))
    assert peaks[1] < 1.1 * peaks[0], peaks


def test_no_such_file(tmp_path: Path) -> None:
    """A source that is not there is told by its path."""
    with pytest.raises(UserError, match=r"nothing\.csv: expected a CSV file: no such file"):
        prepare.main(params=_params("y"), source=tmp_path / "nothing.csv", out=tmp_path / "prepared")


CELLS = st.one_of(st.sampled_from(["", "NA", "true", "0", "1.5", "-3", "inf", "x", "é,", '"', "a\r\nb", "1e39"]))


@pytest.mark.slow
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=6), st.sampled_from(METHODS[:3]))
@settings(max_examples=100, deadline=None)
def test_any_small_table_is_prepared_or_told(rows: list[tuple[str, str, str]], method: dict[str, Any]) -> None:
    """Tables of any mixture of cells end in the same bytes, or in one message, whatever the chunk size."""
    quoted = ["a,b,y", *(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)]
    params = _params("y", split=method)
    with tempfile.TemporaryDirectory() as folder:
        source = _write(Path(folder), "\n".join(quoted) + "\n")
        results = []
        for options in (stream.ReadOptions(24), stream.DEFAULTS):
            try:
                results.append(str(_bytes(params, source, options)))
            except UserError:
                # Of several faults the one met first is told, and larger chunks show several at once.
                results.append("told")
    assert results[0] == results[1]


def test_params_are_strict() -> None:
    """Unknown keys, wrong types, unknown split methods, and no or repeated parts of dates are refused."""
    for wrong in (
        {"targets": "y"},
        {"standardise": "yes"},
        {"split": {"method": "random"}},
        {"features": "some"},
        {"date_parts": []},
        {"date_parts": ["day", "day"]},
    ):
        with pytest.raises(ValueError, match="validation error"):
            _params("y", **wrong)


@pytest.mark.slow
def test_prepare_loads_only_what_it_needs(tmp_path: Path) -> None:
    """A whole run imports neither torch, scikit-learn, MLflow nor pandas."""
    code = (
        "import sys; from pathlib import Path; from pipeline.prepare import stage as prepare;"
        "from pipeline.prepare.params import PrepareParams;"
        "params = PrepareParams(source='', target='species', split={'method': 'seed'});"
        f"prepare.main(params=params, source=Path('{PENGUINS}'), out=Path({str(tmp_path / 'prepared')!r}));"
        "import json; print(json.dumps(list(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "sklearn", "mlflow", "pandas", "pyarrow.compute"} & set(
        json.loads(result.stdout.splitlines()[-1])
    )


def test_types_are_overridden(tmp_path: Path) -> None:
    """A declared type wins over what the values look like; dates become the parts that are asked for."""
    source = _write(tmp_path, "d,zip,n,y\n2024-02-29T13:45:00Z,1,1,a\n2023-01-01,2,,b\n,1,2,a\n")
    params = _params("y", types={"d": "date", "zip": "category"}, date_parts=["year", "weekday", "hour"])
    prepared = _prepare(params, source, tmp_path / "prepared")
    assert prepared.encoder.features[:6] == ("d year", "d weekday", "d hour", "n", "d year missing", "n missing")
    assert prepared.encoder.types == {"d": "date", "n": "number", "zip": "text"}
    (shard,) = prepared.splits["train"].shards
    assert shard.numbers[:, :3].tolist() == [[2024, 3, 13], [2023, 6, 0], [2023.5, 4.5, 6.5]]
    again = prepared.encoder.encode(next(stream.read(source, prepared.encoder.types, params.missing_values)))
    np.testing.assert_array_equal(again.numbers, shard.numbers)


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ({"x": "number"}, "line 3, column x: expected a number, got 'true'"),
        ({"x": "date"}, "line 2, column x: expected a date such as 2024-12-31 or 2024-12-31T23:59, got '7'"),
        ({"x": "boolean"}, "line 2, column x: expected true or false, got '7'"),
        ({"w": "date"}, "prepare.types: expected a column of {source}, got 'w'"),
        ({"y": "number"}, "prepare.types: 'y' is the target; only category can be its type"),
    ],
)
def test_values_of_another_type_are_named_by_line(tmp_path: Path, types: dict[str, str], message: str) -> None:
    """What does not fit the declared type, and a type of no column, are told with their place."""
    source = _write(tmp_path, "x,y\n7,a\ntrue,b\n")
    with pytest.raises(UserError) as caught:
        prepare.main(params=_params("y", types=types), source=source, out=tmp_path / "prepared")
    assert message.format(source=source) in str(caught.value)


def test_rare_levels_share_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beyond the limit the levels of fewest rows become one, which the report names and new texts join."""
    source = _write(tmp_path, "c,y\n" + "".join(f"{level},{'ab'[row % 2]}\n" for row, level in enumerate("aabbbcdd")))
    prepared = _prepare(_params("y", max_levels=2), source, tmp_path / "prepared")
    assert prepared.encoder.features == ("c=a", "c=b", "c=<other>", "c=<unseen>")
    assert prepared.splits["train"].shards[0].codes[:, 0].tolist() == [0, 0, 1, 1, 1, 2, 2, 2]
    assert "other     c: 2 rare levels with 3 rows are one, <other>: 'c', 'd'; prepare.max_levels" in (
        capsys.readouterr().out
    )
    new = _write(tmp_path, "c\nzzz\n<unseen>\n")
    assert prepared.encoder.encode(next(stream.read(new, {"c": "text"}, []))).codes.tolist() == [[2], [2]]

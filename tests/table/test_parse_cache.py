"""Columns kept between runs: never a byte of difference, used for what is known, and refused where it is not."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.table import parse_cache, sources

PENGUINS = Path("data/raw/penguins.csv")
SPLITS: list[dict[str, Any]] = [{"method": "none"}, {"method": "seed"}, {"method": "hash", "key": "island"}]


def _params(**others: Any) -> PrepareParams:
    return PrepareParams.model_validate({"source": "", "target": "species", "standardise": True, **others})


def _prepared(source: Path, out: Path, cache: Path | None = None, **params: Any) -> dict[str, bytes]:
    prepare.main(params=_params(**params), source=source, out=out, cache=cache)
    return {path.name: path.read_bytes() for path in out.iterdir()}


def _append(folder: Path, *parts: int) -> None:
    """Add thirds of the penguins as files of their own."""
    frame = pd.read_csv(PENGUINS, dtype=str, keep_default_na=False).sample(frac=1, random_state=1)
    folder.mkdir(exist_ok=True)
    for part in parts:
        frame[part::3].to_csv(folder / f"{part}.csv", index=False)


@pytest.mark.slow
@pytest.mark.parametrize("split", SPLITS, ids=lambda split: split["method"])
def test_what_is_appended_gives_the_bytes_of_a_run_from_scratch(
    tmp_path: Path, split: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A file added to a source is the only one that is parsed, and no byte tells that the others were not."""
    source, cache = tmp_path / "source", tmp_path / "cache"
    _append(source, 0, 1)
    _prepared(source, tmp_path / "out", cache, split=split)
    assert "re-used" not in capsys.readouterr().out
    _append(source, 2)
    added = _prepared(source, tmp_path / "out", cache, split=split)
    assert "re-used   2 of 3 files as parsed before; 1 parsed now, all encoded anew\n" in capsys.readouterr().out
    assert added == _prepared(source, tmp_path / "out", split=split)
    assert added == _prepared(source, tmp_path / "out", cache, split=split)
    assert "re-used   3 of 3 files as parsed before; 0 parsed now" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "change"),
    [
        ({"types": {"year": "category"}}, "column year is text, was number"),
        ({"missing_values": ["", "NA"]}, "missing_values ['', 'NA'] was ['', 'NA', 'N/A', 'NaN', 'nan', 'null']"),
        ({"split": {"method": "hash"}, "features": ["island", "year"]}, None),
    ],
    ids=["types", "missing values", "fewer columns"],
)
def test_another_schema_is_told(
    tmp_path: Path, changed: dict[str, Any], change: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Columns that are now read otherwise are parsed again, and named; fewer columns of the same types are re-used."""
    cache = tmp_path / "cache"
    _prepared(PENGUINS, tmp_path / "out", cache)
    dataset = _prepared(PENGUINS, tmp_path / "out", cache, **changed)
    printed = capsys.readouterr().out
    assert f"re-used   {0 if change else 1} of 1 files" in printed
    assert ("the schema has changed" in printed) == (change is not None)
    assert (change or "") in " ".join(printed.split())
    assert dataset == _prepared(PENGUINS, tmp_path / "out", **changed)


def test_a_column_that_turns_to_text_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A new file that makes words of true and false has all files parsed again, and the line names the column."""
    source, cache = tmp_path / "source", tmp_path / "cache"
    source.mkdir()
    (source / "a.csv").write_text("c,species\ntrue,u\nfalse,v\n")
    _prepared(source, tmp_path / "out", cache)
    (source / "b.csv").write_text("c,species\nmaybe,u\n")
    dataset = _prepared(source, tmp_path / "out", cache)
    printed = capsys.readouterr().out
    assert "0 of 2 files as parsed before; 2 parsed now" in printed
    assert "the schema has changed: column c is text, was boolean" in printed
    assert dataset == _prepared(source, tmp_path / "out")


def test_content_counts_not_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of another content with the same name, size and time is parsed; a renamed one is not."""
    source, cache = tmp_path / "t.csv", tmp_path / "cache"
    source.write_text("x,species\n1,u\n2,v\n")
    times = source.stat()
    first = _prepared(source, tmp_path / "out", cache)
    source.write_text("x,species\n7,u\n2,v\n")
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert _prepared(source, tmp_path / "out", cache) != first
    assert "re-used" not in capsys.readouterr().out
    _prepared(source.rename(tmp_path / "renamed.csv"), tmp_path / "out", cache)
    assert "re-used   1 of 1 files" in capsys.readouterr().out


def _flip(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


HARM = {
    "a bit flipped": lambda entry: _flip(entry / "00000.arrow"),
    "a piece cut short": lambda entry: (entry / "00000.arrow").write_bytes(b""),
    "a piece removed": lambda entry: (entry / "00000.arrow").unlink(),
    "an index cut short": lambda entry: (entry / "index.json").write_text("{", encoding="utf-8"),
    "of other code": lambda entry: (entry / "index.json").write_text(
        (entry / "index.json").read_text(encoding="utf-8").replace('"code": "', '"code": "0')
    ),
    "removed": lambda entry: shutil.rmtree(entry.parent),
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
def test_what_is_damaged_is_parsed_again(tmp_path: Path, harm: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever happens to the folder between runs, the bytes are those of the file, which are then kept again."""
    cache = tmp_path / "cache"
    expected = _prepared(PENGUINS, tmp_path / "out", cache)
    (entry,) = [path.parent for path in cache.glob("*/index.json")]
    harm(entry)
    assert _prepared(PENGUINS, tmp_path / "out", cache) == expected
    assert "1 of 1 files" not in capsys.readouterr().out
    assert _prepared(PENGUINS, tmp_path / "out", cache) == expected
    assert "1 of 1 files" in capsys.readouterr().out


def test_a_failed_run_keeps_nothing(tmp_path: Path) -> None:
    """A run that ends in an error leaves no columns behind, whole or not."""
    cache, source = tmp_path / "cache", tmp_path / "t.csv"
    source.write_text("x,species\n1,u\n2,u\n")
    with pytest.raises(UserError, match="two classes"):
        _prepared(source, tmp_path / "out", cache)
    assert {path.name for path in cache.iterdir()} <= {"lock"}


def test_two_runs_at_once_share_nothing(tmp_path: Path) -> None:
    """While another run uses the folder, everything is parsed and nothing in the folder changes."""
    cache = tmp_path / "cache"
    cache.mkdir()
    with FileLock(cache / "lock"):
        dataset = _prepared(PENGUINS, tmp_path / "out", cache)
    assert dataset == _prepared(PENGUINS, tmp_path / "out")
    assert {path.name for path in cache.iterdir()} <= {"lock"}


def test_room_is_bounded(tmp_path: Path) -> None:
    """What other sources have, the longest unused first, goes to make room; what finds none is not kept."""
    cache = tmp_path / "cache"
    for name in "ab":
        (tmp_path / f"{name}.csv").write_text(f"x,species\n1,u{name}\n2,v\n")
        _prepared(tmp_path / f"{name}.csv", tmp_path / "out", cache)
    older, newer = sorted((path.parent for path in cache.glob("*/index.json")), key=lambda path: path.stat().st_mtime)
    taken = sum(path.stat().st_size for folder in (older, newer) for path in folder.iterdir())
    file = sources.File(str(PENGUINS))
    store = parse_cache.ParseCache(cache, {file.address: file.digest()}, most=taken)
    assert store.takes(1)
    assert (older.exists(), newer.exists()) == (False, True)
    assert not store.takes(taken + 1)
    assert not newer.exists()


CELLS = st.sampled_from(["", "NA", "true", "0", "1.5", "-3", "x", "é,", '"', "a\r\nb", "1e39"])


@pytest.mark.slow
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=6), st.integers(0, 6))
@settings(max_examples=40, deadline=None)
def test_any_small_table_comes_back(rows: list[tuple[str, str, str]], cut: int) -> None:
    """Tables of any mixture of cells, in two files, give the same bytes or the same message from what was kept."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "source").mkdir()
        for file, part in (("a.csv", rows[:cut]), ("b.csv", rows[cut:])):
            lines = ["p,q,species", *(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in part)]
            (folder / "source" / file).write_text("\n".join(lines) + "\n", newline="")
        results = []
        for cache in (None, folder / "cache", folder / "cache"):
            try:
                results.append(str(_prepared(folder / "source", folder / "out", cache)))
            except UserError as error:
                results.append(str(error))
        assert results[0] == results[1] == results[2]

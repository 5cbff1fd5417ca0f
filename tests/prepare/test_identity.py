"""The same rows give the same prepared bytes, however they are read; in another order, the same rows in each split."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.dataset import reader
from pipeline.dataset.shard import SPLITS
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.table import stream
from tests.prepare.prepared_files import files_of

pytestmark = pytest.mark.slow

# More than one block of training rows, and twelve of the smallest chunks.
CHUNK_BYTES = 1 << 18
ROWS = 32_000


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """3 MB of numbers of any size, gaps, dates, booleans, categories, and newlines within quotes."""
    random = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "id": random.permutation(ROWS) + 2**40,
            "real": random.normal(size=ROWS) * 10.0 ** random.integers(-30, 30, ROWS),
            "gaps": np.where(random.random(ROWS) < 0.1, np.nan, random.normal(size=ROWS)),
            "day": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 2_000, ROWS), unit="D"),
            "flag": random.random(ROWS) < 0.5,
            "level": [f'level "{level}",\nof many' for level in random.integers(0, 300, ROWS).tolist()],
            "weight": random.integers(1, 9, ROWS) / 8,
        }
    )
    frame["y"] = np.array(["no", "yes", "perhaps"])[random.integers(0, 3, ROWS)]
    return frame


def _params(method: str) -> PrepareParams:
    content = {"types": {"day": "date"}, "weights": "weight", "standardise": True, "split": {"method": method}}
    return PrepareParams.model_validate({"source": "", "target": "y", "max_levels": 250, **content})


def _write(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_csv(path, index=False, na_rep="NA")
    return path


@pytest.mark.parametrize("method", ["hash", "seed"])
def test_chunks_threads_and_files_leave_no_trace(frame: pd.DataFrame, tmp_path: Path, method: str) -> None:
    """Twelve chunks, two and one, 1 and 2 threads, one file or three: the same bytes."""
    source = _write(frame, tmp_path / "t.csv")
    assert 12 * CHUNK_BYTES < source.stat().st_size < 16 * CHUNK_BYTES
    first = files_of(_params(method), source, stream.ReadOptions(CHUNK_BYTES, 1))
    assert {f"{name}-00000.safetensors" for name in SPLITS} < first.keys()
    for size, threads in ((1, 2), (8, 1), (8, 2), (64, 1), (64, 2)):
        assert files_of(_params(method), source, stream.ReadOptions(size * CHUNK_BYTES, threads)) == first
    folder = tmp_path / "three"
    folder.mkdir()
    for name, start, stop in (("a", 0, 1_000), ("b", 1_000, 18_001), ("c", 18_001, ROWS)):
        _write(frame[start:stop], folder / f"{name}.csv")
    assert files_of(_params(method), folder, stream.DEFAULTS) == first


def _prepared(source: Path, out: Path) -> tuple[bytes, bytes, dict[str, list[bytes]]]:
    """Encoder, schema, and per split its rows, without their numbers, in an order that the source does not tell."""
    prepare.main(params=_params("hash"), source=source, out=out)
    rows = {name: _sorted_rows(part) for name, part in reader.open_dataset(out).splits.items()}
    return (out / "encoder.json").read_bytes(), (out / "schema.json").read_bytes(), rows


def _sorted_rows(part: reader.SplitRows) -> list[bytes]:
    tensors = [shard.tensors() for shard in part.shards]
    names = [name for name in tensors[0] if name != "rows"]
    columns = [np.concatenate([shard[name] for shard in tensors]).reshape(part.rows, -1) for name in names]
    return sorted(row.tobytes() for row in np.hstack([column.astype(np.float64) for column in columns]))


def test_the_order_of_rows_and_files_moves_no_row(frame: pd.DataFrame, tmp_path: Path) -> None:
    """Shuffled in one file, and cut into two whose order is turned round, rows keep split, encoding and statistics."""
    expected = _prepared(_write(frame, tmp_path / "t.csv"), tmp_path / "a")
    assert _prepared(_write(frame.sample(frac=1, random_state=3), tmp_path / "s.csv"), tmp_path / "b") == expected
    folder = tmp_path / "two"
    folder.mkdir()
    _write(frame[:14_000], folder / "b.csv")
    _write(frame[14_000:], folder / "a.csv")
    assert _prepared(folder, tmp_path / "c") == expected

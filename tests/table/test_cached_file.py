"""What lies in the cache is used only if it is what was written there."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.errors import UserError
from pipeline.table import cached_file


@pytest.mark.parametrize(
    "index",
    [
        *(b"\xff", b"", b"[1]", b"[" * 100_000, b'{"content": "\\ud800"}', b'{"content": 1e400}', b'{"pieces": 3}'),
        b'{"folder": "", "content": "%(sha)s", "how": {}, "types": {}, "pieces": []}',
        b'{"folder": "", "content": "%(sha)s", "how": %(how)s, "types": {"a": 1}, "pieces": []}',
        b'{"folder": "", "content": "%(sha)s", "how": %(how)s, "types": {}, "pieces": ["../x"]}',
    ],
)
def test_a_forged_index_is_not_used(tmp_path: Path, index: bytes) -> None:
    """Whatever it says, the table is parsed as if it were not there."""
    how = json.dumps({"separator": ",", "encoding": "utf-8", "missing_values": [], "code": cached_file._code()})
    content = index.replace(b"%(sha)s", b"ab" * 32).replace(b"%(how)s", how.encode())
    (tmp_path / "entry").mkdir()
    (tmp_path / "entry" / "index.json").write_bytes(content)
    assert list(cached_file.usable(tmp_path)) == []


@pytest.mark.parametrize("piece", [b"", b"no Arrow", "another column"])
def test_a_forged_piece_is_one_sentence(tmp_path: Path, piece: bytes | str) -> None:
    """Its digest may fit, so the reader looks again."""
    path = tmp_path / "0.arrow"
    path.write_bytes(cached_file.packed(pa.table({"b": [1]})) if isinstance(piece, str) else piece)
    with pytest.raises(UserError, match="expected columns as they were parsed, got others; remove"):
        cached_file.load(path, ["a"])

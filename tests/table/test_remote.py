"""Tables at http addresses of a real server: the bytes of the local file, or one message."""

import gzip
import http.server
import re
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.dataset import reader
from pipeline.errors import UserError
from pipeline.prepare import stage as prepare
from pipeline.prepare.params import PrepareParams
from pipeline.table import find_source

PENGUINS = Path("data/raw/penguins.csv")


class _Plain(http.server.SimpleHTTPRequestHandler):
    """Sends whole files, and errors for paths that ask for them."""

    def do_GET(self) -> None:
        for status in (403, 500):
            if str(status) in self.path:
                self.send_error(status)
                return
        try:
            super().do_GET()
        except ConnectionError:
            # Who reads a file's beginning hangs up before its end.
            self.close_connection = True

    def log_message(self, *_: Any) -> None: ...


class _Ranges(_Plain):
    """Sends the range of a file that is asked for."""

    def end_headers(self) -> None:
        self.send_header("Accept-Ranges", "bytes")
        super().end_headers()

    def do_GET(self) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if asked is None:
            super().do_GET()
            return
        data = Path(self.translate_path(self.path)).read_bytes()
        first, last = int(asked[1]), min(int(asked[2]), len(data) - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        self.wfile.write(data[first : last + 1])


@pytest.fixture(params=[_Plain, _Ranges])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a running server, and the folder that it serves."""
    folder = tmp_path / "site"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(request.param, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    thread.join()
    server.server_close()


def _digest(source: str | Path, out: Path) -> str:
    params = PrepareParams(source="", target="species", standardise=True)
    prepare.main(params=params, source=source, out=out)
    return reader.open_dataset(out).digest


@pytest.mark.slow
def test_addresses_give_the_bytes_of_the_file(site: tuple[str, Path], tmp_path: Path) -> None:
    """A file, packed, a folder's listing and a glob on a server are prepared as the file on this machine is."""
    address, folder = site
    data = PENGUINS.read_bytes()
    (folder / "p.csv").write_bytes(data)
    (folder / "p.csv.gz").write_bytes(gzip.compress(data))
    rows = data.splitlines(keepends=True)
    (folder / "many").mkdir()
    (folder / "many" / "a.csv").write_bytes(b"".join(rows[:100]))
    (folder / "many" / "b.csv").write_bytes(b"".join([rows[0], *rows[100:]]))
    expected = _digest(PENGUINS, tmp_path / "out")
    for path in ("p.csv", "p.csv.gz", "many/", "many/*.csv"):
        assert _digest(f"{address}/{path}", tmp_path / "out") == expected, path


@pytest.mark.slow
def test_a_large_file_is_read_as_a_stream(site: tuple[str, Path], tmp_path: Path) -> None:
    """A table of 11 MB, more than stores fetch at once, comes whole, whether or not the server knows ranges."""
    address, folder = site
    lines = "".join(f"{row},{'ab'[row % 2]}\n" for row in range(100_000))
    (folder / "t.csv").write_text("x,species\n" + lines * 14, encoding="utf-8")
    assert (folder / "t.csv").stat().st_size > 11_000_000
    assert _digest(f"{address}/t.csv", tmp_path / "a") == _digest(folder / "t.csv", tmp_path / "b")


@pytest.mark.slow
@pytest.mark.parametrize("site", [_Ranges], indirect=True)
def test_parquet_is_read_by_ranges(site: tuple[str, Path], tmp_path: Path) -> None:
    """Parquet, whose directory stands at its end, is read from a server that knows ranges."""
    address, folder = site
    pd.read_csv(PENGUINS).to_parquet(folder / "p.parquet")
    assert _digest(f"{address}/p.parquet", tmp_path / "a") == _digest(PENGUINS, tmp_path / "b")


@pytest.mark.slow
def test_what_a_server_refuses_is_one_message(site: tuple[str, Path], tmp_path: Path) -> None:
    """An absent file, a forbidden one, a failing server and none at all are told by address."""
    address, _ = site
    for path, reason in (("no.csv", "no such file"), ("403.csv", "403"), ("500.csv", "500")):
        with pytest.raises(UserError, match=rf"{address}/{path}: expected a CSV file: .*{reason}"):
            _digest(f"{address}/{path}", tmp_path / "out")
    with pytest.raises(UserError, match=r"http://127.0.0.1:9/p.csv: expected a CSV file: connect call failed"):
        find_source.find("http://127.0.0.1:9/p.csv")

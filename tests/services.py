"""Real servers for tests, on free ports of 127.0.0.1: PostgreSQL, and an S3 store that moto keeps in memory."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 60.0

# Whose processes PostgreSQL may be: it refuses to run as root.
_SERVER_USER = "postgres"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def postgres_binaries() -> Path | None:
    """The folder with initdb and postgres, of Debian's newest package or on the path."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    on_path = shutil.which("initdb")
    return programs[-1].parent if programs else Path(on_path).parent if on_path else None


def why_no_postgres() -> str:
    """The reason to skip a test that needs PostgreSQL; empty if there is none."""
    if postgres_binaries() is None:
        return "needs PostgreSQL's initdb and postgres (apt install postgresql)"
    if not hasattr(os, "geteuid"):
        return "PostgreSQL is tried on POSIX systems only"
    import pwd

    if os.geteuid() == 0 and _SERVER_USER not in {entry.pw_name for entry in pwd.getpwall()}:
        return f"PostgreSQL does not run as root, and there is no user {_SERVER_USER}"
    return ""


@contextmanager
def postgres() -> Iterator[str]:
    """The SQLAlchemy address of an empty database, of a server that ends with the block."""
    binaries = postgres_binaries()
    assert binaries is not None
    user = _SERVER_USER if os.geteuid() == 0 else None
    # Below pytest's folders, which only their owner may enter, the server's user could not get.
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        if user:
            shutil.chown(folder, user)
        data = Path(folder) / "data"
        prepare = [binaries / "initdb", "-D", data, "-U", "softmax", "--auth=trust", "--no-sync", "-E", "UTF8"]
        subprocess.run(prepare, check=True, capture_output=True, user=user, cwd=folder)
        port = free_port()
        serve = [binaries / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F"]
        with _running([str(word) for word in serve], Path(folder), user=user):
            create = [binaries / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "softmax", "mlflow"]
            _wait(lambda: subprocess.run(create, capture_output=True, check=False).returncode == 0)
            yield f"postgresql://softmax@127.0.0.1:{port}/mlflow"


@contextmanager
def s3(folder: Path) -> Iterator[str]:
    """The address of an S3 server without buckets, which ends with the block."""
    port = free_port()
    serve = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _running(serve, folder):
        _wait(lambda: _listens(port))
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _running(command: list[str], folder: Path, user: str | None = None) -> Iterator[None]:
    """A server in the background; SIGINT ends PostgreSQL without waiting for its clients."""
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, user=user, cwd=folder)
    try:
        yield
    finally:
        process.send_signal(2)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(is_ready: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not is_ready():
        if time.monotonic() > end:
            raise AssertionError("the server did not start")
        time.sleep(0.1)

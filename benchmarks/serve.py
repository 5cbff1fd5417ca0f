"""The server beside two others: `python -m benchmarks.serve`, 2 minutes; `--quick`: 40 seconds.

Penguins, a row of six columns to three classes, on loopback. Each server runs alone, on one core where the system lets
a process choose (Linux), and the client on another one:

1. serve: `python -m pipeline serve`, all columns of predictions.csv.
2. mlflow: `mlflow models serve` of scikit-learn's pipeline (standardised numbers, one-hot levels, LogisticRegression).
3. fastapi: the same pipeline behind a FastAPI app in twenty lines, by uvicorn with httptools and uvloop.

The client keeps 1 and then 10 connections busy for `--seconds` each with requests of a row, then with batches of 1,000
rows over 10. Seconds until the first answer are the median of 3 starts. Memory is the resident set after all that, of
the server's process and its children.
"""

import asyncio
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import psutil
from rich.console import Console
from rich.table import Table

from tests.project import UNTRACKED, Project
from tests.services import free_port

try:
    from uvloop import run
except ModuleNotFoundError:  # there is none for Windows
    from asyncio import run

STARTS, CONNECTIONS, BATCH = 3, 10, 1000
_PATIENCE = 120.0

_SAVE = """
import sys
import mlflow.sklearn, pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
rows = pd.read_csv(sys.argv[1])
x, y = rows.drop(columns="species")[sys.argv[3].split(",")], rows["species"]
numbers, texts = make_column_selector(dtype_include="number"), make_column_selector(dtype_exclude="number")
encode = make_column_transformer(
    (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
    (OneHotEncoder(handle_unknown="ignore"), texts),
)
model = make_pipeline(encode, LogisticRegression(max_iter=1000)).fit(x, y)
mlflow.sklearn.save_model(
    model, sys.argv[2], serialization_format="cloudpickle", pyfunc_predict_fn="predict_proba",
    pip_requirements=["scikit-learn"],
)
"""

_APP = """
import cloudpickle, pathlib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

class Rows(BaseModel):
    columns: list[str]
    data: list[list[float | str | None]]

class Request(BaseModel):
    dataframe_split: Rows

model = cloudpickle.loads(pathlib.Path("sklearn/model.pkl").read_bytes())
app = FastAPI()

@app.get("/ping")
def ping() -> str:
    return "ok"

@app.post("/invocations")
def score(request: Request) -> dict[str, list[list[float]]]:
    rows = pd.DataFrame(request.dataframe_split.data, columns=request.dataframe_split.columns)
    return {"predictions": model.predict_proba(rows).tolist()}
"""


@dataclass
class _Client(asyncio.Protocol):
    """One connection that sends the next request when the answer to the last one is whole."""

    request: bytes
    over: "asyncio.Future[None]"
    seconds: list[float] = field(default_factory=list)
    failed: int = 0
    refusal: bytes = b""
    _answer: bytearray = field(default_factory=bytearray)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._send()

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        end = self._answer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._answer[:end]).lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        if len(self._answer) < end + 4 + length:
            return
        self.seconds.append(time.perf_counter() - self._began)
        if not head.startswith(b"http/1.1 200"):
            self.refusal = bytes(self._answer[:500])
            self._transport.abort()
            return
        self._answer.clear()
        if not self.over.done():
            self._send()

    def connection_lost(self, _error: Exception | None) -> None:
        self.failed += not self.over.done()


@dataclass(frozen=True)
class Load:
    """What the clients of a load measured: answers a second, and seconds of each."""

    rate: float
    p50: float
    p99: float


async def _load(port: int, body: bytes, connections: int, seconds: float) -> Load:
    head = f"POST /invocations HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    clients = [_Client(request, over) for _ in range(connections)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)
    await asyncio.sleep(min(0.5, seconds / 4))
    for client in clients:
        client.seconds.clear()
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - began
    measured = sorted(each for client in clients for each in client.seconds)
    over.set_result(None)
    failed = sum(client.failed for client in clients)
    if failed or not measured:
        refusals = {client.refusal for client in clients}
        raise RuntimeError(f"{failed} requests failed, {len(measured)} were answered: {refusals}")
    await asyncio.sleep(0.2)
    place = len(measured) - 1
    return Load(len(measured) / took, measured[place // 2], measured[place * 99 // 100])


@dataclass(frozen=True)
class Measured:
    """A server's row of the table."""

    ready: float
    one: Load
    ten: Load
    batches: Load
    memory: float


def _measure(command: list[str], folder: Path, port: int, bodies: tuple[bytes, bytes], seconds: float) -> Measured:
    starts = []
    for _ in range(STARTS - 1):
        with _running(command, folder, port) as (_, ready):
            starts.append(ready)
    with _running(command, folder, port) as (process, ready):
        starts.append(ready)
        one = run(_load(port, bodies[0], 1, seconds))
        ten = run(_load(port, bodies[0], CONNECTIONS, seconds))
        memory = _memory(process)
        batches = run(_load(port, bodies[1], CONNECTIONS, seconds))
    return Measured(statistics.median(starts), one, ten, batches, memory)


@contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """A server, and the seconds until its first answer."""
    began = time.perf_counter()
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, preexec_fn=_pinned(0))
    try:
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5):
                    break
            except OSError:
                if process.poll() is not None or time.perf_counter() - began > _PATIENCE:
                    raise RuntimeError((folder / "server.log").read_text(encoding="utf-8")) from None
                time.sleep(0.01)
        yield process, time.perf_counter() - began
    finally:
        family = _family(process)
        for each in family:
            each.terminate()
        for each in psutil.wait_procs(family, 30)[1]:  # a server that still ends would answer for the next one
            each.kill()
        process.wait()


def _pinned(core: int) -> Any:
    """A function that keeps a process on one of the cores that it may use; None where the system has none."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    return lambda: os.sched_setaffinity(0, {cores[core % len(cores)]})


def _family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    parent = psutil.Process(process.pid)
    return [*parent.children(recursive=True), parent]


def _memory(process: subprocess.Popen[bytes]) -> float:
    return sum(each.memory_info().rss for each in _family(process)) / 1e6


def _bodies(table: Path, names: list[str], numbers: set[str]) -> tuple[bytes, bytes]:
    """A request of the first whole row, and one of 1,000 rows."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if "" not in row.values() and "NA" not in row.values()]
    data = [[float(row[name]) if name in numbers else row[name] for name in names] for row in rows]
    batch = (data * (BATCH // len(data) + 1))[:BATCH]
    one, many = ({"dataframe_split": {"columns": names, "data": part}} for part in (data[:1], batch))
    return json.dumps(one).encode(), json.dumps(many).encode()


def _prepared(folder: Path) -> tuple[Project, list[str], set[str]]:
    """A project with a model of penguins, the names of its columns, and which of these are numbers."""
    project = Project(folder)
    project.pipeline("init", "data/raw/penguins.csv", "--target", "species", "--force")
    project.dvc("repro", **UNTRACKED)
    encoder = json.loads(project.read("models/softmax.json"))["encoder"]
    numbers = [column["name"] for column in encoder["numbers"]]
    return project, [*numbers, *(column["name"] for column in encoder["categories"])], set(numbers)


def _servers(project: Project, names: list[str]) -> dict[str, tuple[list[str], int]]:
    """Each server's command and port."""
    saved = project.folder / "sklearn"
    table = project.folder / "data/raw/penguins.csv"
    project.run(sys.executable, "-c", _SAVE, str(table), str(saved), ",".join(names))
    (project.folder / "plain_app.py").write_text(_APP, encoding="utf-8")
    ports = [free_port() for _ in range(3)]
    mlflow = ["models", "serve", "-m", "sklearn", "--env-manager", "local", "-h", "127.0.0.1", "-p", str(ports[1])]
    fastapi = ["plain_app:app", "--no-access-log"]
    return {
        "serve": ([sys.executable, "-m", "pipeline", "serve", "--port", str(ports[0])], ports[0]),
        "mlflow": ([sys.executable, "-m", "mlflow", *mlflow], ports[1]),
        "fastapi": ([sys.executable, "-m", "uvicorn", *fastapi, "--port", str(ports[2])], ports[2]),
    }


@click.command()
@click.option("--quick", is_flag=True, help="Shorter loads.")
@click.option("--seconds", type=float, default=5.0, show_default=True, help="Of each load.")
def main(quick: bool, seconds: float) -> None:
    """Print the table."""
    console = Console()
    if (pin := _pinned(1)) is not None:
        pin()
    with tempfile.TemporaryDirectory() as name:
        project, names, numbers = _prepared(Path(name) / "project")
        bodies = _bodies(project.folder / "data/raw/penguins.csv", names, numbers)
        table = Table("server", "ready s", "p50 ms", "p99 ms", "requests/s", "rows/s, batches", "MB")
        for server, (command, port) in _servers(project, names).items():
            console.print(f"measuring {server}")
            got = _measure(command, project.folder, port, bodies, 1.0 if quick else seconds)
            table.add_row(
                server,
                f"{got.ready:.2f}",
                f"{got.one.p50 * 1e3:.2f}",
                f"{got.one.p99 * 1e3:.2f}",
                f"{got.ten.rate:,.0f}",
                f"{got.batches.rate * BATCH:,.0f}",
                f"{got.memory:.0f}",
            )
    console.print(table)
    console.print("aims of serve: ready < 1 s, p50 < 1 ms, >= 3,500 requests/s, < 120 MB")


if __name__ == "__main__":
    main()

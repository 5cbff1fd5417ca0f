"""A server of a model, in a process of its own on a free port, and a client that shows what it answers."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.services import PATIENCE

SOURCE = Path(__file__).parents[2]
# What asks for a polite end: Windows ends a process at SIGTERM without asking.
STOP = getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM)
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON; numbers stay the texts that they are."""
        return json.loads(self.body, parse_float=str, parse_int=str)

    @property
    def sentence(self) -> str:
        """The message of an error, by whichever protocol."""
        document = json.loads(self.body)
        return str(document["message"] if "message" in document else document["error"])


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int
    process: subprocess.Popen[str]
    log: Path

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def connection(self) -> Iterator[http.client.HTTPConnection]:
        """A connection that stays open within the block."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            yield connection

    def get(self, path: str, **headers: str) -> Answer:
        """The answer to GET."""
        with self.connection() as connection:
            return ask(connection, "GET", path, None, headers)

    def post(self, path: str, body: Any, headers: dict[str, str] = JSON) -> Answer:
        """The answer to POST of bytes, or of what JSON has for another value."""
        with self.connection() as connection:
            return ask(connection, "POST", path, body, headers)

    def said(self) -> str:
        """What it has told on standard error so far."""
        return self.log.read_text(encoding="utf-8")

    def stop(self) -> tuple[int, str]:
        """Its exit status after a polite signal, and the rest of its standard output."""
        self.process.send_signal(STOP)
        printed, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, printed


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: Any, headers: dict[str, str]) -> Answer:
    """An answer over a connection."""
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, path, content, headers)
    response = connection.getresponse()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


@contextmanager
def serving(folder: Path, *options: str, log: Path | None = None, **environment: str) -> Iterator[Server]:
    """A server that runs in a folder, with ``models`` and ``prepared`` in it unless options say otherwise."""
    given = () if "--alias" in options else ("--model", "models", "--prepared", "prepared")
    command = [sys.executable, "-m", "pipeline", "serve", "--port", "0", *given, *options]
    log = log or folder / "server.log"
    variables = os.environ | {"PYTHONPATH": str(SOURCE), "COLUMNS": "100"} | environment
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # for Ctrl-Break
        )
    try:
        assert process.stdout is not None
        printed = ""
        while not (port := re.search(r"http://\S+:(\d+)", printed)):
            line = process.stdout.readline()
            assert line, f"the server ended: {log.read_text(encoding='utf-8')}"
            printed += line
        yield Server(int(port[1]), process, log)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def wait_until(holds: Any) -> None:
    """Wait until a function is true."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.05)

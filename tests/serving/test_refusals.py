"""What cannot be answered: one sentence, with the status and in the form that the protocol has for it."""

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving import models
from tests.serving.server import JSON, Answer, Server, serving, wait_until

pytestmark = pytest.mark.slow

ROW = models.values(["0.5", "1", "1.000,0", "true", "2026-01-01", "red"])
RECORD = dict(zip(models.COLUMNS, ROW, strict=True))
SPLIT = {"columns": models.COLUMNS, "data": [ROW]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with small limits for all tests; it has told nothing at the end."""
    folder = tmp_path_factory.mktemp("project")
    models.write(folder)
    with serving(folder, "--max-bytes", "100000", "--max-rows", "50", "--timeout", "1.5") as running:
        yield running
        assert running.said() == ""


def is_one_sentence(answer: Answer) -> bool:
    """On one line, short, and without the names of our modules."""
    return "\n" not in answer.sentence and len(answer.sentence) < 500 and "Traceback" not in answer.sentence


def with_value(column: str, value: Any) -> dict[str, Any]:
    """A request whose second row has another value."""
    return {"dataframe_records": [RECORD, RECORD | {column: value}]}


BODIES: list[tuple[Any, int, str]] = [
    (b"", 400, "got an empty body"),
    (b"{", 400, "expected JSON"),
    (b"[1]", 400, "expected a JSON object, got a list"),
    (b"\xff\xfe", 400, "expected JSON"),
    (b'{"inputs": {"x 1": [NaN]}}', 400, "line 1, column 21: expected JSON, got NaN, which JSON does not have"),
    (b'{"inputs": {"x 1": [-Infinity]}}', 400, "got Infinity"),
    (b'{"inputs": {"x 1": [1e999]}}', 400, "infinity"),
    (b'{"inputs": {"x 1": [1], "x 1": [2]}}', 400, "expected every key once, got 'x 1' twice"),
    (b'{"inputs": [{"x 1": 1, "x 1": ":"}]}', 400, "'x 1' twice"),
    (b'{"inputs":' + b"[" * 5000 + b"]" * 5000 + b"}", 400, "depth limit"),
    ({}, 400, "expected one of dataframe_split, dataframe_records, instances, inputs, got the keys none"),
    ({"inputs": [], "instances": []}, 400, "expected one of"),
    ({"data": [[1]]}, 400, "got the keys data"),
    ({"dataframe_split": [1]}, 400, "expected an object with the lists columns and data"),
    ({"dataframe_split": {"columns": ["a", "a"], "data": []}}, 400, "expected every column once, got 'a' twice"),
    ({"dataframe_split": {"columns": [1], "data": []}}, 400, "expected texts as columns"),
    ({"dataframe_split": SPLIT | {"data": [ROW, ROW[1:]]}}, 400, "row 2: expected a list of 6 values, one a column"),
    ({"dataframe_split": SPLIT | {"data": [ROW, "abcdef"]}}, 400, "row 2: expected a list of 6 values"),
    ({"dataframe_split": {"columns": ["x 1"], "data": [[1]]}}, 400, "expected columns 100%, price, alive, day, colour"),
    ({"dataframe_records": [RECORD, {"x 1": 1}]}, 400, "row 2: expected columns 100%, price"),
    ({"dataframe_records": [RECORD, 5]}, 400, "row 2: expected an object"),
    ({"dataframe_records": {"x 1": [1]}}, 400, "expected a list of rows"),
    ({"inputs": [[1, 2]]}, 400, "inputs: row 1: expected an object"),
    ({"inputs": {"x 1": 1}}, 400, "column 'x 1': expected a list of values"),
    ({"inputs": {name: [value] * (1 + (name == "x 1")) for name, value in RECORD.items()}}, 400, "expected 2 values"),
    (with_value("x 1", "abc"), 400, "row 2, column x 1: expected a number, got 'abc'"),
    (with_value("x 1", [1]), 400, "row 2, column x 1: expected a number, a text, true, false or null, got [1]"),
    (with_value("x 1", {"a": {"b": 1}}), 400, "row 2, column x 1: expected a number"),
    (with_value("x 1", 1e39), 400, "row 2, column x 1: expected a number between"),
    (with_value("x 1", True), 400, "row 2, column x 1: expected a number, got 'true'"),
    (with_value("alive", "maybe"), 400, "row 2, column alive: expected"),
    (with_value("day", "yesterday"), 400, "row 2, column day: expected"),
    (with_value('colour"<b>', {"a": 1}), 400, "row 2, column colour"),
    ({"dataframe_records": [RECORD] * 51}, 413, "expected at most 50 rows in a request, got 51"),
    ({"dataframe_split": SPLIT | {"data": [ROW] * 51}}, 413, "expected at most 50 rows"),
    ({"inputs": {name: [value] * 51 for name, value in RECORD.items()}}, 413, "expected at most 50 rows"),
    (b" " * 100_001, 413, "expected at most 100,000 bytes as body, got more"),
]


@pytest.mark.parametrize(("body", "status", "part"), BODIES)
def test_a_bad_body(server: Server, body: Any, status: int, part: str) -> None:
    """Named with the row and the column, and with what to do."""
    answer = server.post("/invocations", body)
    assert (answer.status, part in answer.sentence, is_one_sentence(answer)) == (status, True, True), answer.sentence
    assert {*answer.json} == {"error_code", "message"}
    assert server.get("/ping").status == 200


TABLES: list[tuple[bytes, int, str]] = [
    (b"", 400, "got an empty body"),
    (b"x 1\n1\n", 400, "column"),
    (b"\x1f\x8b\x08", 400, "got a packed file or Parquet"),
    (b"PAR1", 400, "got a packed file or Parquet"),
    (b"\x00\x01\x02", 400, "the body"),
    (
        ",".join(f'"{name.replace(chr(34), chr(34) * 2)}"' for name in models.COLUMNS).encode() + b"\nabc,1,1,true,,\n",
        400,
        "line 2",
    ),
    (",".join(models.COLUMNS).replace('"', "'").encode() + b"\n1,2,3\n", 400, "the body"),
]


@pytest.mark.parametrize(("body", "status", "part"), TABLES)
def test_a_bad_table(server: Server, body: bytes, status: int, part: str) -> None:
    """As `predict` says it of a file, with the line."""
    answer = server.post("/invocations", body, {"content-type": "text/csv"})
    assert (answer.status, part in answer.sentence, is_one_sentence(answer)) == (status, True, True), answer.sentence
    assert "tmp" not in answer.sentence


@pytest.mark.parametrize(
    ("headers", "status", "part"),
    [
        ({}, 415, "expected the content type application/json or text/csv, got none"),
        ({"content-type": "application/xml"}, 415, "got 'application/xml'"),
        ({"content-type": "text/plain"}, 415, "got 'text/plain'"),
        ({"content-type": "application/json; charset=latin-1"}, 415, "expected charset=utf-8"),
        (JSON | {"content-encoding": "gzip"}, 415, "not packed"),
        (JSON | {"host": "evil.example"}, 421, "expected a Host header that names this machine"),
        (JSON | {"host": "127.0.0.1.evil.example:80"}, 421, "Host"),
    ],
)
def test_bad_headers(server: Server, headers: dict[str, str], status: int, part: str) -> None:
    """Another content type, a packed body, a name that a page of another site leads here."""
    answer = server.post("/invocations", {"dataframe_records": [RECORD]}, headers)
    assert (answer.status, part in answer.sentence) == (status, True), answer.sentence
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]:80", "LOCALHOST:9"])
def test_names_of_this_machine(server: Server, host: str) -> None:
    """With a port or without."""
    assert server.get("/ping", host=host).status == 200


@pytest.mark.parametrize("path", ["/invocations", "/v2/models/softmax/infer"])
def test_other_methods(server: Server, path: str) -> None:
    """405, and which would do."""
    answer = server.get(path)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert server.post("/ping", {}).status == 405
    assert server.post("/v2", {}).json == {"error": "expected GET or HEAD, got POST"}


@pytest.mark.parametrize(
    "path", ["/nothing", "/invocations/", "/v2/nothing", "/../etc/passwd", "/%2e%2e", "//", "/v2/"]
)
def test_unknown_paths(server: Server, path: str) -> None:
    """404 in the form of the protocol."""
    answer = server.get(path)
    assert (answer.status, "expected a path" in answer.sentence) == (404, True)


def exchange(server: Server, content: bytes, seconds: float = 10.0) -> bytes:
    """What comes back for bytes over a connection until the server closes it."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as connection:
        connection.sendall(content)
        parts = []
        while part := connection.recv(1 << 16):
            parts.append(part)
        return b"".join(parts)


HEAD = b"POST /invocations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /ping HTTP/1.1\r\nHost: localhost\r\nX: ", HEAD + b"Content-Length: 50\r\n\r\n{"],
    ids=["nothing", "half of the headers", "half of a body"],
)
def test_who_does_not_go_on_is_not_waited_for(server: Server, sent: bytes) -> None:
    """The connection ends, with 408 where a request had begun."""
    began = time.monotonic()
    came = exchange(server, sent)
    assert time.monotonic() - began < 8
    assert (b" 408 " in came) == sent.endswith(b"{")


def test_no_http(server: Server) -> None:
    """400, and the connection ends."""
    came = exchange(server, b"\x16\x03\x01 hello\r\n\r\n")
    assert came.startswith(b"HTTP/1.1 400 ")
    assert came.endswith(b'"message":"expected an HTTP request, got something else"}')


@pytest.mark.parametrize("header", [b"X: " + b"a" * 200_000, b"X: a\r\n" * 20_000], ids=["one", "many"])
def test_headers_without_end(server: Server, header: bytes) -> None:
    """431, before they take more room."""
    assert exchange(server, b"GET /ping HTTP/1.1\r\nHost: localhost\r\n" + header).startswith(b"HTTP/1.1 431 ")


def test_requests_without_waiting_for_answers(server: Server) -> None:
    """As many as fit into a connection are answered in their order: their headers are not one long one."""
    body = json.dumps({"dataframe_records": [RECORD]}).encode()
    request = HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    last = b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert exchange(server, request * 600 + last).count(b" 200 OK") == 601


def test_an_answer_that_nobody_reads(server: Server) -> None:
    """The connection is cut, and its answers are dropped."""
    body = json.dumps({"dataframe_records": [RECORD] * 50}).encode()
    request = HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(20)
        connection.connect(("127.0.0.1", server.port))
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            connection.sendall(request * 20_000)


def test_a_body_without_end(server: Server) -> None:
    """A chunked body is refused where it is too large; its client may have asked before it sent."""
    chunk = b"%x\r\n%b\r\n" % (60_000, b" " * 60_000)
    came = exchange(server, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 3 + b"0\r\n\r\n")
    assert came.startswith(b"HTTP/1.1 413 ")
    came = exchange(server, HEAD + b"Content-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n")
    assert came.startswith(b"HTTP/1.1 413 ")


def test_a_cut_connection(server: Server) -> None:
    """Who goes away before the end has no answer; the others have theirs, and a metric counts it."""

    def cuts() -> str:
        found = re.search(r"^serve_disconnected_total (\S+)$", server.get("/metrics").body.decode(), re.MULTILINE)
        assert found
        return found[1]

    before = cuts()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(HEAD + b'Content-Length: 50\r\n\r\n{"inputs"')
    wait_until(lambda: cuts() != before)
    assert server.post("/invocations", {"dataframe_records": [RECORD]}).status == 200


def test_a_million_rows(server: Server) -> None:
    """The sentence comes although the client sends all of it first."""
    body = json.dumps({"inputs": {"x 1": [0.5] * 1_000_000}}).encode()
    answer = server.post("/invocations", body)
    assert (answer.status, is_one_sentence(answer)) == (413, True)


def test_what_is_sent_is_not_told(tmp_path: Path) -> None:
    """Neither body, query, headers nor the store's password come to the terminal, whatever was wrong."""
    models.write(tmp_path)
    store = "postgresql://user:S3CRET@127.0.0.1:1/none"
    with serving(tmp_path, MLFLOW_TRACKING_URI=store) as server:
        for body in (b"{S3CRET", {"inputs": [{"x 1": "S3CRET"}]}, {"dataframe_records": [RECORD]}):
            server.post("/invocations?key=S3CRET", body, JSON | {"authorization": "Bearer S3CRET"})
        exchange(server, b"S3CRET\r\n\r\n")
        _, printed = server.stop()
        assert "S3CRET" not in printed + server.said()

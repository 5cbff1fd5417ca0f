"""What an attacker sends: requests within requests, names of other machines, bodies that cost more than they weigh."""

import asyncio
import json
import socket
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipeline.serving import hosts, ranges
from pipeline.serving.application import Application
from pipeline.serving.limits import Limits
from pipeline.serving.models import Exchange, FolderSource, served
from tests.serving import models
from tests.serving.server import JSON, Server, serving, wait_until
from tests.serving.test_refusals import HEAD, RECORD, exchange, is_one_sentence

pytestmark = pytest.mark.slow

BODY = json.dumps({"dataframe_records": [RECORD]}).encode()
TENSORS = {
    "inputs": [{"name": name, "shape": [1], "datatype": "BYTES", "data": [value]} for name, value in RECORD.items()]
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests; it has told nothing at the end, and ends."""
    folder = tmp_path_factory.mktemp("project")
    models.write(folder)
    with serving(folder, "--timeout", "5") as running:
        yield running
        assert running.said() == ""
        assert running.stop()[0] == 0


def closing(head: bytes) -> bytes:
    """The head of a request after whose answer the connection ends."""
    return head + b"Connection: close\r\n\r\n"


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 5, 5",
        b"Content-Length: +5",
        b"Content-Length: 0x5",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding : chunked",
        b"Content-Length\x00: 5",
        b"X: a\nContent-Length: 5",
    ],
)
def test_two_readings_of_where_a_body_ends(server: Server, header: bytes) -> None:
    """400, and nothing behind it is taken for a request."""
    inner = closing(b"GET /version HTTP/1.1\r\nHost: localhost\r\n")
    came = exchange(server, HEAD + header + b"\r\n\r\n" + inner)
    assert came.startswith(b"HTTP/1.1 400 ")
    assert came.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"TLS/1.0"])
@pytest.mark.parametrize("pieces", [1, 3])
def test_an_offer_of_another_protocol_is_not_taken(server: Server, protocol: bytes, pieces: int) -> None:
    """Java's client makes one with every first request; each of them has its answer, with its own body."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: %b\r\nHTTP2-Settings: AAMAAABk\r\n" % protocol
    request = HEAD + offer + b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
    last = closing(b"GET /version HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\n")
    content = request * 500 + last if pieces == 1 else request + last
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        for start in range(pieces):
            connection.sendall(content[start * len(content) // pieces : (start + 1) * len(content) // pieces])
        came = b"".join(iter(partial(connection.recv, 1 << 16), b""))
    assert came.count(b"HTTP/1.1 200 OK") == content.count(b"HTTP/1.1")
    assert came.count(b'"predicted"') == content.count(b"POST ")


def test_a_body_behind_an_offer_is_no_request(server: Server) -> None:
    """A proxy would hand it on as a body, and another client would get the answer to what is in it."""
    inner = b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"
    head = HEAD + b"Upgrade: h2c\r\nContent-Length: %d\r\nConnection: upgrade\r\n\r\n" % len(inner)
    came = exchange(server, head + inner + closing(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n"))
    assert came.startswith(b"HTTP/1.1 400 ")
    assert came.count(b"HTTP/1.1 ") == 2


def test_it_is_no_proxy(server: Server) -> None:
    """CONNECT, and requests for other places."""
    assert exchange(server, closing(b"CONNECT a:80 HTTP/1.1\r\nHost: localhost\r\n")).startswith(b"HTTP/1.1 400 ")
    assert exchange(server, closing(b"CONNECT a:80 HTTP/1.1\r\nHost: localhost\r\nUpgrade: x\r\n")).count(b" 400 ") == 1


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_a_page_of_another_site_must_ask_first(server: Server, origin: str) -> None:
    """Whatever a browser sends for it without asking is refused, also a body without a type."""
    kinds = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "text/plain", None]
    for kind in kinds:
        headers = {"origin": origin} if kind is None else {"origin": origin, "content-type": kind}
        for path, body in (("/invocations", BODY), ("/v2/models/softmax/infer", TENSORS)):
            assert server.post(path, body, headers).status == 415
    assert server.post("/v2/models/softmax/infer", TENSORS, {}).status == 200


@pytest.mark.parametrize(
    ("host", "bound"),
    [("127.1", "127.0.0.1"), ("vm", "127.0.1.1"), ("localhost", "::1"), ("::ffff:127.0.0.1", "::ffff:127.0.0.1")],
)
def test_the_address_says_whom_a_server_listens_to(host: str, bound: str) -> None:
    """However it was typed: a name that leads to this machine alone opens it to no other name."""
    names = hosts.allowed(host, bound)
    assert not hosts.is_allowed([(b"host", b"evil.example:80")], names)
    assert hosts.is_allowed([(b"host", b"localhost:80")], names)
    assert hosts.allowed(host, "0.0.0.0") is hosts.allowed(host, "fe80::1%eth0") is None


def test_names_without_number(server: Server) -> None:
    """A name that stands twice among 100,000 is found at once."""
    names = [f"c{place}" for place in range(100_000)]
    twice = [*names, names[-1]]
    keys = ",".join(f'"{name}":[]' for name in twice)
    bodies = {
        "expected every column once": json.dumps({"dataframe_split": {"columns": twice, "data": []}}).encode(),
        "expected every key once": f'{{"inputs":{{{keys}}}}}'.encode(),
        "99,995 more": json.dumps({"inputs": {name: [1] for name in names}}).encode(),
        "missing columns": ",".join(names).encode() + b"\n1\n",
    }
    for part, body in bodies.items():
        kind = {"content-type": "text/csv"} if part.startswith("missing") else JSON
        answer = server.post("/invocations", body, kind)
        assert (answer.status, part in answer.sentence, is_one_sentence(answer)) == (400, True, True), answer.sentence


def application(folder: Path, limits: Limits) -> Application:
    """The application without a socket."""
    models.write(folder)
    find = partial(ranges.find, prepared=folder / "prepared")
    exchange_ = Exchange(FolderSource("softmax", folder / "models"), lambda stored: served("softmax", stored, find))
    return Application(exchange_, limits, None, pytest.fail, "1")


async def asked(
    server: Application, parts: list[bytes], until: asyncio.Event | None = None
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body of the answer to a POST to /invocations; the last part of its body waits for an event.

    No socket lies between, so what has arrived when is no chance.
    """
    sent: list[Any] = []
    rest = [*parts]

    async def receive() -> dict[str, Any]:
        part = rest.pop(0)
        if until is not None and not rest:
            await until.wait()
        return {"type": "http.request", "body": part, "more_body": bool(rest)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/invocations",
        "headers": [(b"content-type", b"application/json")],
    }
    await server(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def test_bodies_that_arrive_share_the_room_of_four(tmp_path: Path) -> None:
    """The fifth is refused while four have not ended, a small one is not, and the fifth is taken when they have."""
    size = 100_000
    server = application(tmp_path, Limits(max_bytes=size))
    large = BODY[:-1] + b"," + b'"more":"' + b"x" * (size - len(BODY) - 10) + b'"}'
    parts = [large[:-1], large[-1:]]

    async def run() -> None:
        whole = asyncio.Event()
        four = [asyncio.create_task(asked(server, parts, until=whole)) for _ in range(4)]
        await asyncio.sleep(0)
        status, headers, body = await asked(server, parts)
        assert (status, headers[b"retry-after"]) == (503, b"1")
        assert json.loads(body)["error_code"] == "TEMPORARILY_UNAVAILABLE"
        assert (await asked(server, [BODY]))[0] == 200
        whole.set()
        assert [answer[0] for answer in await asyncio.gather(*four)] == [200] * 4
        assert (await asked(server, parts))[0] == 200

    asyncio.run(run())


def test_an_answer_that_takes_too_long(tmp_path: Path) -> None:
    """504, and what to do."""
    server = application(tmp_path, Limits(max_rows=10**6, seconds=0.01))
    rows = json.dumps({"dataframe_records": [RECORD] * 50_000}).encode()
    status, _, body = asyncio.run(asked(server, [rows]))
    assert status == 504
    assert json.loads(body) == {
        "error_code": "DEADLINE_EXCEEDED",
        "message": "expected to answer within 0.01 s; send the rows in pieces",
    }


def test_more_connections_than_there_may_be(tmp_path: Path) -> None:
    """503 before anything is read, and the connection ends."""
    server = application(tmp_path, Limits(connections=1))
    server.connections = {1, 2}
    status, headers, body = asyncio.run(asked(server, [BODY]))
    assert (status, headers[b"connection"], headers[b"retry-after"]) == (503, b"close", b"1")
    assert "fewer connections" in json.loads(body)["message"]


@pytest.mark.skipif(sys.platform != "linux", reason="a file that is always full is Linux's")
def test_a_log_that_is_full_ends_nothing(tmp_path: Path) -> None:
    """The server goes on looking for another model, although it can tell nobody."""
    models.write(tmp_path, 1)
    second = models.write(tmp_path / "second", 2)
    with serving(tmp_path, log=Path("/dev/full")) as server:
        document = tmp_path / "models" / "softmax.json"
        document.write_bytes(document.read_bytes()[:-8])
        wait_until(lambda: b"serve_model_source_ok 0.0" in server.get("/metrics").body)
        for path in (tmp_path / "second" / "models").iterdir():
            path.replace(tmp_path / "models" / path.name)
        wait_until(lambda: server.get("/ping").headers["x-model-key"] == second.key)

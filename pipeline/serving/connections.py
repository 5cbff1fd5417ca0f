"""Connections whose request does not begin, or whose headers do not end, are closed; uvicorn would wait for ever."""

import asyncio
from http import HTTPStatus
from time import monotonic
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipeline.serving import invocations

SWEEP_SECONDS = 1.0
LONGEST_HEAD = 1 << 16
_SECONDS_TO_READ = 1.0


class TimedProtocol(HttpToolsProtocol):
    """HTTP/1.1 by httptools, which knows since when a connection waits for the end of headers, and their length."""

    waiting_since: float | None = None
    _head_bytes = 0
    _is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        self.waiting_since = monotonic()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came; headers that are too long end the connection."""
        if self._is_refused:
            return
        super().data_received(data)
        if self.waiting_since is None:
            return
        self._head_bytes += len(data)
        if self._head_bytes > LONGEST_HEAD and not self._is_refused:
            self.refuse(431, f"expected at most {LONGEST_HEAD:,} bytes of headers, got more")

    def send_400_response(self, _msg: str) -> None:
        """Answer what is no HTTP."""
        self.refuse(400, "expected an HTTP request, got something else")

    def refuse(self, status: int, sentence: str) -> None:
        """Answer before there is a request; close when the client may have read it, which closing at once prevents."""
        self._is_refused = True
        body = invocations.error(status, sentence)
        head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\nconnection: close"
        self.transport.write(f"{head}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        self.loop.call_later(_SECONDS_TO_READ, self.transport.close)

    def on_message_begin(self) -> None:
        """A request begins."""
        self.waiting_since = monotonic()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The application has the request, and counts the time of its body itself."""
        self.waiting_since, self._head_bytes = None, 0
        super().on_headers_complete()


async def sweep(connections: set[Any], seconds: float) -> None:
    """Close, for ever, every connection that has been waiting for longer than so many seconds."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        before = monotonic() - seconds
        for connection in [*connections]:
            since = connection.waiting_since
            if since is not None and since < before:
                connection.transport.close()

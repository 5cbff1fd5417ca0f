"""Connections that take room and give nothing back are ended; uvicorn would wait for them for ever.

Those whose request does not begin, whose headers do not end or grow too long, and those that do not read their answer.
"""

import asyncio
from http import HTTPStatus
from time import monotonic
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipeline.serving import invocations

LONGEST_HEAD = 1 << 16
_SECONDS_BETWEEN_SWEEPS = 1.0
_SECONDS_TO_READ = 1.0


class BoundedProtocol(HttpToolsProtocol):
    """HTTP/1.1 by httptools, which knows since when a connection waits for headers, and how long these are."""

    waiting_since: float | None = None
    unread_since: float | None = None
    _unread = 0
    _head_bytes = 0
    _steps = 0
    _is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        self.waiting_since = monotonic()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came; headers that are too long end the connection."""
        if self._is_refused:
            return
        steps = self._steps
        self._parse(data)
        # Bytes in which neither headers nor a body end are all of one request's headers.
        if self.waiting_since is None or steps != self._steps:
            return
        self._head_bytes += len(data)
        if self._head_bytes > LONGEST_HEAD and not self._is_refused:
            self._refuse(431, f"expected at most {LONGEST_HEAD:,} bytes of headers, got more")

    def _parse(self, data: bytes) -> None:
        """Feed the parser; a change of protocol that a client offers is not taken, as HTTP lets a server do.

        Java's client offers HTTP/2 with its first request. The parser takes what follows such a head for the other
        protocol's, so that a body would be read as the next request: the head is parsed again without the offer.
        """
        self._unset_keepalive_if_required()
        rest: memoryview | None = memoryview(data)
        try:
            while rest is not None:
                rest = self._fed(rest)
        except httptools.HttpParserError:
            self.send_400_response("")

    def _fed(self, data: memoryview) -> memoryview | None:
        """None, or where a head offered another protocol, what follows it, for a parser that knows of no offer."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            head = self._without_upgrade()
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
            self.parser.feed_data(head)
            return data[offer.args[0] :]
        return None

    def _without_upgrade(self) -> bytes:
        """The head of the request that was parsed last, as it is without an offer."""
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                tokens = [token.strip() for token in value.split(b",")]
                value = b", ".join(token for token in tokens if token.lower() != b"upgrade")
            if name != b"upgrade":
                lines.append(b"%b: %b" % (name, value))
        return b"\r\n".join([*lines, b"", b""])

    def send_400_response(self, _msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(400, "expected an HTTP request, got something else")

    def _refuse(self, status: int, sentence: str) -> None:
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
        if self.parser.get_method() == b"CONNECT":
            raise ValueError("this is no proxy")  # the parser's reason to call it no HTTP
        if self.parser.should_upgrade():
            return
        self.waiting_since, self._head_bytes = None, 0
        self._steps += 1
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self.parser.should_upgrade():
            return
        self._steps += 1
        super().on_message_complete()

    def end_if_late(self, before: float) -> None:
        """Close where headers have been awaited since ``before``, or nothing of an answer has been read since then."""
        if self.waiting_since is not None and self.waiting_since < before:
            self.transport.close()
        unread = self.transport.get_write_buffer_size()
        if not unread or unread != self._unread:
            self._unread, self.unread_since = unread, monotonic() if unread else None
        elif self.unread_since is not None and self.unread_since < before:
            self.transport.abort()


async def sweep(connections: set[Any], seconds: float) -> None:
    """End, for ever, every connection that has been late for more than so many seconds."""
    while True:
        await asyncio.sleep(_SECONDS_BETWEEN_SWEEPS)
        before = monotonic() - seconds
        for connection in [*connections]:
            connection.end_if_late(before)

"""Connections whose request does not begin, or whose headers do not end, are closed; uvicorn would wait for ever."""

import asyncio
from time import monotonic
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SWEEP_SECONDS = 1.0


class TimedProtocol(HttpToolsProtocol):
    """HTTP/1.1 by httptools, with the time since which a connection has been waiting for the end of headers."""

    waiting_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there."""
        self.waiting_since = monotonic()
        super().connection_made(transport)

    def on_message_begin(self) -> None:
        """A request begins."""
        self.waiting_since = monotonic()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The application has the request, and counts the time of its body itself."""
        self.waiting_since = None
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

"""What a request may take: bytes, rows, seconds; and the room that the bodies of all requests share."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pipeline.serving.requests import RequestError

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

# Of all requests together, in bodies of the largest size.
_LARGEST_AT_ONCE = 4


class DisconnectedError(Exception):
    """The client went away before its request was whole."""


@dataclass(frozen=True)
class Limits:
    """Of one request: the bytes of its body, its rows, and the seconds for its body to arrive and for the answer."""

    max_bytes: int = 16 << 20
    max_rows: int = 10_000
    seconds: float = 10.0
    connections: int = 1000

    def require_rows(self, rows: int) -> None:
        """Raises: RequestError (413) for more rows than a request may have."""
        if rows > self.max_rows:
            raise RequestError(
                413, f"expected at most {self.max_rows:,} rows in a request, got {rows:,}; send them in pieces"
            )


class BodyReader:
    """Reads bodies, as long as they keep to the limits."""

    def __init__(self, limits: Limits) -> None:
        """``held`` are the bytes that are in work now."""
        self._limits = limits
        self.held = 0

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """The whole body.

        Raises: RequestError: 413 for one that is too large, 408 for one that takes too long; DisconnectedError.
        """
        declared = headers.get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self._limits.max_bytes:
            await self._drain(headers, receive)
            raise self._too_large()
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await self._whole(receive)
        except TimeoutError:
            seconds = self._limits.seconds
            raise RequestError(408, f"expected the whole body within {seconds:g} s", closes=True) from None

    async def _whole(self, receive: Receive) -> bytes:
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body"):
            body: bytes = message["body"]
            return body
        parts, size = [], 0
        while True:
            if message["type"] != "http.request":
                raise DisconnectedError
            parts.append(message["body"])
            size += len(message["body"])
            if size > self._limits.max_bytes:
                parts.clear()
                await self._drain({}, receive)
                raise self._too_large()
            if not message.get("more_body"):
                return b"".join(parts)
            message = await receive()

    async def _drain(self, headers: Mapping[bytes, bytes], receive: Receive) -> None:
        """Let the rest arrive and drop it: a connection that is closed before takes the answer with it.

        A client that asks before it sends (Expect: 100-continue) has its answer at once.
        """
        if b"expect" in headers:
            return
        try:
            async with asyncio.timeout(self._limits.seconds):
                while (message := await receive())["type"] == "http.request" and message.get("more_body"):
                    pass
        except TimeoutError:
            pass

    def _too_large(self) -> RequestError:
        most = self._limits.max_bytes
        return RequestError(413, f"expected at most {most:,} bytes as body, got more; send it in pieces", closes=True)

    @contextmanager
    def working_on(self, size: int) -> Iterator[None]:
        """Count a body while it is in work. Raises: RequestError (503) where it is one too many."""
        if self.held and self.held + size > _LARGEST_AT_ONCE * self._limits.max_bytes:
            raise RequestError(503, "expected fewer large requests at once; try again in a second")
        self.held += size
        try:
            yield
        finally:
            self.held -= size

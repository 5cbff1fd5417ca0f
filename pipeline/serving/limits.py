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


class Room:
    """The bytes of bodies that arrive or are in work, of all requests together."""

    def __init__(self, limits: Limits) -> None:
        """None is taken."""
        self._most = _LARGEST_AT_ONCE * limits.max_bytes
        self._taken = 0

    @contextmanager
    def share(self) -> Iterator["Share"]:
        """The share of one request, given back at the end."""
        share = Share(self)
        try:
            yield share
        finally:
            share.give_back()

    def take(self, size: int, *, beside: int) -> None:
        """Raises: RequestError (503) where others, beside a share of this size, leave too little."""
        if self._taken > beside and self._taken + size > self._most:
            raise RequestError(503, "expected fewer large requests at once; try again in a second")
        self._taken += size

    def release(self, size: int) -> None:
        """Have so many bytes less taken."""
        self._taken -= size


class Share:
    """What one request has of the room: ``size`` bytes."""

    def __init__(self, room: Room) -> None:
        """Nothing yet."""
        self._room = room
        self.size = 0

    def grow(self, size: int) -> None:
        """Have at least so many bytes. Raises: RequestError (503)."""
        if size > self.size:
            self._room.take(size - self.size, beside=self.size)
            self.size = size

    def give_back(self) -> None:
        """Have nothing any more."""
        self._room.release(self.size)
        self.size = 0


class BodyReader:
    """Reads bodies, as long as they keep to the limits."""

    def __init__(self, limits: Limits) -> None:
        """For any number of requests."""
        self._limits = limits

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive, share: Share) -> bytes:
        """The whole body; what arrives in more than one piece is counted in the request's share.

        Raises: RequestError: 413 for one that is too large, 408 for one that takes too long, 503; DisconnectedError.
        """
        declared = headers.get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self._limits.max_bytes:
            await self._drain(headers, receive)
            raise self._too_large()
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await self._whole(receive, share)
        except TimeoutError:
            seconds = self._limits.seconds
            raise RequestError(408, f"expected the whole body within {seconds:g} s", closes=True) from None

    async def _whole(self, receive: Receive, share: Share) -> bytes:
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
            try:
                if size > self._limits.max_bytes:
                    raise self._too_large()
                share.grow(size)
            except RequestError:
                parts.clear()
                share.give_back()
                if message.get("more_body"):
                    await self._drain({}, receive)
                raise
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

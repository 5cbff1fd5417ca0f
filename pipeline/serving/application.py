"""The application behind uvicorn: scoring by two protocols on the short way, everything else through starlette.

A small request is scored in the event loop, where it takes less time than handing it to a thread would; a large one on
a thread, so that the small ones beside it do not wait.
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from types import ModuleType
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as PageRequest
from starlette.responses import Response as PageResponse
from starlette.routing import Route

from pipeline.errors import UserError
from pipeline.serving import hosts, inference_protocol, invocations, openapi, page
from pipeline.serving.limits import BodyReader, DisconnectedError, Limits, Receive, Room
from pipeline.serving.metrics import Metrics
from pipeline.serving.models import Exchange
from pipeline.serving.requests import JSON, Request, RequestError, Response

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# A body of so many bytes is scored in a millisecond or two.
_SMALL_BYTES = 1 << 14
_THREADS = 2

_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class _Protocol:
    """A protocol's module, and its name among metrics."""

    name: str
    module: ModuleType


_MLFLOW = _Protocol("mlflow", invocations)
_V2 = _Protocol("v2", inference_protocol)


class Application:
    """Answers requests with the model that ``models`` holds."""

    def __init__(
        self, models: Exchange, limits: Limits, names: frozenset[str] | None, say: Callable[[str], None], version: str
    ) -> None:
        """``names``: how a request may call the server; ``say`` gets a sentence for what is a bug."""
        self.metrics = Metrics(models)
        self.connections: set[Any] = set()
        self._models, self._limits, self._names, self._say, self._version = models, limits, names, say, version
        self._bodies, self._room = BodyReader(limits), Room(limits)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="serve")
        refusals = {HTTPException: self._refuse, RequestError: self._refuse}
        self._pages = Starlette(routes=self._routes(), exception_handlers=refusals)
        self._pages.router.redirect_slashes = False  # it would lead to whatever Host a request names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A request, by ASGI."""
        path = scope["path"]
        is_v2 = path.startswith("/v2/") or path == "/v2"
        scores = path == "/invocations" or (is_v2 and path.endswith("/infer"))
        protocol = _V2 if is_v2 else _MLFLOW
        if not hosts.is_allowed(scope["headers"], self._names):
            await _refuse_now(send, protocol, 421, "expected a Host header that names this machine")
        elif len(self.connections) > self._limits.connections:
            await _refuse_now(send, protocol, 503, "expected fewer connections at once; try again in a second")
        elif scores:
            await self._score(protocol, scope, receive, send)
        else:
            await self._pages(scope, receive, send)

    async def _score(self, protocol: _Protocol, scope: Scope, receive: Receive, send: Send) -> None:
        began = perf_counter()
        model = self._models.current
        closes = False
        try:
            response = await self._scored(protocol, scope, receive, model)
        except DisconnectedError:
            self.metrics.disconnected()
            return
        except RequestError as error:
            closes = error.closes
            response = Response(
                error.status, protocol.module.error(error.status, str(error)), headers=_next(error.status)
            )
        except UserError as error:
            sentence = "; ".join(line.strip() for line in str(error).splitlines())
            response = Response(400, protocol.module.error(400, sentence))
        except Exception as error:
            self._say(_place_of_bug(error))
            response = Response(500, protocol.module.error(500, "the server has a bug, which it told on its terminal"))
        headers = [
            (b"content-type", response.content_type),
            (b"content-length", str(len(response.body)).encode()),
            (b"x-model-key", model.key.encode()),
            *response.headers,
        ]
        if closes:
            headers.append((b"connection", b"close"))
        self.metrics.answered(protocol.name, response.status, perf_counter() - began, response.rows)
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _scored(self, protocol: _Protocol, scope: Scope, receive: Receive, model: Any) -> Response:
        if scope["method"] != "POST":
            raise RequestError(405, f"expected POST, got {scope['method']}")
        headers = dict(scope["headers"])
        if headers.get(b"content-encoding", b"identity") != b"identity":
            raise RequestError(415, "expected a body that is not packed, got a Content-Encoding", closes=True)
        with self._room.share() as share:
            body = await self._bodies.read(headers, receive, share)
            request = Request(scope["path"], headers, body)
            work = partial(protocol.module.answer, request, model, self._limits)
            if len(body) <= _SMALL_BYTES and (protocol is _V2 or invocations.is_small(request)):
                result: Response = work()
                return result
            share.grow(len(body))
            try:
                async with asyncio.timeout(self._limits.seconds):
                    return await asyncio.get_running_loop().run_in_executor(self._threads, work)
            except TimeoutError:
                seconds = self._limits.seconds
                raise RequestError(504, f"expected to answer within {seconds:g} s; send the rows in pieces") from None

    def _routes(self) -> list[Route]:
        def json(path: str, content: Callable[[PageRequest], bytes]) -> Route:
            async def endpoint(request: PageRequest) -> PageResponse:
                return self._page(content(request), JSON.decode())

            return Route(path, endpoint, methods=["GET"])

        async def show(_: PageRequest) -> PageResponse:
            headers = page.HEADERS
            return PageResponse(page.html(self._models.current), headers=headers, media_type="text/html; charset=utf-8")

        async def metrics(_: PageRequest) -> PageResponse:
            return self._page(self.metrics.text(), "text/plain; version=0.0.4; charset=utf-8")

        async def ping(_: PageRequest) -> PageResponse:
            return self._page(b"\n", JSON.decode())

        async def version(_: PageRequest) -> PageResponse:
            return self._page(self._version.encode(), _TEXT)

        ready = b'{"ready":true}'
        name = "/v2/models/{name}"
        return [
            Route("/", show, methods=["GET"]),
            Route("/ping", ping, methods=["GET"]),
            Route("/health", ping, methods=["GET"]),
            Route("/version", version, methods=["GET"]),
            Route("/metrics", metrics, methods=["GET"]),
            json("/openapi.json", lambda _: orjson.dumps(openapi.document(self._models.current, self._version))),
            json("/v2", lambda _: orjson.dumps(self._server())),
            json("/v2/health/live", lambda _: b'{"live":true}'),
            json("/v2/health/ready", lambda _: ready),
            json(name, self._metadata),
            json(f"{name}/versions/{{version}}", self._metadata),
            json(f"{name}/ready", lambda request: self._metadata(request) and ready),
            json(f"{name}/versions/{{version}}/ready", lambda request: self._metadata(request) and ready),
        ]

    def _server(self) -> dict[str, Any]:
        return {"name": "softmax-pipeline", "version": self._version, "extensions": ["binary_tensor_data"]}

    def _metadata(self, request: PageRequest) -> bytes:
        model = self._models.current
        inference_protocol.require_model(model, request.path_params["name"], request.path_params.get("version"))
        return inference_protocol.metadata(model)

    def _page(self, body: bytes, media_type: str) -> PageResponse:
        return PageResponse(body, headers={"x-model-key": self._models.current.key}, media_type=media_type)

    async def _refuse(self, request: PageRequest, error: Exception) -> PageResponse:
        """An answer to a path or method that is not there, in the form of the protocol that the path is of."""
        module = inference_protocol if request.url.path.startswith("/v2") else invocations
        if isinstance(error, HTTPException):
            status, headers = error.status_code, error.headers
            allowed = " or ".join(sorted((headers or {}).get("Allow", "another method").split(", ")))
            wants = f"expected {allowed}, got {request.method}" if status == 405 else _UNKNOWN
        else:
            assert isinstance(error, RequestError)
            status, headers, wants = error.status, None, str(error)
        return PageResponse(module.error(status, wants), status, headers, JSON.decode())


_UNKNOWN = "expected a path that /openapi.json names, such as /invocations, got another"


def _next(status: int) -> tuple[tuple[bytes, bytes], ...]:
    """What a client may do next."""
    return {405: ((b"allow", b"POST"),), 503: ((b"retry-after", b"1"),)}.get(status, ())


async def _refuse_now(send: Send, protocol: _Protocol, status: int, sentence: str) -> None:
    """Answer before anything of the body is read, and close."""
    body = protocol.module.error(status, sentence)
    headers = [(b"content-type", JSON), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    headers += _next(status)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _place_of_bug(error: Exception) -> str:
    """Where a bug is, without what it says: that may hold values of a request."""
    where = [f"{frame.name} ({frame.filename}:{frame.lineno})" for frame in traceback.extract_tb(error.__traceback__)]
    return f"a request ended in a bug: {type(error).__name__} in {' < '.join(reversed(where[-4:]))}"
